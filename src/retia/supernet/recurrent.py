"""Elastic recurrent layers: the first units of each gate, the first layers, one direction or both."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from retia.supernet.elastic import Elastic, elastic

__all__ = ["ElasticCell", "ElasticRecurrent"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


@elastic(nn.LSTMCell, nn.GRUCell, nn.RNNCell)
class ElasticCell(Elastic):
    """A recurrent cell that uses the first hidden units of each gate."""

    stacked = True


@elastic(nn.LSTM, nn.GRU, nn.RNN)
class ElasticRecurrent(Elastic):
    """A recurrent layer that uses the first units of each gate, the first layers, and one or both directions.

    A layer above a bidirectional one uses the first columns of its weight for the outputs of both directions,
    one after the other.
    """

    stacked = True

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    proj_size: int
    bias: bool
    bidirectional: bool

    def prepare(self) -> None:
        """Delete the lists of all parameters that torch keeps, which the properties below replace."""
        for name in ("_flat_weights", "_flat_weights_names", "_all_weights"):
            del self.__dict__[name]
        self._flat_weight_refs: list[Any] = []

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shapes of the tensors of the layers and directions in use, in torch's order."""
        gates, directions = _GATES[self.mode] * self.hidden_size, 2 if self.bidirectional else 1
        # Not larger than the full tensor, which is too small if a size of the projection is 0: verification
        # finds the mismatch.
        outputs = min(self.proj_size or self.hidden_size, self.full("weight_hh_l0").shape[1])
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            for suffix in ("", "_reverse")[:directions]:
                shapes[f"weight_ih_l{layer}{suffix}"] = (
                    gates,
                    outputs * directions if layer else self.input_size,
                )
                shapes[f"weight_hh_l{layer}{suffix}"] = (gates, outputs)
                if self.bias:
                    shapes[f"bias_ih_l{layer}{suffix}"] = (gates,)
                    shapes[f"bias_hh_l{layer}{suffix}"] = (gates,)
                if self.proj_size:
                    shapes[f"weight_hr_l{layer}{suffix}"] = (self.proj_size, self.hidden_size)
        return {name: shape for name, shape in shapes.items() if name in self._parameters}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer's own `forward`, with one list of weights, which it reads several times."""
        self.__dict__["_read"] = self._flat_weights
        try:
            return super().forward(*args, **kwargs)
        finally:
            self.__dict__.pop("_read", None)

    def flatten_parameters(self) -> None:
        """Do nothing, for the parts are not contiguous in memory."""

    @property
    def _flat_weights(self) -> list[Tensor]:
        """The parts of all weights in torch's order, which torch's `forward` reads."""
        taken: list[Tensor] | None = self.__dict__.get("_read")
        return [self.part(name) for name in self.shapes()] if taken is None else taken

    @_flat_weights.setter
    def _flat_weights(self, weights: list[Tensor]) -> None:
        """Ignore the list that torch sets."""

    @property
    def _flat_weights_names(self) -> list[str]:
        return list(self.shapes())

    @_flat_weights_names.setter
    def _flat_weights_names(self, names: list[str]) -> None:
        """Ignore the list that torch sets."""

    @property
    def _all_weights(self) -> list[list[str]]:
        names = self._flat_weights_names
        each = 2 + 2 * bool(self.bias) + bool(self.proj_size)
        return [names[i : i + each] for i in range(0, len(names), each)]

    def _update_flat_weights(self) -> None:
        """Do nothing, for every `forward` makes a new list."""

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("elastic_sizes", ()) and name not in self.shapes():
            msg = f"'{type(self).__name__}' object has no attribute '{name}' in this architecture"
            raise AttributeError(msg)
        return super().__getattr__(name)
