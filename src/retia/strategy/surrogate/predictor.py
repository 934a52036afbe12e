"""The protocol of predictors."""

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace

__all__ = ["FittedPredictor", "Predictor", "predictions", "require_predictor"]

Numbers = NDArray[np.float64]


class FittedPredictor(Protocol):
    """A predictor that has learnt."""

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Numbers, Numbers]:
        """Return the mean and the standard deviation of each architecture's loss, shapes (N,) and (N,)."""
        ...


class Predictor(Protocol):
    """A model that learns losses from architectures.

    Laws:

    - It keeps no state: the same arguments give the same fit.
    - Its randomness comes from `rng` alone.
    - It fits a single architecture, equal losses, and repeated architectures.
    """

    def fit(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        losses: Numbers,
        rng: np.random.Generator,
    ) -> FittedPredictor:
        """Fit to the losses of at least one architecture, shape (N,); lower is better."""
        ...


def require_predictor(owner: object, predictor: Any) -> None:
    """Require that `predictor` has a method `fit` with the arguments of the protocol.

    Raises:
        StudyError: If `predictor` is a class, has no `fit`, or has one with other arguments.
    """
    name = type(owner).__name__
    if isinstance(predictor, type) or not hasattr(predictor, "fit"):
        msg = (
            f"The predictor of {name} must be an object with a method fit, such as "
            f"retia.predictor.GaussianProcess(), got {predictor!r}."
        )
        raise StudyError(msg)
    signature = inspect.signature(predictor.fit)
    try:
        signature.bind("space", "architectures", "losses", "rng")
    except TypeError:
        msg = (
            f"{name} calls fit(space, architectures, losses, rng) of its predictor, but "
            f"{type(predictor).__name__} has fit{signature}. Write a class whose fit has these arguments: it "
            "encodes the architectures, for instance with space.encode, and fits the predictor to them."
        )
        raise StudyError(msg) from None


def predictions(predictor: Predictor, predicted: Any, count: int) -> tuple[Numbers, Numbers]:
    """Return the means and standard deviations that a predictor returned for `count` architectures.

    Raises:
        StudyError: If they are not two finite arrays of shape (count,), the second not negative.
    """
    pair = tuple(predicted) if isinstance(predicted, tuple | list) else (predicted,)
    arrays = [np.asarray(one, dtype=np.float64) for one in pair if one is not None]
    if (
        len(arrays) == 2
        and all(one.shape == (count,) and np.isfinite(one).all() for one in arrays)
        and (arrays[1] >= 0).all()
    ):
        return arrays[0], arrays[1]
    shapes = " and ".join(f"{one.shape}{'' if np.isfinite(one).all() else ', not finite'}" for one in arrays)
    msg = (
        f"{type(predictor).__name__} must predict means and standard deviations (not negative) of losses "
        f"for {count} architectures: two finite arrays of shape ({count},). It predicted {shapes}."
    )
    if len(arrays) < 2:
        msg += " Without an uncertainty it can't guide a search: fit several, and return their spread."
    raise StudyError(msg)
