"""Search by a policy that learns from the trials in batches: what REINFORCE and PPO share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retia.predictor.policy import Policy
from retia.rng import stream_seed
from retia.space import Architecture, SearchSpace
from retia.strategy import AnyOf, check_number, check_whole, normal_scores, sample_unseen, targets_of
from retia.trial import History, Proposal, Trial

__all__ = ["PolicySearch"]

WINDOW = 200
"""Among how many of the last trials a trial's reward says where it stands."""
ROUNDS = 4
DRAWN = 16
"""How many architectures are drawn at once to find new ones, and how often."""


@dataclass(kw_only=True)
class PolicySearch(ABC):
    """A policy, and how far it has learnt from a history: a cache that follows from the trials alone.

    The policy learns from the trials in the order of their numbers, batch by batch, once all of a batch have
    ended. A trial's reward is where it stands among the last 200: the normal score of its rank, so that no
    unit and no outlier matters. What failed, was rejected or misses the constraints stands last; with several
    objectives the order is that of `History.ranked`.

    Args:
        hidden: The number of hidden units.
        batch: How many trials an update takes.
        rate: Adam's learning rate.
        decay: The share of the baseline, a moving average of the rewards, that a batch leaves.
        entropy: How much the entropy of the decisions counts beside the reward.

    Raises:
        SpaceError: If a number is out of its range.
    """

    hidden: int = 64
    batch: int
    rate: float
    decay: float = 0.9
    entropy: float
    _space: SearchSpace | None = field(default=None, init=False, repr=False, compare=False)
    _key: tuple[object, ...] = field(default=(), init=False, repr=False, compare=False)
    _learnt: list[Trial] = field(default_factory=list[Trial], init=False, repr=False, compare=False)
    _policy: Policy = field(init=False, repr=False, compare=False)
    _optimizer: torch.optim.Optimizer = field(init=False, repr=False, compare=False)
    _baseline: float = field(default=0.0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, hidden=1, batch=1)
        check_number(self, "rate", above=0)
        check_number(self, "decay", least=0, below=1)
        check_number(self, "entropy", least=0)

    @abstractmethod
    def _update(
        self, policy: Policy, optimizer: torch.optim.Optimizer, options: Tensor, advantages: Tensor
    ) -> None:
        """Change the policy by a batch of decisions, shape (B, P), and their advantages, shape (B,)."""

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` new architectures that the policy draws; random ones where it draws none that is
        new and meets the restrictions.
        """
        policy = self.learn(space, history)
        new: dict[Architecture, None] = {}
        for _ in range(ROUNDS):
            for drawn in policy.sample(DRAWN, rng):
                if (
                    len(new) < n
                    and drawn not in history
                    and drawn not in new
                    and (not space.restrictions or drawn in space)
                ):
                    new[drawn] = None
            if len(new) == n:
                break
        while len(new) < n:
            drawn = sample_unseen(space, AnyOf(history, new), rng)
            if drawn is None:
                break
            new[drawn] = None
        return [Proposal(architecture) for architecture in new]

    def learn(self, space: SearchSpace, history: History) -> Policy:
        """Return the policy after all batches that have ended."""
        trials = list(history)
        key = (history.objectives, history.constraints)
        if space is not self._space or key != self._key or trials[: len(self._learnt)] != self._learnt:
            self._space, self._key, self._learnt, self._baseline = space, key, [], 0.0
            self._policy = Policy(space, self.hidden, torch.Generator().manual_seed(stream_seed(0, "policy")))
            self._optimizer = torch.optim.Adam(self._policy.weights, lr=self.rate, fused=True)
        while (
            self._policy.decides
            and len(batch := trials[len(self._learnt) : len(self._learnt) + self.batch]) == self.batch
            and all(trial.finished for trial in batch)
        ):
            self._learnt += batch
            rewards = _rewards(history, self._learnt[-max(WINDOW, self.batch) :])[-self.batch :]
            options = self._policy.decide([trial.architecture for trial in batch])
            self._update(
                self._policy, self._optimizer, options, torch.from_numpy(rewards - self._baseline).float()
            )
            self._baseline = self.decay * self._baseline + (1 - self.decay) * float(rewards.mean())
        return self._policy


def _rewards(history: History, trials: Sequence[Trial]) -> NDArray[np.float64]:
    """Return where each trial stands among all of these, shape (N,): more is better."""
    if len(history.objectives) == 1:
        return -targets_of(history, trials, warp=True)[:, 0]
    ranked = history.ranked([trial for trial in trials if trial.state != "failed"])
    places = {trial.number: place for place, trial in enumerate(ranked)}
    return -normal_scores(
        np.array([places.get(trial.number, len(trials)) for trial in trials], dtype=np.float64)
    )
