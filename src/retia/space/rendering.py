"""Search spaces as text and as HTML."""

import html
import math
from collections.abc import Iterable, Sequence

from retia.space.parameter import Parameter
from retia.visible import visible

__all__ = ["as_html", "as_text", "size_in_words"]


def as_text(title: str, parameters: Iterable[Parameter], restrictions: Sequence[str] = ()) -> str:
    """Return a title, and a line for each parameter and each restriction."""
    rows = [
        (
            visible(p.label),
            visible(str(p.domain)),
            "" if p.condition.always else visible(f"while {p.condition}"),
        )
        for p in parameters
    ]
    wide = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
    lines = [
        f"{label:<{wide[0]}}  {domain:<{wide[1]}}  {condition}".rstrip() for label, domain, condition in rows
    ]
    return "\n".join([title, *lines, *(visible(f"where {restriction}") for restriction in restrictions)])


def as_html(title: str, parameters: Iterable[Parameter], restrictions: Sequence[str] = ()) -> str:
    """Return a title, a table of the parameters, and a line for each restriction."""
    cells = ((p.label, str(p.domain), str(p.condition)) for p in parameters)
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(visible(cell))}</td>' for cell in row)}</tr>" for row in cells
    )
    bounds = "".join(f"<p>where {html.escape(visible(restriction))}</p>" for restriction in restrictions)
    head = "<tr><th>parameter</th><th>domain</th><th>active</th></tr>"
    return f"<p>{html.escape(visible(title))}</p><table>{head}{rows}</table>{bounds}"


def size_in_words(size: float, *, restricted: bool = False) -> str:
    """Return a number of architectures as readable text.

    >>> size_in_words(15_625), size_in_words(3**40), size_in_words(6, restricted=True)
    ('15,625', 'about 1.21e19', 'at most 6')
    """
    if size == math.inf:
        return "infinitely many"
    size = int(size)
    number = (
        f"{size:,}"
        if size < 10**9
        else f"about {size // 10 ** (len(str(size)) - 3) / 100:.2f}e{len(str(size)) - 1}"
    )
    return f"at most {number}" if restricted else number
