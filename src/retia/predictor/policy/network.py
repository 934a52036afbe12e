"""A recurrent policy, which chooses one parameter after the other."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from retia.predictor.policy.decisions import decisions_of
from retia.space import Architecture, SearchSpace, Value

__all__ = ["Policy"]

INITIAL = 0.08
"""Largest absolute value of an initial weight."""


class Policy:
    """An LSTM that chooses the parameters of a space in their order. Its input is the choice before.

    A parameter that is inactive given the earlier choices, or has a single value, takes no step and does not
    contribute to the probability. The policy does not know restrictions.

    Args:
        space: The search space.
        hidden: Number of hidden units, and of features of an embedding (D).
        generator: Random generator of the weights, uniform in [-0.08, 0.08].

    Reference:
        Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017, section 3.1, and 4.1
        for the weights. Deviations: one layer; separate embeddings for each label and value.
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
        """Whether any parameter has several options."""
        return bool(self._open)

    @property
    def weights(self) -> list[Tensor]:
        """The trainable weights."""
        return [self._start, self._embedding, self._head, self._recurrent, self._bias]

    @torch.no_grad()
    def sample(self, count: int, rng: np.random.Generator) -> list[Architecture]:
        """Draw architectures, which may break restrictions."""
        drawn: list[dict[str, Value]] = [{} for _ in range(count)]
        fed = self._start.expand(count, -1)  # (B, D)
        state, memory = torch.zeros(count, self._hidden), torch.zeros(count, self._hidden)
        for decision in self._decisions:
            active = [decision.condition.holds(values) for values in drawn]
            options = [0] * count
            if decision.options > 1:
                gates = torch.addmm(self._bias, torch.cat([fed, state], 1), self._recurrent)
                following, remembered = _lstm(gates, memory)
                head = self._head[decision.first : decision.first + decision.options]
                below = (following @ head.T).softmax(1).cumsum(1).numpy()  # (B, K)
                options = np.minimum((rng.random((count, 1)) >= below).sum(1), decision.options - 1).tolist()
                mask = torch.tensor(active)[:, None]
                fed = torch.where(mask, self._embedding[decision.first + torch.tensor(options)], fed)
                state, memory = torch.where(mask, following, state), torch.where(mask, remembered, memory)
            for values, is_active, option in zip(drawn, active, options, strict=True):
                if is_active:
                    values[decision.label] = decision.value(option, rng)
        return [Architecture.trusted(values) for values in drawn]

    def decide(self, architectures: Sequence[Mapping[str, Value]]) -> Tensor:
        """Return the option of each decision, shape (B, P); -1 where the parameter is inactive."""
        rows = [
            [
                decision.option(architecture[decision.label]) if decision.label in architecture else -1
                for decision in self._decisions
            ]
            for architecture in architectures
        ]
        return torch.tensor(rows, dtype=torch.long).reshape(len(architectures), len(self._decisions))

    def score(self, options: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-probability and the summed entropy of architectures, shapes (B,).

        Args:
            options: Options as returned by `decide`, shape (B, P).
        """
        taken = options[:, self._open]  # (B, P): without decisions that have a single option
        active = taken >= 0
        index = taken.clamp(min=0) + torch.tensor([self._decisions[place].first for place in self._open])
        last = _last_before(index, active, len(self._embedding))
        fed = torch.cat([self._embedding, self._start])[last]  # (B, P, D)
        weights, recurrent = self._recurrent.split(self._hidden)
        entering = (fed @ weights + self._bias).unbind(1)
        state, memory = torch.zeros(len(options), self._hidden), torch.zeros(len(options), self._hidden)
        states: list[Tensor] = []
        for gates, mask in zip(entering, active.unbind(1), strict=True):
            following, remembered = _lstm(torch.addmm(gates, state, recurrent), memory)
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
        """Return which options belong to each decision with several options, shape (P, K)."""
        belongs = torch.zeros(len(self._open), len(self._embedding), dtype=torch.bool)
        for row, place in enumerate(self._open):
            decision = self._decisions[place]
            belongs[row, decision.first : decision.first + decision.options] = True
        return belongs


def _lstm(gates: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state and memory of an LSTM, shapes (B, D), given the gates of a step, shape (B, 4D)."""
    enter, keep, leave, new = gates.chunk(4, 1)
    memory = keep.sigmoid() * memory + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * memory.tanh(), memory


def _last_before(index: Tensor, active: Tensor, start: int) -> Tensor:
    """Return the last option taken before each decision, shape (B, P); `start` before the first."""
    last = torch.full((len(index),), start)
    fed: list[Tensor] = []
    for taken, mask in zip(index.unbind(1), active.unbind(1), strict=True):
        fed.append(last)
        last = torch.where(mask, taken, last)
    return torch.stack(fed, 1)
