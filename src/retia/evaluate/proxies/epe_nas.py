"""Correlation of the Jacobians of samples of the same class."""

import math

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.evaluate.proxies.jacobian import correlations, input_gradients
from retia.evaluate.proxies.probe import Probe

__all__ = ["epe_nas"]

_SMALL = 1e-5
_MANY_CLASSES = 100


def epe_nas(probe: Probe) -> float:
    """Return the sum over classes of |Σ log(|c| + k)|, with k = 1e-5.

    The inner sum is over the correlations c of the Jacobians of every two samples of the class. With more
    than 100 outputs it is divided by the number of samples of the class, and the score is the mean over
    classes of its absolute differences to all classes. The model is in training mode. The score is NaN if the
    outputs do not depend on the inputs.

    Raises:
        EvaluationError: If the targets are not class numbers (B,), or no input is a float.

    Reference:
        Lopes et al., EPE-NAS: Efficient Performance Estimation Without Training for Neural Architecture
        Search, ICANN 2021, section 3. Deviations, as in the authors' code: differences count in both
        directions, and a class is divided by its samples. Unlike that code, a class of a single sample counts
        with more than 100 outputs too.
    """
    targets = probe.targets
    if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.ndim != 1:
        got = (
            f"{str(targets.dtype).removeprefix('torch.')} of shape {tuple(targets.shape)}"
            if isinstance(targets, Tensor)
            else type(targets).__name__
        )
        msg = (
            f"epe_nas compares samples of the same class, but targets are {got}, not class numbers. "
            "Leave it out of 'proxies'."
        )
        raise EvaluationError(msg)
    gradients, outputs = input_gradients(probe)
    scores: list[float] = []
    for label in targets.unique():
        matrix = correlations(gradients[(targets == label).cpu()])
        if not bool(matrix.isfinite().all()):
            return math.nan
        score = float((matrix.abs() + _SMALL).log().sum())
        scores.append(score / len(matrix) if outputs > _MANY_CLASSES else score)
    if outputs <= _MANY_CLASSES:
        return sum(map(abs, scores))
    values = torch.tensor(scores, dtype=torch.float64)
    return float((values[:, None] - values).abs().sum() / len(values))
