"""Hold an implementation against the laws of its protocol."""

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["assert_laws"]


def assert_laws(laws: Iterable[Callable[..., None]], *subject: Any) -> None:
    """Apply each law to a subject: `assert_laws(STRATEGY_LAWS, MyStrategy)`.

    Args:
        laws: The laws, such as `STRATEGY_LAWS` or `SUPERNET_LAWS`.
        subject: The arguments of each law.

    Raises:
        AssertionError: If a law is broken; the message names the law and says how.
    """
    for law in laws:
        try:
            law(*subject)
        except Exception as error:
            msg = (
                f"The law '{law.__name__}' is broken ({(law.__doc__ or '').strip()}): "
                f"{type(error).__name__}: {error}"
            )
            raise AssertionError(msg) from error
