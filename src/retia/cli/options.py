"""Options that several commands share."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from retia.study import StoredStudy

__all__ = ["DEFAULT_STORAGE", "default_storage", "json_option", "name_option", "open_study", "storage_option"]

DEFAULT_STORAGE = "retia.db"

Command = TypeVar("Command", bound=Callable[..., Any])


def default_storage() -> str:
    """Return the storage of a study without one: RETIA_STORAGE, or else retia.db."""
    return os.environ.get("RETIA_STORAGE", DEFAULT_STORAGE)


def storage_option(command: Command) -> Command:
    """Add --storage."""
    return click.option(
        "--storage",
        metavar="FILE|URL",
        envvar="RETIA_STORAGE",
        default=DEFAULT_STORAGE,
        show_default=True,
        show_envvar=True,
        help="Storage of the studies.",
    )(command)


def name_option(command: Command) -> Command:
    """Add --name."""
    return click.option("--name", help="Name of the study; required if the storage has several.")(command)


def json_option(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")(command)


def open_study(storage: str, name: str | None) -> "StoredStudy":
    """Open a stored study by its name, or the only study that is not a companion of another.

    Raises:
        StudyError: If `name` is None and the storage does not have exactly one study.
        StorageError: If the storage can't be read, or has no study `name`.
    """
    from retia.study import Study

    return Study.open(storage, name)
