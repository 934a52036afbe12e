"""A recurrent policy: a distribution over architectures that decides on one parameter after the other."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from retia.predictor.decisions import decisions_of
from retia.space import Architecture, SearchSpace, Value

__all__ = ["Policy"]

INITIAL = 0.08
"""The largest weight that a policy starts with."""


class Policy:
    """An LSTM that decides on the parameters of a space in their order, and is fed the decision before.

    A parameter that is not active, given the decisions so far, is passed over: it takes no step, and has no
    part in the probability. So is one with a single value. Restrictions are unknown to it.

    Args:
        space: The space.
        hidden: The number of hidden units, and of an embedding.
        generator: Draws the weights, uniform in [-0.08, 0.08].

    Reference:
        Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017, section 3.1 and, for
        the weights, 4.1. Deviations: one layer; a weight for each label and value, for labels have different
        values.
    """

    def __init__(self, space: SearchSpace, hidden: int, generator: torch.Generator) -> None:
        self._decisions = decisions_of(space)
        self._open = [place for place, decision in enumerate(self._decisions) if decision.options > 1]
        total = sum(decision.options for decision in self._decisions)

        def drawn(*shape: int) -> Tensor:
            return torch.empty(shape).uniform_(-INITIAL, INITIAL, generator=generator).requires_grad_()

        self._start = drawn(1, hidden)
        self._embedding = drawn(total, hidden)
        self._head = drawn(total, hidden)
        self._recurrent = drawn(2 * hidden, 4 * hidden)
        self._bias = drawn(4 * hidden)
        self._hidden = hidden

    @property
    def decides(self) -> bool:
        """Whether there is anything to decide."""
        return bool(self._open)

    @property
    def weights(self) -> list[Tensor]:
        """What is learnt."""
        return [self._start, self._embedding, self._head, self._recurrent, self._bias]

    @torch.no_grad()
    def sample(self, count: int, rng: np.random.Generator) -> list[Architecture]:
        """Draw architectures, which may break restrictions."""
        drawn: list[dict[str, Value]] = [{} for _ in range(count)]
        fed, state, memory = self._begin(count)
        for decision in self._decisions:
            active = [decision.condition.holds(values) for values in drawn]
            options = [0] * count
            if decision.options > 1:
                logits, following, remembered = self._step(
                    fed, state, memory, decision.first, decision.options
                )
                below = logits.softmax(1).cumsum(1).numpy()  # (B, K)
                options = np.minimum((rng.random((count, 1)) >= below).sum(1), decision.options - 1).tolist()
                mask = torch.tensor(active)[:, None]
                fed = torch.where(mask, self._embedding[decision.first + torch.tensor(options)], fed)
                state, memory = torch.where(mask, following, state), torch.where(mask, remembered, memory)
            for values, is_active, option in zip(drawn, active, options, strict=True):
                if is_active:
                    values[decision.label] = decision.value(option, rng)
        return [Architecture.trusted(values) for values in drawn]

    def decide(self, architectures: Sequence[Mapping[str, Value]]) -> Tensor:
        """Return which option each architecture takes of each decision, shape (B, P); -1 where a parameter is
        not active.
        """
        rows = [
            [
                decision.option(architecture[decision.label]) if decision.label in architecture else -1
                for decision in self._decisions
            ]
            for architecture in architectures
        ]
        return torch.tensor(rows, dtype=torch.long).reshape(len(architectures), len(self._decisions))

    def score(self, options: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-probability of architectures, given as by `decide`, and the sum of the entropies of
        their decisions, shapes (B,).
        """
        taken = options[:, self._open]  # (B, P): of the decisions that there are
        active = taken >= 0
        index = taken.clamp(min=0) + torch.tensor([self._decisions[place].first for place in self._open])
        fed = torch.cat([self._embedding, self._start])[
            _last_before(index, active, len(self._embedding))
        ]  # (B, P, D)
        weights, recurrent = self._recurrent.split(self._hidden)
        entering = (fed @ weights + self._bias).unbind(1)
        state, memory = torch.zeros(len(options), self._hidden), torch.zeros(len(options), self._hidden)
        states: list[Tensor] = []
        for gates, mask in zip(entering, active.unbind(1), strict=True):
            following, remembered = _remember(torch.addmm(gates, state, recurrent), memory)
            whole = bool(mask.all())
            state = following if whole else torch.where(mask[:, None], following, state)
            memory = remembered if whole else torch.where(mask[:, None], remembered, memory)
            states.append(state)
        foreign = ~self._belongs()  # (P, K): the options of other decisions
        logits = torch.stack(states, 1) @ self._head.T  # (B, P, K)
        log_probabilities = logits.masked_fill(foreign, -torch.inf).log_softmax(2).masked_fill(foreign, 0.0)
        log_probability = (log_probabilities.gather(2, index[..., None])[..., 0] * active).sum(1)
        entropies = -(log_probabilities.exp() * log_probabilities).sum(2)
        return log_probability, (entropies * active).sum(1)

    def _belongs(self) -> Tensor:
        """Return which options belong to each of the decisions that there are, shape (P, K)."""
        belongs = torch.zeros(len(self._open), len(self._embedding), dtype=torch.bool)
        for row, place in enumerate(self._open):
            decision = self._decisions[place]
            belongs[row, decision.first : decision.first + decision.options] = True
        return belongs

    def _begin(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        return (
            self._start.expand(count, -1),
            torch.zeros(count, self._hidden),
            torch.zeros(count, self._hidden),
        )

    def _step(
        self, fed: Tensor, state: Tensor, memory: Tensor, first: int, options: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of a decision's options, shape (B, K), and the state and memory after it, shapes
        (B, D).
        """
        state, memory = _remember(
            torch.addmm(self._bias, torch.cat([fed, state], 1), self._recurrent), memory
        )
        return state @ self._head[first : first + options].T, state, memory


def _remember(gates: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state and the memory of an LSTM, shapes (B, D), after a step with these gates, shape (B,
    4D).
    """
    enter, keep, leave, new = gates.chunk(4, 1)
    memory = keep.sigmoid() * memory + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * memory.tanh(), memory


def _last_before(index: Tensor, active: Tensor, start: int) -> Tensor:
    """Return the option that was taken last before each decision, shape (B, P); `start` before the first."""
    last = torch.full((len(index),), start)
    fed: list[Tensor] = []
    for taken, mask in zip(index.unbind(1), active.unbind(1), strict=True):
        fed.append(last)
        last = torch.where(mask, taken, last)
    return torch.stack(fed, 1)
