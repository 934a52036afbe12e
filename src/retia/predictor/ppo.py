"""Proximal policy optimization."""

from dataclasses import dataclass

import torch
from torch import Tensor

from retia.predictor.policy.search import PolicySearch
from retia.strategy import require_number, require_whole

__all__ = ["PPO"]


@dataclass(kw_only=True)
class PPO(PolicySearch):
    """Sample architectures from an LSTM policy, and train it by proximal policy optimization.

    Each batch takes `epochs` steps on mean(min(r A, clamp(r, 1 - clip, 1 + clip) A)) + `entropy` * H(p), with
    the advantage A and the ratio r = p / p_old of the probabilities after and before the update.

    Args:
        hidden: Number of hidden units. Default 64.
        batch: Number of trials in an update. Default 20.
        rate: Learning rate (Adam). Default 0.01.
        decay: Decay of the moving baseline, from 0 to below 1. Default 0.9.
        entropy: Factor on the entropy of the policy in the objective. Default 0.01.
        epochs: Number of steps on a batch. Default 5.
        clip: Distance of the ratio from 1 at which it is clipped, above 0. Default 0.2.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Schulman et al., Proximal Policy Optimization Algorithms, 2017, equation 7; for architectures Zoph et
        al., Learning Transferable Architectures for Scalable Image Recognition, CVPR 2018, appendix A (100
        units, batches of 20, a rate of 0.00035, a clip of 0.2, an entropy of 0.00001, a decay of 0.95).
        Deviations: the defaults are for hundreds of trials; a moving baseline instead of a value function;
        the reward is the rank among the last 200 trials; seen samples are drawn again.
    """

    batch: int = 20
    rate: float = 0.01
    entropy: float = 0.01
    epochs: int = 5
    clip: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, epochs=1)
        require_number(self, "clip", above=0)

    def _update(self, options: Tensor, advantages: Tensor) -> None:
        with torch.no_grad():
            before, _ = self._policy.score(options)

        def gain(log_probability: Tensor) -> Tensor:
            ratio = (log_probability - before).exp()
            clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
            return torch.minimum(ratio * advantages, clipped * advantages)

        for _ in range(self.epochs):
            self._step(options, gain)
