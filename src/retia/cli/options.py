"""The options that several commands share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from retia.study import StoredStudy

__all__ = ["DEFAULT_STORAGE", "json_option", "name_option", "open_study", "storage_option"]

DEFAULT_STORAGE = "retia.db"

Command = TypeVar("Command", bound=Callable[..., Any])


def storage_option(command: Command) -> Command:
    """Add --storage."""
    return click.option(
        "--storage",
        metavar="FILE|URL",
        envvar="RETIA_STORAGE",
        default=DEFAULT_STORAGE,
        show_default=True,
        show_envvar=True,
        help="Where the studies are.",
    )(command)


def name_option(command: Command) -> Command:
    """Add --name."""
    return click.option("--name", help="Which study; needed where the storage holds several.")(command)


def json_option(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")(command)


def open_study(storage: str, name: str | None) -> "StoredStudy":
    """Open a stored study: the named one, or the only one that is not a companion of another.

    Raises:
        StudyError: If no name is given and there is not exactly one study.
        StorageError: If the storage can't be read, or has no study of that name.
    """
    from retia.study import Study

    return Study.open(storage, name)
