"""The user's FILE.py: how it is loaded, and how its errors are reported."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from retia.errors import RetiaError, StudyError

__all__ = ["UserCodeError", "UserFile", "load_file", "require_parameters", "user_code"]


class UserCodeError(Exception):
    """An exception in the user's code; the message is its traceback from the user's file on."""


@dataclass(frozen=True)
class UserFile:
    """A file of the user and its module."""

    path: Path
    module: ModuleType

    def get(self, name: str) -> Any:
        """Return the value of a global name in the file, or None."""
        return getattr(self.module, name, None)


def load_file(path: Path) -> UserFile:
    """Import a file as a module, with its folder first on the import path, as for `python FILE.py`.

    The module is not `__main__`, so code under `if __name__ == "__main__":` does not run. Its definitions are
    sent to worker processes by value.

    Raises:
        UserCodeError: If the file can't be parsed, or raises an exception.
        StudyError: If the file is not a Python file.
    """
    import cloudpickle

    path = path.resolve()
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"{path.stem}_file"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"'{path}' is not a Python file. Give a file whose name ends in .py."
        raise StudyError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with user_code(path):
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    cloudpickle.register_pickle_by_value(module)
    return UserFile(path, module)


@contextmanager
def user_code(path: Path) -> Generator[None]:
    """Convert an exception of the user's code into its traceback, without the frames above the file.

    A `RetiaError` passes, with a note about the line of the file that caused it.

    Raises:
        UserCodeError: If the code raises an exception that is not a `RetiaError`.
    """
    try:
        yield
    except RetiaError as error:
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        if lines:
            error.add_note(f"(from {path.name}, line {lines[-1]})")
        raise
    except Exception as error:
        raise UserCodeError(_trimmed(error, path)) from error


def require_parameters(function: Callable[..., Any], options: Mapping[str, Any], path: Path) -> None:
    """Require that a function has the options as keyword arguments.

    Raises:
        StudyError: If an option is not a keyword argument of `function`.
    """
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    names = [
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    if unknown := [name for name in options if name not in names]:
        listed = ", ".join(names) if names else "no parameters"
        msg = (
            f"main() in {path.name} has no parameter '{unknown[0]}'; it has {listed}. "
            "Add it to the function, or leave the option out."
        )
        raise StudyError(msg)


def _trimmed(error: Exception, path: Path) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()
