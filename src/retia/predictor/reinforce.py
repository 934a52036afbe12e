"""REINFORCE: policy gradients."""

from dataclasses import dataclass

from torch import Tensor

from retia.predictor.policy.search import PolicySearch

__all__ = ["Reinforce"]


@dataclass(kw_only=True)
class Reinforce(PolicySearch):
    """Sample architectures from an LSTM policy, and train it by policy gradients with a moving baseline.

    Each batch takes one step on mean(advantage * log p) + `entropy` * H(p).

    Args:
        hidden: Number of hidden units. Default 64.
        batch: Number of trials in an update. Default 5.
        rate: Learning rate (Adam). Default 0.02.
        decay: Decay of the moving baseline, from 0 to below 1. Default 0.9.
        entropy: Factor on the entropy of the policy in the objective. Default 0.05.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017, section 3.2; Williams,
        Simple Statistical Gradient-Following Algorithms, 1992. Deviations: the defaults are for hundreds of
        trials (the paper: two layers of 35 units and a rate of 0.0006 for 12,800); the reward is the rank
        among the last 200 trials instead of the cubed accuracy; the entropy; seen samples are drawn again.
    """

    batch: int = 5
    rate: float = 0.02
    entropy: float = 0.05

    def _update(self, options: Tensor, advantages: Tensor) -> None:
        self._step(options, lambda log_probability: advantages * log_probability)
