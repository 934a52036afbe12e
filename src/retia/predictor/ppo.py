"""Proximal policy optimization."""

from dataclasses import dataclass

import torch
from torch import Tensor

from retia.predictor.policy import Policy
from retia.predictor.policy_search import PolicySearch
from retia.strategy import check_number, check_whole

__all__ = ["PPO"]


@dataclass(kw_only=True)
class PPO(PolicySearch):
    """Draw architectures from an LSTM, and learn from each batch several times, as long as the policy stays
    near to the one before.

    Args:
        hidden: The number of hidden units.
        batch: How many trials an update takes.
        rate: Adam's learning rate.
        decay: The share of the baseline that a batch leaves.
        entropy: How much the entropy of the decisions counts beside the reward.
        epochs: How many steps are taken on a batch.
        clip: How far the ratio of the new to the old probability of an architecture may be from 1 to be
            learnt from.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Schulman et al., Proximal Policy Optimization Algorithms, 2017, equation 7; Zoph et al., Learning
        Transferable Architectures for Scalable Image Recognition, CVPR 2018, appendix A, for architectures
        (100 units, batches of 20, a rate of 0.00035, a clip of 0.2, an entropy of 0.00001, a decay of 0.95).
        Deviations: the defaults are for studies of hundreds of trials; a moving baseline instead of a value
        function; the reward is the trial's place among the last 200; an evaluated architecture is drawn
        again.
    """

    batch: int = 20
    rate: float = 0.01
    entropy: float = 0.01
    epochs: int = 5
    clip: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, epochs=1)
        check_number(self, "clip", above=0)

    def _update(
        self, policy: Policy, optimizer: torch.optim.Optimizer, options: Tensor, advantages: Tensor
    ) -> None:
        with torch.no_grad():
            before, _ = policy.score(options)
        for _ in range(self.epochs):
            log_probability, entropy = policy.score(options)
            ratio = (log_probability - before).exp()
            gain = torch.minimum(ratio * advantages, ratio.clamp(1 - self.clip, 1 + self.clip) * advantages)
            optimizer.zero_grad()
            (-gain.mean() - self.entropy * entropy.mean()).backward()
            optimizer.step()
