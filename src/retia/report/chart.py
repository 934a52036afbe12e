"""The style of all plots: a figure without a display that is shown in a notebook."""

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from retia.visible import visible

__all__ = ["BASELINE", "FRONT", "FRONT_RANDOM", "MUTED", "RANDOM", "Chart", "plain"]

FRONT, FRONT_RANDOM = "#1f5fbf", "#c0582b"
RANDOM, BASELINE, MUTED = "#dd8452", "#3a3a3a", "#9db4d6"


class Chart(Figure):
    """A figure with a row of plots, drawn with Agg and not registered in pyplot, so it need not be closed."""

    def __init__(self, title: str, *, width: float = 7.0, height: float = 4.4, plots: int = 1) -> None:
        super().__init__(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
        FigureCanvasAgg(self)
        self.all_axes: list[Axes] = [self.add_subplot(1, plots, i + 1) for i in range(plots)]
        self.axes_of_plot = self.all_axes[0]
        self.axes_of_plot.set_title(plain(title), loc="left", fontsize=11, fontweight="bold")
        for axes in self.all_axes:
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color("#888888")
            axes.grid(visible=True, color="#e6e6e6", linewidth=0.7)
            axes.set_axisbelow(True)
            axes.tick_params(labelsize=9, color="#888888")

    def add_legend(self) -> None:
        """Add a legend below the plot."""
        handles, labels = self.axes_of_plot.get_legend_handles_labels()
        if not labels:
            return
        columns = len(labels) if len(labels) < 4 else -(-len(labels) // 2)
        self.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def plain(text: str) -> str:
    """Return text that matplotlib draws literally: on one line, with dollar signs escaped."""
    return visible(text).replace("$", r"\$")
