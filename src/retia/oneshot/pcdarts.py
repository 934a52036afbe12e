"""PC-DARTS: a share of the channels goes through the candidates, and edges are normalized."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError, SupernetError
from retia.nn import MixedLayer, Mixture, WeightedSum, map_tensors
from retia.oneshot.differentiable import Differentiable, RelaxedSession
from retia.oneshot.relaxation.partial_channels import OTHERS, PartialLayers, bypass, shuffled
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.oneshot.training.session import Session, Setting, TrainingBatch
from retia.oneshot.training.trial_run import run_mixed

__all__ = ["PCDARTS"]


@dataclass(frozen=True, kw_only=True)
class PCDARTS(Differentiable):
    """Weigh values as DARTS does, on one of `divisor` channels; the other channels bypass the candidates.

    With the mask S of the first C / divisor channels, the mixture of a choice is

        sum_k softmax(alpha)_k * o_k(S * x)  beside  (1 - S) * x

    Candidates take tensors (B, C, ...) and return as many channels. They consist of convolutions, batch norms
    and layers without tensors. The channels of a choice's output are shuffled. Candidates train the weights
    of their first channels, so retrain what is found. Choices that are not layer choices are mixed as in
    DARTS. Other layers with tensors, elastic layers, choices inside candidates, and channels or groups that
    `divisor` does not divide are rejected before the training.

    Args:
        divisor: Share of the channels that candidates compute is 1 / divisor (the paper's K).

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Xu et al., PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search, ICLR 2020,
        sections 3.2 and 3.3. Deviations: of the edges into a node, those are normalized of which some are
        chosen; a node that uses all of them sums them. The max pool that halves bypassing channels rounds up.
        The learning rate, `divisor`, and the 15 epochs of warm-up are those of the authors' code.
    """

    warmup_epochs: int = 15
    learning_rate: float = 6e-4
    divisor: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.divisor < 1:
            msg = f"'divisor' of PCDARTS must be at least 1, got {self.divisor}."
            raise EvaluationError(msg)

    def session(self, setting: Setting) -> Session:
        """Start a training session.

        Raises:
            SupernetError: If a parameter can't be mixed, or the candidates of a layer choice can't compute
                with a share of their channels.
            StudyError: If no architecture meets the bounds.
        """
        return _Session(setting, self)


class _Session(RelaxedSession):
    def __init__(self, setting: Setting, method: PCDARTS) -> None:
        super().__init__(setting, method, Relaxation(setting, "PCDARTS", edge_weights=True))
        self._layers = {
            id(module.candidates): PartialLayers(path, module, method.divisor)
            for path, module in self.supernet.model.named_modules()
            if isinstance(module, MixedLayer) and module.label in self.relaxation.weights
        }
        # Weights of the subsets of edges, such that those with an edge sum to the edge's own.
        self._subsets = {
            label: torch.linalg.pinv(edges.members.T).to(setting.training.place)
            for label, edges in self.relaxation.edges.items()
        }  # (K, E)
        # Candidates that can't compute a share of their channels are found before the training.
        run_mixed(setting, self._weighed())

    def mixtures(self, item: TrainingBatch, generator: torch.Generator) -> Mapping[str, Mixture]:
        """Weigh values and edges by their probabilities."""
        del item, generator
        return self._weighed()

    def _weighed(self) -> Mapping[str, Mixture]:
        likely = {label: weights.softmax(0) for label, weights in self.relaxation.weights.items()}
        return {
            label: WeightedSum(self._subsets[label] @ one)
            if label in self._subsets
            else _PartialSum(one, self._layers)
            for label, one in likely.items()
        }


@dataclass(frozen=True, eq=False)
class _PartialSum:
    """The weighted sum of the candidates' outputs for the first channels, beside the other channels.

    Attributes:
        weights: Weights of the values, shape (K,).
        layers: The layers of the candidates, by the identity of the list of candidates.
    """

    weights: Tensor
    layers: Mapping[int, PartialLayers]

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run every candidate on its share of the channels."""
        layers = self.layers[id(candidates)]
        x, divisor = args[0] if args else None, layers.divisor
        if not isinstance(x, Tensor) or x.ndim < 2 or x.shape[1] % divisor:
            given = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            msg = (
                f"PCDARTS calls the candidates of '{layers.label}' ('{layers.path}') with one of every "
                f"{divisor} channels, so they take a tensor (B, C, ...) "
                f"whose C is divisible by {divisor}, got {given}. Change the width or the divisor, "
                f"or use {OTHERS}."
            )
            raise SupernetError(msg)
        part = x.shape[1] // divisor
        with layers.in_part():
            outputs = WeightedSum(self.weights).combine(candidates, (x[:, :part], *args[1:]), kwargs)

        def whole(output: Tensor) -> Tensor:
            if output.ndim != x.ndim or output.shape[1] != part:
                msg = (
                    f"The candidates of '{layers.label}' ('{layers.path}') must return as many channels as "
                    "they are given, since PCDARTS lets the other channels bypass "
                    f"them, got the shape {tuple(output.shape)} for {part} channels. Use {OTHERS}."
                )
                raise SupernetError(msg)
            return shuffled([output, bypass(x[:, part:], output)], divisor) if divisor > 1 else output

        return map_tensors(whole, outputs)
