"""Telling shapes that do not fit from mistakes in a model's code."""

import dis

__all__ = ["is_shape_error"]

_KINDS = (RuntimeError, ValueError, AssertionError)
"""What torch raises where sizes do not fit. Their subclasses, such as an error for lack of memory, tell of
something else.
"""


def is_shape_error(error: BaseException | None) -> bool:
    """Whether torch raised an error because of sizes: an operator, or a check in a layer of torch's own.

    An error that the model's own code raises is not one, whatever its type; `retia.reject` says that a model
    is not meant to exist.

    >>> import torch
    >>> def error_of(function):
    ...     try:
    ...         function()
    ...     except Exception as error:
    ...         return error
    >>> is_shape_error(error_of(lambda: torch.nn.Conv2d(3, 8, 1, groups=2)))
    True
    >>> is_shape_error(error_of(lambda: torch.ones(2) + torch.ones(3)))
    True
    >>> is_shape_error(error_of(lambda: int("three")))
    False
    """
    if error is None or type(error) not in _KINDS or error.__traceback__ is None:
        return False
    innermost = error.__traceback__
    while innermost.tb_next is not None:
        innermost = innermost.tb_next
    frame = innermost.tb_frame
    if str(frame.f_globals.get("__name__")).partition(".")[0] == "torch":
        return True
    # Torch's operators are compiled: their errors come out of a line that raises nothing itself. Python's own
    # functions in C raise other types.
    raises = dis.opname[frame.f_code.co_code[innermost.tb_lasti]] in ("RAISE_VARARGS", "RERAISE")
    return isinstance(error, RuntimeError) and not raises
