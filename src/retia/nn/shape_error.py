"""Errors that torch raises because shapes do not fit, as opposed to errors in a model's code."""

import dis

__all__ = ["is_shape_error"]

_KINDS = (RuntimeError, ValueError, AssertionError)
"""Types that torch raises if sizes do not fit. Subclasses, such as `OutOfMemoryError`, have other causes."""


def is_shape_error(error: BaseException | None) -> bool:
    """Whether an operator or a layer of torch raised an error because of sizes.

    The result is False for an error raised by the model's own code, whatever its type.

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
    # Operators of torch are compiled, so their errors surface at an instruction that does not raise.
    # Functions of Python itself that are written in C raise other types.
    raises = dis.opname[frame.f_code.co_code[innermost.tb_lasti]] in ("RAISE_VARARGS", "RERAISE")
    return isinstance(error, RuntimeError) and not raises
