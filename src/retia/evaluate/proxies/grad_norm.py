"""The norm of the gradient."""

from retia.evaluate.proxies.probe import Probe

__all__ = ["grad_norm"]


def grad_norm(probe: Probe) -> float:
    """Return the sum, over the weights, of the Euclidean norm of the loss's gradient.

    The model is in training mode. Biases and the parameters of normalization layers don't count.

    Reference:
        Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021, section 3. Deviation: every
        parameter of two or more dimensions is a weight, where the paper's code takes those of `Conv2d` and
        `Linear`; for its networks these are the same.
    """
    return sum(float(gradient.norm()) for _, gradient in probe.gradients())
