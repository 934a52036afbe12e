"""Fisher information of channels."""

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd  # what all convolutions derive from

from retia.evaluate.proxies.probe import Probe, derivatives

__all__ = ["fisher"]


def fisher(probe: Probe) -> float:
    """Return the Fisher information of the output channels of convolutions and linear layers.

    It is Σ_c 1/(2B) Σ_b (Σ_p a ∂L/∂a)² over channels c, samples b of the B in the batch and positions p, with
    activations a: to first order the squared effect of removing a channel on the loss. The model is in
    training mode.

    Reference:
        Turner et al., BlockSwap: Fisher-guided Block Substitution for Network Compression on a Budget, ICLR
        2020; as a proxy: Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021, section 3.
        Deviations: every channel counts once, as in both papers' equations, where the code of Abdelfattah et
        al. counts it once for each weight that it has; as in that code, activations are the outputs of the
        layers themselves, and gradients those of the batch's loss.
    """
    activations: list[tuple[Tensor, int]] = []  # each with the dimension of its channels

    def keep(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        del args
        activations.append((output, -1 if isinstance(module, nn.Linear) else 1))
        return output.clone()  # a following in-place operation must not change it

    layers = [module for module in probe.model.modules() if isinstance(module, nn.Linear | _ConvNd)]
    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        loss = probe.loss()
    finally:
        for handle in handles:
            handle.remove()
    channels = {id(activation): dimension for activation, dimension in activations}
    gradients = derivatives(loss, [activation for activation, _ in activations if activation.requires_grad])
    return sum(
        _information(activation * gradient, channels[id(activation)]) for activation, gradient in gradients
    )


def _information(effects: Tensor, channels: int) -> float:
    """Return half the mean square of the samples' effects, (B, ...), summed over channels."""
    moved = effects.detach().movedim(channels, 1)  # (B, C, ...)
    by_channel = moved.flatten(2).sum(2) if moved.ndim > 2 else moved  # (B, C)
    return float(by_channel.square().mean(0).sum() / 2)
