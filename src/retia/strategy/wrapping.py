"""What a strategy must be for another to wrap it."""

from typing import Any

from retia.errors import StudyError
from retia.trial import strategy_capabilities_of

__all__ = ["check_wrapped"]


def check_wrapped(wrapper: object, strategy: Any) -> None:
    """Check that a wrapper is given a strategy that does no more than propose.

    Raises:
        StudyError: If it is no strategy, or has work to do before its first proposal, which a wrapper can't
            pass on.
    """
    name = type(wrapper).__name__
    if isinstance(strategy, type) or not hasattr(strategy, "propose"):
        msg = f"{name} wraps an object with a method propose, such as retia.Random(), got {strategy!r}."
        raise StudyError(msg)
    if strategy_capabilities_of(strategy).prepare is not None:
        method = type(strategy).__name__
        msg = (
            f"{name} wraps strategies that only propose, and {method} prepares an evaluator first. "
            f"Prepare it alone ({method}(...).train(space, evaluator) for a supernet), "
            f"and search what it returns by {name} of another strategy."
        )
        raise StudyError(msg)
