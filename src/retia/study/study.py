"""A study: a search that runs, and its results so far."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Literal

from retia.space import SearchSpace, Value
from retia.storage import Database, MemoryRecord, StudyRecord
from retia.strategy import Strategy
from retia.study.definition import hand_over
from retia.study.directory import temporary_directory
from retia.study.event import Event, Observer
from retia.study.interrupts import Interrupts
from retia.study.kept_weights import KeepWeights
from retia.study.preparation import different_preparation
from retia.study.record_access import open_record
from retia.study.requirements import require_runnable
from retia.study.results import StoredStudy, StudyResults, require_metrics
from retia.study.retries import started_again
from retia.study.specification import StudySpec
from retia.study.study_run import RunOptions, StudyRun
from retia.trial import (
    ConstraintsLike,
    CostEvaluator,
    Evaluator,
    History,
    Trial,
    strategy_capabilities_of,
    take_folder,
)

__all__ = ["Study"]


class Study(StudyResults):
    """A search that runs, and all its trials.

    Args:
        space: Search space, or `ModelSpace`.
        evaluator: Function of the model, or of the model and the run; function marked with
            `architecture_evaluator`; or `Evaluator`.
        maximize: Names of the metrics to maximize.
        minimize: Names of the metrics to minimize.
        constraints: Bounds on metrics, such as `["params <= 1e6"]`. Bounds on costs are checked before
            training.
        storage: File for SQLite, or URL, where the trials are kept; None keeps them in memory.
        name: Name of the study in the storage, and of the folder of its files. The same storage and name
            resume the study.
        seed: Seed of all randomness of the study.
        baseline: Architecture of trial 0, with which the others are compared. Default: the space's default.
        costs: Evaluator of costs before training. Default: the evaluator's own, if it has one.
        device: Device of the models, such as "cuda:0"; None leaves it to the evaluator.
        directory: Folder of the evaluators' files. Default: beside the storage, or, without a storage, a
            temporary folder.
        keep_weights: The trials whose trained weights are kept, whatever evaluator trained them: "none",
            "best", "front" (the Pareto front and the trials that it was derived from), or "all". With
            `inherit_weights=True` of the evaluator, "best" and "front" keep those of all trials.
        force: Whether to go on with a stored study though its space, evaluator or seed has changed.

    Raises:
        StudyError: If there is no objective, a constraint can't be read, an objective is not one of the
            evaluator's metrics, or `name` can't name a folder.
        StorageError: If `storage` is not a file or a URL of a database.
        EvaluationError: If `evaluator` is not a valid evaluator, or holds a choice, or a domain that it does
            not search.
        ArchitectureError: If `baseline` is not an architecture of the space.
    """

    def __init__(  # the user-facing call
        self,
        space: SearchSpace,
        evaluator: Any,
        *,
        maximize: str | Sequence[str] | None = None,
        minimize: str | Sequence[str] | None = None,
        constraints: ConstraintsLike = None,
        storage: str | os.PathLike[str] | None = None,
        name: str = "study",
        seed: int = 0,
        baseline: Mapping[str, Value] | None = None,
        costs: CostEvaluator | None = None,
        device: str | None = None,
        directory: str | os.PathLike[str] | None = None,
        keep_weights: KeepWeights = "front",
        force: bool = False,
    ) -> None:
        spec = StudySpec(
            space=space,
            evaluator=evaluator,
            maximize=maximize,
            minimize=minimize,
            constraints=constraints,
            storage=None if storage is None else os.fspath(storage),
            name=name,
            seed=seed,
            baseline=baseline,
            costs=costs,
            device=device,
            directory=None if directory is None else Path(directory),
            keep_weights=keep_weights,
            force=force,
        )
        self.spec = spec
        self.name, self.seed, self.storage = spec.name, spec.seed, spec.storage
        self.space, self.baseline = spec.searched, spec.first_architecture
        self.objectives, self.constraints = spec.objectives, spec.bounds
        self.scored_by: Evaluator = spec.judge
        self.companions: dict[str, StudyResults] = {}
        self._database = None if spec.storage is None else Database(spec.storage)
        self._directory: Path | None = None
        self._prepared_by: Mapping[str, Any] | None = None
        self._stop_reason: str | None = None
        self._record: StudyRecord | None = None
        self._history: History | None = None

    @staticmethod
    def open(storage: str | os.PathLike[str], name: str | None = None) -> StoredStudy:
        """Open a stored study to read, without the code that made it.

        Args:
            storage: File or URL.
            name: Name of the study; needed if there are several.

        Raises:
            StorageError: If there is no such study, or it can't be read.
            StudyError: If no name is given and there are several studies, or `name` is not a valid name.
        """
        return StoredStudy(os.fspath(storage), name)

    def replace(self, **changes: Any) -> "Study":
        """Return the study as it would be with other arguments."""
        return Study(**{**self.spec.arguments(), **changes})

    def run(
        self,
        strategy: Strategy,
        *,
        trials: int,
        workers: int | None = None,
        executor: Executor | None = None,
        timeout: float | None = None,
        observer: Observer | None = None,
        retry_failed: bool = False,
        failures: Literal["raise", "ignore"] = "raise",
        strict: bool = False,
    ) -> str:
        """Evaluate what the strategy proposes until the study has `trials` trials, and return why it stopped.

        Args:
            strategy: Strategy that proposes architectures.
            trials: Number of completed and failed trials that the study is to have, with the baseline and
                those of earlier runs. Infeasible trials do not count.
            workers: Number of evaluations at once; more than one run in processes of their own.
            executor: Executor of the evaluations, as in `concurrent.futures`. Default:
                one for `workers`.
            timeout: Seconds after which no more trials are started.
            observer: Function that is called with each `Event`.
            retry_failed: Whether to start the failed trials again, before any other; see `Trial.attempts`.
            failures: Effect of a baseline that fails: "raise" ends the run with its error, "ignore" records
                it. Other trials that fail are recorded; the run stops when more than half of its trials, at
                least five, have failed.
            strict: Whether the first architecture that is not a working model ends the run with an error.

        Raises:
            StudyError: If the stored study differs, an argument is not valid, or no architecture is feasible.
            EvaluationError: If `device` is not available, or the baseline fails or lacks a needed metric.
            ExecutorError: If `workers` is not a whole number of at least 1.
            InfeasibleArchitecture: If the baseline is not a working model; if `strict`, if any architecture
                is not.
            StorageError: If the storage can't be written.
        """
        hand_over(self)
        options = RunOptions(trials, workers, executor, timeout, retry_failed, failures, strict)
        require_runnable(self.spec, strategy, options)
        return self._run(strategy, options, observer)

    @property
    def history(self) -> History:
        """All trials, indexed."""
        if self._history is None:
            trials = self._opened_record().refresh(everything=True)
            self._history = History(self.objectives, self.constraints, map(self._placed, trials))
        return self._history

    @property
    def uid(self) -> str:
        """Id of the study, by which its files are told from those of another study."""
        return self._opened_record().uid

    @property
    def directory(self) -> Path:
        """Folder of the evaluators' files, with a folder for each trial."""
        if self._directory is None:
            if self.spec.directory is not None:
                self._directory = self.spec.directory
            elif self._database is not None:
                self._directory = self._database.files / self.name
            else:
                self._directory = temporary_directory()
        return self._directory

    @property
    def prepared_by(self) -> Mapping[str, Any] | None:
        """The one-shot method whose supernet scored the trials, as JSON; None if the evaluator did."""
        return self._prepared_by

    @property
    def stop_reason(self) -> str | None:
        """Why the last run stopped; None before and during a run."""
        return self._stop_reason

    def companion(self, kind: str) -> StudyResults | None:
        """Return the study that this one is compared with; None if there is no such study."""
        if kind not in self.companions and (stored := super().companion(kind)) is not None:
            # With this study's space its trials build and load models.
            own = None if self.spec.directory is None else self.spec.directory / kind
            stored = StoredStudy(self.storage or "", stored.name, space=self.space, directory=own)
            self.companions[kind] = stored
        return self.companions.get(kind)

    def _run(self, strategy: Strategy, options: RunOptions, observer: Observer | None) -> str:
        record, history = self._ready(strategy)
        self._stop_reason = None
        retried: Sequence[Trial] = ()
        if options.retry_failed:
            retried, history = started_again(history, record)
            self._history = history

        def notify(kind: Any, trial: Trial | None = None, **more: Any) -> None:
            if observer is not None:
                observer(Event(kind, self, trial, options.trials, **more))

        run = StudyRun(
            self.spec, strategy, options, record, history, self.directory, self._placed, notify, retried
        )
        try:
            self._stop_reason = run.run()
        finally:
            if run.evaluator is not None:
                self.scored_by = run.evaluator
            if run.cut_off:
                self._history = None  # the record may hold what the history lacks
        notify("stopped")
        return self._stop_reason

    def _ready(self, strategy: Strategy) -> tuple[StudyRecord, History]:
        """Return the record and the updated history; mark the folder of the files as this study's."""
        if self._database is not None:
            self._database.require_writable()
        interrupts = Interrupts()
        interrupts.install()
        try:
            with interrupts:
                self._bind(strategy)
                record, history = self._opened_record(), self.history
                if self._database is not None or self.spec.directory is not None:
                    take_folder(self.directory, record.uid)
                for trial in record.refresh():
                    history.record(self._placed(trial))
                return record, history
        finally:
            interrupts.remove()

    def _bind(self, strategy: Strategy) -> None:
        """Note which preparation scores the trials.

        Raises:
            StudyError: If another preparation scored the trials that the study has.
        """
        abilities = strategy_capabilities_of(strategy)
        by = None if abilities.settings is None else dict(abilities.settings())
        if by == self._prepared_by:
            return
        if self._record is not None:
            if len(self.history):
                different_preparation(self.name, self._prepared_by, strategy)
            self._record = self._history = None
        self._prepared_by = by

    def _opened_record(self) -> StudyRecord:
        if self._record is None:
            header = self.spec.header(self._prepared_by)
            self._record = (
                MemoryRecord(header)
                if self._database is None
                else open_record(self._database, header, force=self.spec.force)
            )
        return self._record

    def _placed(self, trial: Trial) -> Trial:
        """Return a trial of the record with its space and its folder."""
        if trial.state == "completed":
            require_metrics(
                trial, (*self.objectives, *self.constraints), f"'{self.name}' in {self._database}"
            )
        return trial.placed(self.space, self.uid, self.directory)
