"""The preset for language modeling."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from retia.errors import EvaluationError
from retia.evaluate.classification import Classification
from retia.evaluate.training import Training
from retia.nn import Batch

__all__ = ["LanguageModeling"]


def LanguageModeling(  # noqa: N802  # a preset reads like the class that it makes
    train_tokens: Any,
    valid_tokens: Any,
    *,
    context: int,
    test_tokens: Any = None,
    bytes_per_token: float | None = None,
    forward: Callable[[nn.Module, Batch], Any] | None = None,
    metrics: Mapping[str, Metric | Callable[[], Metric]] | None = None,
    derive: Callable[[Mapping[str, float]], Mapping[str, float]] | None = None,
    **settings: Any,
) -> Training:
    """Return a `Training` of language models.

    A model maps tokens (B, T) to scores of the next token (B, T, vocabulary), which may be the attribute
    `logits` of its output, as in causal models of Hugging Face. The tokens are cut into adjacent windows of
    `context` tokens. Metrics are `loss` (cross-entropy in nats per token), `perplexity`, `accuracy`, and,
    given `bytes_per_token`, `bits_per_byte`, of the epoch with the lowest loss.

    Args:
        train_tokens: Training data, integers of shape (N,).
        valid_tokens: Validation data, integers of shape (N,).
        context: Number of tokens of a window, T.
        test_tokens: Test data, integers of shape (N,).
        bytes_per_token: Mean number of bytes of a token in the data: 1 for characters of ASCII.
        forward: Function `(model, batch) -> outputs`.
        metrics: Further torchmetrics by name, updated by scores (B, vocabulary, T) and tokens (B, T).
        derive: Function `metrics -> metrics` that computes further ones from these, perplexity among them.
        settings: Further settings of `Classification` and `Training`.

    Raises:
        EvaluationError: If a setting or the data is not valid.
    """
    if isinstance(context, bool) or not isinstance(context, int) or context < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"'context' is the number of tokens of a window, a whole number of at least 1, got {context!r}."
        raise EvaluationError(msg)
    if bytes_per_token is not None and bytes_per_token <= 0:
        msg = f"'bytes_per_token' is the mean number of bytes of a token, above 0, got {bytes_per_token!r}."
        raise EvaluationError(msg)
    own: dict[str, Any] = {"select": ("loss", "min"), "preset": "LanguageModeling", "class_dim": -1}
    return Classification(
        _windows("train_tokens", train_tokens, context),
        _windows("valid_tokens", valid_tokens, context),
        test=None if test_tokens is None else _windows("test_tokens", test_tokens, context),
        forward=forward,
        metrics=metrics,
        derive=_Derived(bytes_per_token, derive),
        **{**own, **settings},
    )


@dataclass(frozen=True)
class _Derived:
    """Perplexity and bits per byte, from the loss in nats; and what `more` computes from all of them."""

    bytes_per_token: float | None
    more: Callable[[Mapping[str, float]], Mapping[str, float]] | None

    def __call__(self, found: Mapping[str, float]) -> Mapping[str, float]:
        loss = found["loss"]
        derived = {"perplexity": math.exp(loss) if loss < 700 else math.inf}
        if self.bytes_per_token is not None:
            derived["bits_per_byte"] = loss / math.log(2) / self.bytes_per_token
        return derived if self.more is None else {**derived, **self.more({**found, **derived})}


def _windows(name: str, tokens: Any, context: int) -> tuple[Tensor, Tensor]:
    """Return inputs and targets, each (windows, context), without the remainder at the end."""
    try:
        found = torch.as_tensor(tokens)
    except (TypeError, ValueError, RuntimeError) as error:
        msg = (
            f"'{name}' is a sequence of token numbers, got {type(tokens).__name__}: {error}. "
            "Tokenize the text first."
        )
        raise EvaluationError(msg) from error
    if found.ndim != 1 or found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        msg = (
            f"'{name}' is a sequence of token numbers, integers of shape (N,), "
            f"got {str(found.dtype).removeprefix('torch.')} of shape {tuple(found.shape)}."
        )
        raise EvaluationError(msg)
    count = (len(found) - 1) // context
    if count < 1:
        msg = (
            f"'{name}' needs more than {context} tokens, one window and the token after it, "
            f"got {len(found)}. Give more tokens, or a smaller context."
        )
        raise EvaluationError(msg)
    found = found.long()
    return found[: count * context].view(count, context), found[1 : count * context + 1].view(count, context)
