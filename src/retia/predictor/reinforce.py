"""REINFORCE: a policy that makes good architectures more probable."""

from dataclasses import dataclass

import torch
from torch import Tensor

from retia.predictor.policy import Policy
from retia.predictor.policy_search import PolicySearch

__all__ = ["Reinforce"]


@dataclass(kw_only=True)
class Reinforce(PolicySearch):
    """Draw architectures from an LSTM, and follow the policy gradient of their rewards over a moving
    baseline.

    Args:
        hidden: The number of hidden units.
        batch: How many trials an update takes.
        rate: Adam's learning rate.
        decay: The share of the baseline that a batch leaves.
        entropy: How much the entropy of the decisions counts beside the reward.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017, section 3.2; Williams,
        Simple Statistical Gradient-Following Algorithms, 1992, for REINFORCE. Deviations: the defaults are
        for studies of hundreds of trials (the paper takes two layers of 35 units and a rate of 0.0006, for
        12,800); the reward is the trial's place among the last 200, and not its cubed accuracy; the entropy;
        an architecture that has been evaluated is drawn again.
    """

    batch: int = 5
    rate: float = 0.02
    entropy: float = 0.05

    def _update(
        self, policy: Policy, optimizer: torch.optim.Optimizer, options: Tensor, advantages: Tensor
    ) -> None:
        log_probability, entropy = policy.score(options)
        optimizer.zero_grad()
        (-(advantages * log_probability).mean() - self.entropy * entropy.mean()).backward()
        optimizer.step()
