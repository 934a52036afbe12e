"""A recurrent network that samples the parameters of an architecture in order."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from retia.nn import seeded
from retia.space import Architecture, SearchSpace, Value

__all__ = ["Controller"]


class Controller(nn.Module):
    """An LSTM that is a distribution over the architectures of a space, without regard to restrictions.

    Its input is the embedding of the previous decision. It skips inactive parameters and those with a single
    value. The logits of a decision are `tanh_constant * tanh(head(h) / temperature)`.

    Args:
        space: Search space with finite domains.
        hidden: Number of hidden units and size of the embeddings, D.
        tanh_constant: Bound of the logits.
        temperature: Divisor of the logits before the tanh.
        seed: Seed of the initial weights, uniform in [-0.1, 0.1].

    Reference:
        Pham et al., Efficient Neural Architecture Search via Parameter Sharing, ICML 2018, sections 2.1 and
        3.1. Deviation: each label has its own embedding and linear layer, because labels have
        different values.
    """

    def __init__(
        self, space: SearchSpace, *, hidden: int, tanh_constant: float, temperature: float, seed: int
    ) -> None:
        super().__init__()
        self._parameters_of_space = list(space.parameters.values())
        self._values: dict[str, list[Value]] = {
            one.label: list(one.domain.enumerate()) for one in self._parameters_of_space
        }
        self._places = {
            label: {value: i for i, value in enumerate(values)} for label, values in self._values.items()
        }
        self._slots = {
            label: str(i) for i, (label, values) in enumerate(self._values.items()) if len(values) > 1
        }
        self._tanh_constant = tanh_constant
        self._temperature = temperature
        self._hidden = hidden
        with seeded(seed):
            self.start = nn.Parameter(torch.empty(1, hidden))
            self.cell = nn.LSTMCell(hidden, hidden)
            self.heads = nn.ModuleDict(
                {slot: nn.Linear(hidden, len(self._values[label])) for label, slot in self._slots.items()}
            )
            self.embeddings = nn.ModuleDict(
                {slot: nn.Embedding(len(self._values[label]), hidden) for label, slot in self._slots.items()}
            )
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -0.1, 0.1)

    @torch.no_grad()
    def sample(self, generator: torch.Generator) -> tuple[Architecture, dict[str, Tensor]]:
        """Return a random architecture, and the probabilities of each decision by label, shape (K,)."""
        values: dict[str, Value] = {}
        probabilities: dict[str, Tensor] = {}

        def draw(label: str, logits: Tensor) -> int:
            probabilities[label] = logits.softmax(0)
            return int(torch.multinomial(probabilities[label], 1, generator=generator))

        for _ in self._decisions(values, draw):
            pass
        return Architecture.trusted(values), probabilities

    def score(self, architecture: Mapping[str, Value]) -> tuple[Tensor, Tensor]:
        """Return the log-probability of an architecture and the summed entropy, scalars with gradients."""
        log_probability = entropy = self.start.new_zeros(())
        for log_probabilities, chosen in self._decisions(
            {}, lambda label, _: self._places[label][architecture[label]]
        ):
            log_probability = log_probability + log_probabilities[chosen]
            entropy = entropy - (log_probabilities.exp() * log_probabilities).sum()
        return log_probability, entropy

    def _decisions(
        self, values: dict[str, Value], decide: Callable[[str, Tensor], int]
    ) -> Iterator[tuple[Tensor, int]]:
        """Yield the log-probabilities, shape (K,), and the position of each decision; fill `values`."""
        state: tuple[Tensor, Tensor] | None = None
        fed = self.start  # (1, D)
        for parameter in self._parameters_of_space:
            label = parameter.label
            if not parameter.condition.holds(values):
                continue
            slot = self._slots.get(label)
            if slot is None:
                values[label] = self._values[label][0]
                continue
            state = self.cell(fed, state)
            assert state is not None
            logits: Tensor = self.heads[slot](state[0])[0]  # (K,)
            logits = self._tanh_constant * torch.tanh(logits / self._temperature)
            chosen = decide(label, logits)
            values[label] = self._values[label][chosen]
            yield logits.log_softmax(0), chosen
            fed = self.embeddings[slot](torch.tensor([chosen]))  # (1, D)
