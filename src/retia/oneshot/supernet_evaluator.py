"""A trained supernet as an evaluator, for any strategy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, cast

import torch

from retia.errors import EvaluationError
from retia.evaluate import Training, memory_format_of, save_weights
from retia.nn import seeded
from retia.oneshot.relaxation.parameter_free import (
    PARAMETER_FREE,
    parameter_free_values,
    share_parameter_free,
)
from retia.space import Architecture, Value
from retia.supernet import Supernet, recalibrate
from retia.trial import Capabilities, Run, capabilities_of

__all__ = ["SupernetEvaluator"]


@dataclass(frozen=True, eq=False)
class SupernetEvaluator:
    """Scores an architecture by its weights in a trained supernet, without training.

    Batch-norm statistics are computed for each architecture, from the same batches of the training data. In a
    space with layer choices, the metric "parameter_free" is the share of them whose candidate has no
    parameters. Costs and the names of the metrics are those of `evaluator`, without metrics of test data and
    without the training time.

    Attributes:
        supernet: The supernet.
        evaluator: The evaluator that the supernet was trained for, whose validation data is used.
        recalibration_batches: Number of batches for the statistics. Default 8; 0 keeps those of the training.
        trained_by: The method that trained the supernet, as JSON.

    Reference:
        Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020, section
        3.4.
    """

    supernet: Supernet
    evaluator: Any
    recalibration_batches: int = 8
    trained_by: Mapping[str, Any] = field(default_factory=dict[str, Any])
    _trainings: dict[str | None, Training] = field(default_factory=dict[str | None, Training], init=False)

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Activate the architecture and return its metrics on the validation data.

        Raises:
            EvaluationError: If the space of the study is not that of the supernet.
        """
        labels = self.supernet.space.parameters
        if unknown := next((label for label in architecture if label not in labels), None):
            msg = f"'{unknown}' is not a parameter of the supernet's space. Search supernet.space."
            raise EvaluationError(msg)
        training = self._training(run.device)
        self.supernet.activate(architecture)
        self.supernet.eval()
        with seeded(run.seed):
            if self.recalibration_batches:
                recalibrate(self.supernet, self._batches, forward=training.outputs)
            judged = training.measure(self.supernet)
        if self._parameter_free:
            judged[PARAMETER_FREE] = share_parameter_free(architecture, self._parameter_free)
        save_weights(self.supernet.extract(), run)
        return judged

    def capabilities(self) -> Capabilities:
        """Return metrics and costs of the evaluator, without those of test data and the training time."""
        inner = capabilities_of(self.evaluator)
        left_out = ("test_", "train_seconds")
        names = [name for name in inner.metrics or () if not name.startswith(left_out)]
        own = [PARAMETER_FREE] if self._parameter_free else []
        return Capabilities(
            metrics=None if inner.metrics is None else (*names, *own),
            costs=inner.costs,
            builds=True,
            example=inner.example,
            settings=self._settings,
        )

    def _settings(self) -> dict[str, Any]:
        inner = capabilities_of(self.evaluator).settings
        return {
            "type": "SupernetEvaluator",
            "trained_by": dict(self.trained_by),
            "recalibration_batches": self.recalibration_batches,
            "evaluator": inner and inner(),
        }

    @cached_property
    def _parameter_free(self) -> Mapping[str, frozenset[Value]]:
        return parameter_free_values(self.supernet)

    def _training(self, device: str | None) -> Training:
        # Data is put on the device once, not for each architecture.
        if device not in self._trainings:
            training = cast("Callable[[], Training]", capabilities_of(self.evaluator).training)()
            place = torch.device(device or training.place)
            self._trainings[device] = training.on(place, memory_format_of(self.supernet))
        return self._trainings[device]

    @cached_property
    def _batches(self) -> list[Any]:
        """The batches of the training data from which statistics are computed."""
        training = next(iter(self._trainings.values()))
        data, size = training.data("train"), cast("int", training.batch_size)
        with seeded(0), data.rewound():
            batches = data.batches(size, generator=torch.Generator().manual_seed(0))
            return list(islice(batches, self.recalibration_batches))
