"""A trained supernet as an evaluator: any strategy can search it."""

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
    """Judges an architecture by the weights that it has in a trained supernet; nothing is trained.

    Batch-norm statistics are taken anew for each architecture, from the same batches of the training data. In
    a space with layer choices the metric "parameter_free" tells which share of them has a candidate without
    parameters. It counts costs, and tells the names of its metrics, if `evaluator` does; the metrics on test
    data and the time of a training are not among them.

    Attributes:
        supernet: The supernet.
        evaluator: What it was trained for, which judges: its metrics are those on its validation data.
        recalibration_batches: How many batches statistics are taken from; 0 leaves them as they are.
        trained_by: What trained the supernet, as JSON.

    Reference:
        Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020, section
        3.4.
    """

    supernet: Supernet
    evaluator: Any
    recalibration_batches: int = 8
    trained_by: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Activate the architecture and return its metrics on the validation data.

        Raises:
            EvaluationError: If the space of the study is not that of the supernet.
        """
        labels = self.supernet.space.parameters
        if unknown := next((label for label in architecture if label not in labels), None):
            msg = f"'{unknown}' is no parameter of the supernet's space. Search supernet.space."
            raise EvaluationError(msg)
        training = self._training(run.device)
        self.supernet.activate(architecture)
        self.supernet.eval()
        with seeded(run.seed):
            if self.recalibration_batches:
                recalibrate(self.supernet, self._batches(training), forward=training.outputs)
            judged = training.measure(self.supernet)
        if self._parameter_free:
            judged[PARAMETER_FREE] = share_parameter_free(architecture, self._parameter_free)
        save_weights(self.supernet.extract(), run)
        return judged

    def capabilities(self) -> Capabilities:
        """Return the metrics and costs of the evaluator, but the metrics of test data and training time."""
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
        kept: dict[str | None, Training] = self.__dict__.setdefault("_trainings", {})
        if device not in kept:
            training = cast("Callable[[], Training]", capabilities_of(self.evaluator).training)()
            kept[device] = training.on(
                torch.device(device or training.place), memory_format_of(self.supernet)
            )
        return kept[device]

    def _batches(self, training: Training) -> list[Any]:
        kept: list[Any] | None = self.__dict__.get("_recalibration")
        if kept is None:
            generator = torch.Generator().manual_seed(0)
            data = training.data("train")
            with seeded(0), data.rewound():
                kept = list(
                    islice(
                        data.batches(cast("int", training.batch_size), generator=generator),
                        self.recalibration_batches,
                    )
                )
            self.__dict__["_recalibration"] = kept
        return kept
