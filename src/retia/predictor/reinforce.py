"""REINFORCE: a policy that makes good architectures more probable."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from retia.errors import SpaceError
from retia.predictor.policy import Policy
from retia.predictor.policy_search import PolicySearch
from retia.space import SearchSpace
from retia.trial import History, Proposal

__all__ = ["Reinforce"]


@dataclass
class Reinforce:
    """Draw architectures from an LSTM, and follow the policy gradient of their rewards over a moving baseline.

    Args:
        hidden: The number of hidden units.
        batch: How many trials an update takes.
        rate: Adam's learning rate.
        decay: The share of the baseline that a batch leaves.
        entropy: How much the entropy of the decisions counts beside the reward.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017, section 3.2; Williams, Simple Statistical
        Gradient-Following Algorithms, 1992, for REINFORCE. Deviations: the defaults are for studies of hundreds of trials (the paper
        takes two layers of 35 units and a rate of 0.0006, for 12,800); the reward is the trial's place among the last 200, and not its
        cubed accuracy; the entropy; an architecture that has been evaluated is drawn again.
    """

    hidden: int = field(default=64, kw_only=True)
    batch: int = field(default=5, kw_only=True)
    rate: float = field(default=0.02, kw_only=True)
    decay: float = field(default=0.9, kw_only=True)
    entropy: float = field(default=0.05, kw_only=True)
    _search: PolicySearch = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if min(self.hidden, self.batch) < 1 or self.rate <= 0 or not 0 <= self.decay < 1 or self.entropy < 0:
            msg = (
                f"REINFORCE needs hidden and batch of at least 1, a positive rate, 0 <= decay < 1 and no negative entropy, got hidden={self.hidden}, "
                f"batch={self.batch}, rate={self.rate}, decay={self.decay}, entropy={self.entropy}."
            )
            raise SpaceError(msg)
        self._search = PolicySearch(self.hidden, self.batch, self.rate, self.decay, self._update)

    def propose(self, space: SearchSpace, history: History, n: int, rng: np.random.Generator) -> Sequence[Proposal]:
        """Return `n` architectures that the policy, after all full batches of trials, draws."""
        return self._search.propose(space, history, n, rng)

    def _update(self, policy: Policy, optimizer: torch.optim.Optimizer, options: Tensor, advantages: Tensor) -> None:
        log_probability, entropy = policy.score(options)
        optimizer.zero_grad()
        (-(advantages * log_probability).mean() - self.entropy * entropy.mean()).backward()
        optimizer.step()
