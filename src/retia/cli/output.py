"""The output of the commands: JSON for machines, text columns and rich tables for people."""

import json
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

from retia.visible import visible, visible_lines

__all__ = ["columns", "json_alone", "print_json", "say", "show"]


def print_json(value: Any) -> None:
    """Print a JSON value in ASCII, the only standard output of a command with --json."""
    click.echo(json.dumps(value).replace("\x7f", "\\u007f"))


def say(text: str, *, error: bool = False, colour: str | None = None) -> None:
    """Print lines of text, with escapes for invisible characters; pass names through `visible` first."""
    click.secho(visible_lines(text), err=error, fg=colour)


@contextmanager
def json_alone(as_json: bool) -> Generator[None]:
    """Redirect all other output, also of worker processes, to standard error if `as_json`."""
    if not as_json:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def show(*parts: "RenderableType") -> None:
    """Print rich tables and texts; outside a terminal without colours and at least 160 columns wide."""
    import shutil

    from rich.console import Console

    console = Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else max(shutil.get_terminal_size().columns, 160),
        highlight=False,
    )
    for part in parts:
        console.print(part)


def columns(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[str] = frozenset()
) -> str:
    """Return rows as aligned text, which is much faster than a rich table for many rows.

    Args:
        headings: Names of the columns.
        rows: Rows with one text for each column.
        right: Headings of right-aligned columns.
    """
    lines = [tuple(map(visible, row)) for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    form = "  ".join(
        f"{{:{'>' if heading in right else '<'}{width}}}"
        for heading, width in zip(headings, widths, strict=True)
    ).format
    return "\n".join(form(*row).rstrip() for row in lines)
