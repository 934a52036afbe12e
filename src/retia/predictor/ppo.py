"""Proximal policy optimization."""

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

__all__ = ["PPO"]


@dataclass
class PPO:
    """Draw architectures from an LSTM, and learn from each batch several times, as long as the policy stays near to the one before.

    Args:
        hidden: The number of hidden units.
        batch: How many trials an update takes.
        rate: Adam's learning rate.
        decay: The share of the baseline that a batch leaves.
        entropy: How much the entropy of the decisions counts beside the reward.
        epochs: How many steps are taken on a batch.
        clip: How far the ratio of the new to the old probability of an architecture may be from 1 to be learnt from.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Schulman et al., Proximal Policy Optimization Algorithms, 2017, equation 7; Zoph et al., Learning Transferable Architectures for
        Scalable Image Recognition, CVPR 2018, appendix A, for architectures (100 units, batches of 20, a rate of 0.00035, a clip of 0.2,
        an entropy of 0.00001, a decay of 0.95). Deviations: the defaults are for studies of hundreds of trials; a moving baseline
        instead of a value function; the reward is the trial's place among the last 200; an evaluated architecture is drawn again.
    """

    hidden: int = field(default=64, kw_only=True)
    batch: int = field(default=20, kw_only=True)
    rate: float = field(default=0.01, kw_only=True)
    decay: float = field(default=0.9, kw_only=True)
    entropy: float = field(default=0.01, kw_only=True)
    epochs: int = field(default=5, kw_only=True)
    clip: float = field(default=0.2, kw_only=True)
    _search: PolicySearch = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if min(self.hidden, self.batch, self.epochs) < 1 or min(self.rate, self.clip) <= 0 or not 0 <= self.decay < 1 or self.entropy < 0:
            msg = (
                f"PPO needs hidden, batch and epochs of at least 1, a positive rate and clip, 0 <= decay < 1 and no negative entropy, got "
                f"hidden={self.hidden}, batch={self.batch}, epochs={self.epochs}, rate={self.rate}, clip={self.clip}, decay={self.decay}, "
                f"entropy={self.entropy}."
            )
            raise SpaceError(msg)
        self._search = PolicySearch(self.hidden, self.batch, self.rate, self.decay, self._update)

    def propose(self, space: SearchSpace, history: History, n: int, rng: np.random.Generator) -> Sequence[Proposal]:
        """Return `n` architectures that the policy, after all full batches of trials, draws."""
        return self._search.propose(space, history, n, rng)

    def _update(self, policy: Policy, optimizer: torch.optim.Optimizer, options: Tensor, advantages: Tensor) -> None:
        with torch.no_grad():
            before, _ = policy.score(options)
        for _ in range(self.epochs):
            log_probability, entropy = policy.score(options)
            ratio = (log_probability - before).exp()
            gain = torch.minimum(ratio * advantages, ratio.clamp(1 - self.clip, 1 + self.clip) * advantages)
            optimizer.zero_grad()
            (-gain.mean() - self.entropy * entropy.mean()).backward()
            optimizer.step()
