"""A study as notebooks show it."""

import html
from collections.abc import Iterable, Sequence

from retia.trial import Trial
from retia.visible import visible

__all__ = ["as_html"]


def as_html(title: str, metrics: Sequence[str], trials: Iterable[Trial]) -> str:
    """Return trials as a table, with a column for each metric."""
    head = "".join(f"<th>{html.escape(visible(name))}</th>" for name in ("trial", *metrics, "architecture"))
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(visible(str(cell)))}</td>' for cell in cells)}</tr>"
        for trial in trials
        for numbers in [[f"{trial.metrics[name]:.6g}" for name in metrics]]
        for cells in [(trial.number, *numbers, dict(trial.architecture))]
    )
    return f"<p>{html.escape(visible(title))}</p><table><tr>{head}</tr>{rows}</table>"
