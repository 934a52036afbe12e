"""What a study searches, how it judges, and where it keeps the results."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace, Value
from retia.storage import Header
from retia.study.kept_weights import KEEP_WEIGHTS, KeepWeights
from retia.study.model_function import as_evaluator
from retia.study.name import check_name
from retia.trial import (
    Capabilities,
    Constraint,
    CostEvaluator,
    Evaluator,
    Objective,
    capabilities_of,
    constraints_from,
    objectives_from,
)

__all__ = ["StudySpec"]


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """The arguments of a `Study`, checked: what is searched, how it is judged, and where it is kept.

    Raises:
        StudyError: If an argument is not valid, or an objective is not one of the evaluator's metrics.
        EvaluationError: If `evaluator` is not a valid evaluator.
        ArchitectureError: If `baseline` is not an architecture of the space.
    """

    space: SearchSpace
    evaluator: Any
    maximize: Any
    minimize: Any
    constraints: Any
    storage: str | None
    name: str
    seed: int
    baseline: Mapping[str, Value] | None
    costs: CostEvaluator | None
    device: str | None
    directory: Path | None
    keep_weights: KeepWeights
    force: bool

    def __post_init__(self) -> None:
        if not isinstance(self.space, SearchSpace):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            msg = (
                f"A study searches a SearchSpace or a ModelSpace, got {self.space!r}. Wrap the class: "
                "retia.ModelSpace(Net)."
            )
            raise StudyError(msg)
        if self.keep_weights not in KEEP_WEIGHTS:
            msg = (
                f"'keep_weights' must be one of {list(KEEP_WEIGHTS)}, got {self.keep_weights!r}. "
                "Give one of these."
            )
            raise StudyError(msg)
        check_name(self.name)
        self._check_metrics()
        _ = self.first_architecture

    @cached_property
    def judge(self) -> Evaluator:
        """The evaluator; a function of the model is adapted."""
        return as_evaluator(self.evaluator)

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the evaluator can do beside judging."""
        return capabilities_of(self.judge)

    @cached_property
    def searched(self) -> SearchSpace:
        """The space, with the evaluator's settings that are searched."""
        settings = self.capabilities.parameters
        return self.space.extend(settings) if settings else self.space

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        """The metrics to maximize, then those to minimize."""
        return objectives_from(self.maximize, self.minimize)

    @cached_property
    def bounds(self) -> tuple[Constraint, ...]:
        """The constraints."""
        return constraints_from(self.constraints)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The names of the metrics that the objectives and constraints need."""
        return tuple(dict.fromkeys(one.metric for one in (*self.objectives, *self.bounds)))

    @cached_property
    def counts(self) -> CostEvaluator | None:
        """The evaluator of costs: `costs`, or the evaluator's own."""
        return self.capabilities.costs if self.costs is None else self.costs

    @cached_property
    def first_architecture(self) -> Architecture:
        """The architecture of trial 0; settings that `baseline` lacks have their defaults."""
        if self.baseline is None:
            return self.searched.default()
        settings = {label: domain.default for label, domain in self.capabilities.parameters.items()}
        return self.searched.validate({**settings, **self.baseline})

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `Study` by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def header(self, prepared_by: Mapping[str, Any] | None) -> Header:
        """Return what is stored of the study.

        Args:
            prepared_by: The one-shot method whose supernet scores the trials, as JSON.
        """
        assert self.capabilities.settings is not None
        settings = dict(self.capabilities.settings())
        return Header(
            name=self.name,
            space=self.searched.to_json(),
            evaluator=settings if prepared_by is None else {**settings, "prepared_by": prepared_by},
            objectives=self.objectives,
            constraints=self.bounds,
            seed=self.seed,
            baseline=dict(self.first_architecture),
        )

    def _check_metrics(self) -> None:
        """Reject an objective or a constraint on a metric that the evaluator and the costs do not return."""
        if self.capabilities.metrics is None:
            return
        supplied = {*self.capabilities.metrics, *(() if self.counts is None else self.counts.metrics)}
        for one in (*self.objectives, *self.bounds):
            if one.metric not in supplied:
                kind = "objective" if isinstance(one, Objective) else "constraint"
                msg = (
                    f"The {kind} '{one}' asks for a metric that nothing supplies. "
                    f"There are {sorted(supplied)}: name one of them."
                )
                raise StudyError(msg)
