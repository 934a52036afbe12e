"""Correlation of the Jacobians of samples."""

import math

import torch

from retia.evaluate.proxies.jacobian import correlations, input_gradients
from retia.evaluate.proxies.probe import Probe

__all__ = ["jacob_cov"]

_SMALL = 1e-5


def jacob_cov(probe: Probe) -> float:
    """Return -Σ (log(σ + k) + 1 / (σ + k)), with k = 1e-5.

    σ are the eigenvalues of the correlations of the samples' Jacobians. The maximum is -B for a batch of B
    samples, if no two Jacobians are correlated. The model is in training mode. The score is NaN if the
    outputs do not depend on the inputs.

    Reference:
        Mellor et al., Neural Architecture Search without Training, the first version of the preprint
        arXiv:2006.04647, section 3; the proxy jacob_cov of Abdelfattah et al., Zero-Cost Proxies for
        Lightweight NAS, ICLR 2021. Deviation: the eigenvalues are those of a symmetric matrix in double
        precision, and so always real.
    """
    gradients, _ = input_gradients(probe)
    matrix = correlations(gradients)
    if not bool(matrix.isfinite().all()):
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(matrix) + _SMALL
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())
