"""Search by a policy that is trained on batches of trials: what Reinforce and PPO share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retia.predictor.policy.network import Policy
from retia.rng import stream_seed
from retia.space import Architecture, SearchSpace
from retia.strategy import normal_scores, require_number, require_whole, targets_of, unseen_proposals
from retia.trial import History, Proposal, Trial

__all__ = ["PolicySearch"]

WINDOW = 200
"""Number of the last trials among which a trial is ranked for its reward."""
ROUNDS = 4
"""Number of times that the policy is sampled for unseen architectures."""
DRAWN = 16
"""Number of architectures in each of these samples."""


@dataclass(kw_only=True)
class PolicySearch(ABC):
    """Train a policy on the trials in the order of their numbers, batch by batch, once a batch has ended.

    The reward of a trial is the normal score of its rank among the last 200 trials, so that it depends on no
    unit or outlier. Failed, rejected and infeasible trials rank last. With several objectives the order is
    that of `History.ranked`. The advantage of a trial is its reward minus a moving baseline b:
    b <- decay * b + (1 - decay) * mean(rewards of the batch).

    Args:
        hidden: Number of hidden units.
        batch: Number of trials in an update.
        rate: Learning rate (Adam).
        decay: Decay of the moving baseline, from 0 to below 1.
        entropy: Factor on the entropy of the policy in the objective.

    Raises:
        SpaceError: If an argument is out of its range.
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
        require_whole(self, hidden=1, batch=1)
        require_number(self, "rate", above=0)
        require_number(self, "decay", least=0, below=1)
        require_number(self, "entropy", least=0)

    @abstractmethod
    def _update(self, options: Tensor, advantages: Tensor) -> None:
        """Train the policy on a batch of decisions, shape (B, P), with their advantages, shape (B,)."""

    def _step(self, options: Tensor, gain: Callable[[Tensor], Tensor]) -> None:
        """Take one gradient step on mean(gain(log p)) + `entropy` * H(p).

        Args:
            options: Decisions, shape (B, P).
            gain: Function from log-probabilities to the objective to maximize, shapes (B,).
        """
        log_probability, entropy = self._policy.score(options)
        self._optimizer.zero_grad()
        (-gain(log_probability).mean() - self.entropy * entropy.mean()).backward()
        self._optimizer.step()

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` unseen architectures: from the policy, or at random if there is no policy yet."""
        policy = self.learn(space, history)
        samples = (drawn for _ in range(ROUNDS) for drawn in policy.sample(DRAWN, rng))

        def draw(proposed: Mapping[Architecture, Proposal]) -> Proposal | None:
            for one in samples:
                if one not in history and one not in proposed and (not space.restrictions or one in space):
                    return Proposal(one)
            return None

        return unseen_proposals(space, history, n, rng, draw)

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
            self._update(options, torch.from_numpy(rewards - self._baseline).float())
            self._baseline = self.decay * self._baseline + (1 - self.decay) * float(rewards.mean())
        return self._policy


def _rewards(history: History, trials: Sequence[Trial]) -> NDArray[np.float64]:
    """Return the normal score of each trial's rank among the trials, shape (N,); higher is better."""
    if len(history.objectives) == 1:
        return -targets_of(history, trials, warp=True)[:, 0]
    ranked = history.ranked([trial for trial in trials if trial.state != "failed"])
    places = {trial.number: place for place, trial in enumerate(ranked)}
    last = len(trials)
    return -normal_scores(np.array([float(places.get(trial.number, last)) for trial in trials]))
