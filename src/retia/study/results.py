"""The results of a study."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from retia.errors import RetiaError, StorageError, StudyError
from retia.space import Architecture, SearchSpace
from retia.storage import Database, StudyRecord
from retia.study.html import as_html
from retia.study.name import CONTROL, RESCORED, RETRAINED, only_name, valid_name
from retia.study.no_result import no_result
from retia.study.preparation import PREPARED, PreparationStep, derived, preparation_record
from retia.trial import (
    Constraint,
    ConstraintsLike,
    History,
    Objective,
    Trial,
    hypervolume,
    objectives_from,
    pick,
    reference_point,
    require_owner,
)

__all__ = ["StoredStudy", "StudyResults", "require_metrics"]


class StudyResults(ABC):
    """The trials of a study and what is computed from them, read-only.

    Attributes:
        name: Name of the study.
        space: Search space, with the evaluator's settings that are searched.
        objectives: Metrics that are optimized.
        constraints: Bounds on metrics.
        seed: Seed of all randomness of the study.
        baseline: Architecture of trial 0; None if the stored study has no baseline.
        storage: File or URL where the trials are kept; None if they are kept in memory.
    """

    name: str
    space: SearchSpace
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    seed: int
    baseline: Architecture | None
    storage: str | None

    @property
    @abstractmethod
    def history(self) -> History:
        """All trials, indexed."""

    @property
    @abstractmethod
    def uid(self) -> str:
        """Id of the study, by which its files are told from those of another study."""

    @property
    @abstractmethod
    def directory(self) -> Path:
        """Folder of the evaluators' files, with a folder for each trial."""

    @property
    @abstractmethod
    def prepared_by(self) -> Mapping[str, Any] | None:
        """The one-shot method whose supernet scored the trials, as JSON; None if the evaluator did."""

    @property
    @abstractmethod
    def stop_reason(self) -> str | None:
        """Why the last run stopped; None before and during a run."""

    # --- trials

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order of their numbers."""
        return list(self.history)

    @property
    def best(self) -> Trial:
        """The best feasible trial at the highest fidelity by the first objective; the next ones break ties.

        Raises:
            StudyError: If no trial completed, or no trial meets the constraints.
        """
        if self.history.best is None:
            raise StudyError(no_result(self.name, self.history))
        return self.history.best

    @property
    def pareto(self) -> list[Trial]:
        """The feasible trials at the highest fidelity that no other trial dominates."""
        return list(self.history.front)

    def top(self, k: int) -> list[Trial]:
        """Return the `k` best feasible trials, each architecture once, ordered as `History.ranked` says."""
        return self.history.top(k)

    def pick(self, *, weights: Mapping[str, float] | None = None, bounds: ConstraintsLike = None) -> Trial:
        """Return a trial of the Pareto front by weights, bounds or the knee; see `retia.trial.pick`."""
        return pick(self.pareto, self.objectives, weights=weights, bounds=bounds)

    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """Return the volume between the Pareto front and a reference point.

        Raises:
            StudyError: If `reference` has no value for an objective.
        """
        return hypervolume(
            [self.history.losses(trial) for trial in self.pareto], reference_point(self.objectives, reference)
        )

    @property
    def baseline_trial(self) -> Trial | None:
        """Trial 0; None before it has started, or if its row was deleted."""
        return self.history.get(0)

    @property
    def preparation(self) -> list[PreparationStep]:
        """The reports of a one-shot method's training.

        Raises:
            StudyError: If the folder of the study's files holds those of another study.
        """
        return preparation_record(self.prepared_directory)

    @property
    def prepared_directory(self) -> Path:
        """Folder of what a one-shot method kept, such as the supernet; it need not exist.

        Raises:
            StudyError: If the folder of the study's files holds those of another study.
        """
        require_owner(self.directory, self.uid)
        return self.directory / PREPARED

    @property
    def derived(self) -> Architecture | None:
        """The architecture that the one-shot method chose, such as the argmax of DARTS, or None.

        It takes penalties into account, whereas `best` is the best by the objectives alone.

        Raises:
            StudyError: If the folder of the study's files holds those of another study.
            StorageError: If what is stored is damaged.
        """
        return None if self.prepared_by is None else derived(self.prepared_directory)

    # --- companions

    @property
    def control(self) -> "StudyResults | None":
        """Random search at the same budget, if there is one."""
        return self.companion(CONTROL)

    @property
    def retrained(self) -> "StudyResults | None":
        """The best architectures of a one-shot search, evaluated by the study's own evaluator."""
        return self.companion(RETRAINED)

    @property
    def rescored(self) -> "StudyResults | None":
        """The architectures of `control` as the supernet scores them, if it did."""
        return self.companion(RESCORED)

    def companion(self, kind: str) -> "StudyResults | None":
        """Return a stored study that this one is compared with; None if there is no such study."""
        name = f"{self.name}/{kind}"
        if self.storage is None or name not in Database(self.storage).names():
            return None
        return StoredStudy(self.storage, name)

    def __repr__(self) -> str:
        return f"<Study '{self.name}': {len(self.history)} trials, {', '.join(map(str, self.objectives))}>"

    def _repr_html_(self) -> str:
        return as_html(repr(self), [one.metric for one in self.objectives], self.top(10))


class StoredStudy(StudyResults):
    """A stored study without the code that made it: its trials can be read, and build no models.

    Args:
        storage: File or URL.
        name: Name of the study; needed if there are several.
        space: The study's space, which may build models. Default: the stored parameters alone.
        directory: Folder of the study's files. Default: beside the storage.

    Raises:
        StorageError: If there is no such study, or it can't be read.
        StudyError: If no name is given and there are several studies, or `name` is not a valid name.
    """

    def __init__(
        self,
        storage: str,
        name: str | None = None,
        *,
        space: SearchSpace | None = None,
        directory: Path | None = None,
    ) -> None:
        database = Database(storage)
        self.storage = storage
        self.name = only_name(database.names(), storage) if name is None else valid_name(name)
        record = database.load(self.name)
        header = record.header
        self.objectives, self.constraints, self.seed = header.objectives, header.constraints, header.seed
        self.space, self.baseline = _space_and_baseline(record, database)
        if space is not None and space.to_json()["parameters"] == self.space.to_json()["parameters"]:
            self.space = space
        self.evaluator: Mapping[str, Any] = header.evaluator
        self._uid, self._directory = record.uid, directory or database.files / self.name
        stop_reasons = {one.name: one.stop_reason for one in database.studies()}
        self._stop_reason = stop_reasons.get(self.name)
        trials = [
            trial.placed(self.space, self._uid, self._directory) for trial in record.refresh(everything=True)
        ]
        for trial in trials:
            require_metrics(trial, (*self.objectives, *self.constraints), f"'{self.name}' in {database}")
        record.close(None)
        self._history = History(self.objectives, self.constraints, trials)

    @property
    def history(self) -> History:
        """All trials, indexed, as they were when the study was opened."""
        return self._history

    @property
    def uid(self) -> str:
        """Id of the study, by which its files are told from those of another study."""
        return self._uid

    @property
    def directory(self) -> Path:
        """Folder of the evaluators' files beside the storage, with a folder for each trial."""
        return self._directory

    @property
    def prepared_by(self) -> Mapping[str, Any] | None:
        """The one-shot method whose supernet scored the trials, as JSON; None if the evaluator did."""
        return self.evaluator.get("prepared_by")

    @property
    def stop_reason(self) -> str | None:
        """Why the last run stopped; None before and during a run."""
        return self._stop_reason


def require_metrics(trial: Trial, needed: Collection[Objective | Constraint], study: str) -> None:
    """Raise an error if a completed trial lacks a metric that the study needs.

    Raises:
        StorageError: If a metric is missing.
    """
    if trial.state != "completed":
        return
    for one in needed:
        if one.metric not in trial.metrics:
            msg = (
                f"Trial {trial.number} of study {study} has no metric '{one.metric}', "
                f"which the study needs; it has {sorted(trial.metrics)}. "
                "Restore its row in the storage, delete the row, or start a new study with another name=."
            )
            raise StorageError(msg)


def _space_and_baseline(record: StudyRecord, database: Database) -> tuple[SearchSpace, Architecture | None]:
    header = record.header
    try:
        objectives_from(
            *(
                [one.metric for one in header.objectives if one.direction == way]
                for way in ("maximize", "minimize")
            )
        )
        space = SearchSpace.from_json(header.space)
        return space, None if header.baseline is None else space.validate(header.baseline)
    except RetiaError as error:
        record.close(None)
        msg = (
            f"The header of study '{header.name}' in {database} contradicts itself: "
            f"{error} Another program changed it. Restore the storage from a copy."
        )
        raise StorageError(msg) from error
