"""Connection sensitivity."""

from retia.evaluate.proxies.probe import Probe

__all__ = ["snip"]


def snip(probe: Probe) -> float:
    """Return the sum of |w ∂L/∂w| over the weights w, with the loss L.

    To first order, it is the change of the loss if each weight is removed alone. The model is in training
    mode.

    Reference:
        Lee et al., SNIP: Single-shot Network Pruning based on Connection Sensitivity, ICLR 2019; summed over
        the network as in Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021, section 3.
        Deviations: the sensitivities are not divided by their sum, which would be 1 for every network, and
        the weights keep the initialization that the model gives them (both as Abdelfattah et al.); every
        parameter of two or more dimensions is a weight.
    """
    return sum(float((weight.detach() * gradient).abs().sum()) for weight, gradient in probe.gradients())
