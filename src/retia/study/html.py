"""A study as notebooks show it."""

import html
from typing import TYPE_CHECKING

from retia.visible import visible

if TYPE_CHECKING:
    from retia.study.study import Study

__all__ = ["as_html"]


def as_html(study: "Study") -> str:
    """Return the best ten trials as a table."""
    names = [one.metric for one in study.objectives]
    head = "".join(f"<th>{html.escape(visible(name))}</th>" for name in ("trial", *names, "architecture"))
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(visible(str(cell)))}</td>' for cell in cells)}</tr>"
        for trial in study.top(10)
        for numbers in [[f"{trial.metrics[name]:.6g}" for name in names]]
        for cells in [(trial.number, *numbers, dict(trial.architecture))]
    )
    return f"<p>{html.escape(visible(repr(study)))}</p><table><tr>{head}</tr>{rows}</table>"
