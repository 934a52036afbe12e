"""The plot of strategies on a benchmark: regret against evaluations and simulated hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RegretCurve", "plot_regret"]

COLOURS = (
    "#1f5fbf",
    "#c0582b",
    "#3b8c5a",
    "#8a5fb0",
    "#b8923a",
    "#3aa0a8",
    "#c24f86",
    "#6b6b6b",
    "#7f9a2f",
    "#5a6fd0",
    "#a04545",
    "#2f6f6f",
)
LEAST = 1 / 300
"""The scale is linear below this share of the greatest median, to show a regret of 0."""


@dataclass(frozen=True, eq=False)
class RegretCurve:
    """The regret over seeds as arrays of shape (T,); NaN before the first result.

    Args:
        x: Evaluations, or simulated hours.
        median: Median regret.
        low: Lower quartile.
        high: Upper quartile.
    """

    x: NDArray[np.float64]
    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def plot_regret(
    title: str,
    metric: str,
    evaluations: Mapping[str, RegretCurve],
    hours: Mapping[str, RegretCurve] | None = None,
) -> "Figure":
    """Plot the median and the quartiles of the regret as step functions.

    Args:
        title: Title of the figure.
        metric: Metric of the regret.
        evaluations: Regret against evaluations by strategy; no plot if empty.
        hours: Regret against simulated hours by strategy; no plot if empty.
    """
    from retia.report.chart import Chart, plain

    known = [
        (curves, label)
        for curves, label in ((evaluations, "evaluations"), (hours or {}, "simulated hours"))
        if curves
    ]
    chart = Chart(title, width=11.0 if len(known) > 1 else 7.0, plots=len(known))
    for axes, (curves, label) in zip(chart.all_axes, known, strict=True):
        for (strategy, curve), colour in zip(curves.items(), cycle(COLOURS), strict=False):
            axes.fill_between(
                curve.x, curve.low, curve.high, step="post", color=colour, alpha=0.15, linewidth=0
            )
            axes.step(curve.x, curve.median, where="post", color=colour, linewidth=1.8, label=plain(strategy))
        axes.set_xlabel(label)
        axes.set_ylabel(plain(f"regret in {metric}, median and quartiles"))
        _scale(axes, curves)
    chart.add_legend()
    return chart


def _scale(axes: "Axes", curves: Mapping[str, RegretCurve]) -> None:
    """Use a logarithmic scale that is linear near 0."""
    greatest = max(float(np.nanmax(curve.median, initial=0.0)) for curve in curves.values())
    if greatest > 0:
        axes.set_yscale("symlog", linthresh=greatest * LEAST)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylim(bottom=0)
