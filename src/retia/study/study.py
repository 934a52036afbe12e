"""A study: all trials of one search, stored."""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from retia.errors import StudyError
from retia.execute import executor_for, let_go, slots_of
from retia.rng import stream_seed
from retia.space import SearchSpace, Value
from retia.storage import Database, Header, MemoryRecord, StudyRecord
from retia.strategy import Strategy
from retia.study.checks import check_metrics, check_run
from retia.study.companions import CONTROL, RESCORED, RETRAINED, Companions, only_name
from retia.study.definition import hand_over
from retia.study.directory import temporary_directory
from retia.study.event import Event, Observer
from retia.study.html import as_html
from retia.study.interrupts import Interrupts
from retia.study.job import Job
from retia.study.kept_weights import KeepWeights
from retia.study.loop import INTERRUPTED, Loop
from retia.study.model_function import as_evaluator
from retia.study.name import check_name
from retia.study.no_result import no_result
from retia.study.opening import arguments_of, check_complete, open_record
from retia.study.preparation import (
    PreparationStep,
    preparation_record,
    preparation_run,
    prepared,
    refuse_another_preparation,
)
from retia.study.retries import started_again
from retia.trial import (
    ConstraintsLike,
    CostEvaluator,
    Evaluator,
    History,
    Trial,
    capabilities_of,
    check_owner,
    constraints_from,
    hypervolume,
    objectives_from,
    pick,
    reference_point,
    strategy_capabilities_of,
    take_folder,
)

__all__ = ["Study"]


class Study:
    """All trials of one search: what is searched, how it is judged, and what came of it so far.

    Args:
        space: What is searched.
        evaluator: What judges: a function of the model, or of the model and the run; one marked with
            `architecture_evaluator`; or an `Evaluator`.
        maximize: The metrics to maximize.
        minimize: The metrics to minimize.
        constraints: Bounds on metrics, such as `["params <= 1e6"]`. Bounds on costs are checked before
            training.
        storage: Where the trials are kept: a file for SQLite, or a URL; None keeps them in memory.
        name: The study's name in the storage, which also names the folder of its files. The same storage and
            name resume it.
        seed: Where all randomness of the study comes from.
        baseline: The architecture of trial 0, with which the others are compared; the space's default if not
            given.
        costs: What counts costs before training; taken from the evaluator if it offers it.
        device: Where models are built and trained; None leaves it to the evaluator.
        directory: Where the evaluators' files go; beside the storage if not given, or, without one, in a
            temporary folder.
        keep_weights: The trials of a function of the model that keep its weights: "none", "best", "front"
            (also what it derives from), or "all".
        force: Whether to go on with a stored study though its space, evaluator or seed has changed.

    Raises:
        StudyError: If there is no objective, a constraint can't be read, an objective is not one of the
            evaluator's metrics, or `name` can't name a folder.
        StorageError: If `storage` is not a file or a URL of a database.
        EvaluationError: If `evaluator` is not a valid evaluator, or holds a choice, or a domain that it does
            not search.
        ArchitectureError: If the baseline is not of the space.
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
        self._arguments: dict[str, Any] = {key: value for key, value in locals().items() if key != "self"}
        self.evaluator: Evaluator = as_evaluator(evaluator)
        if not isinstance(space, SearchSpace):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            msg = (
                f"A study searches a SearchSpace or a ModelSpace, got {space!r}. Wrap the class: "
                "retia.ModelSpace(Net)."
            )
            raise StudyError(msg)
        self.capabilities = capabilities_of(self.evaluator)
        searches = self.capabilities.parameters
        self.space = space.extend(searches) if searches else space
        self.objectives, self.constraints = objectives_from(maximize, minimize), constraints_from(constraints)
        self.storage = None if storage is None else os.fspath(storage)
        self.name = check_name(name)
        self._database = None if self.storage is None else Database(self.storage)
        self.seed, self.device = seed, device
        self.keep_weights: KeepWeights = keep_weights
        self.costs = self.capabilities.costs if costs is None else costs
        check_metrics(self.capabilities.metrics, self.costs, (*self.objectives, *self.constraints))
        self.given_directory = None if directory is None else Path(directory)
        self._force, self._companions = force, Companions(self)
        self._prepared_by: Mapping[str, Any] | None = None
        self._scored_by: Evaluator = self.evaluator
        self._stop_reason: str | None = None
        own = {label: domain.default for label, domain in searches.items()}  # these need not be given
        self.baseline = self.space.default() if baseline is None else self.space.validate({**own, **baseline})

    @classmethod
    def open(cls, storage: str | os.PathLike[str], name: str | None = None) -> Self:
        """Open a stored study to look at, without the code that made it. It can't run, and its trials build
        no models.

        Args:
            storage: The file or URL.
            name: Which study; may be left out if there is but one.

        Raises:
            StorageError: If there is no such study, or it can't be read.
            StudyError: If no name is given and there are several studies, or `name` can't be the name of a
                study.
        """
        database = Database(os.fspath(storage))
        name = only_name(database, os.fspath(storage)) if name is None else check_name(name)
        record = database.load(name)
        study = cls(**arguments_of(record, database), storage=storage, name=name)
        vars(study)["_record"] = record
        study._prepared_by = record.header.evaluator.get("prepared_by")
        study._stop_reason = next((one.stop_reason for one in database.studies() if one.name == name), None)
        return study

    def replace(self, **changes: Any) -> "Study":
        """Return the study as it would be with other arguments."""
        return Study(**{**self._arguments, **changes})

    # --- running

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

        The number counts all completed and failed trials of the study, also the baseline and those of earlier
        runs. Architectures that are rejected for a constraint, or because they are not a working model, do
        not count. A trial whose worker was lost is started again, twice at most.

        Args:
            strategy: What proposes.
            trials: How many trials the study is to have.
            workers: How many evaluations run at once; more than one run in processes of their own.
            executor: Where they run instead: anything with the interface of `concurrent.futures.Executor`.
            timeout: Seconds after which no more trials are started.
            observer: Hears what happens.
            retry_failed: Whether to start the failed trials of the study again, before any other. Their
                errors are kept as `Trial.attempts`.
            failures: What the failure of the baseline does: "raise" ends the run with its error, "ignore"
                records it and goes on. Any other trial that fails is recorded, and the run stops when more
                than half of its trials, at least five, have failed.
            strict: Whether the first architecture that is not a working model ends the run with an error.

        Raises:
            StudyError: If the stored study is another, the study was opened without its code, an argument is
                not valid, or no architecture is feasible.
            EvaluationError: If `device` is not available, or the baseline fails, or its metrics are not those
                that the study needs.
            ExecutorError: If `workers` is not a whole number of at least 1.
            InfeasibleArchitecture: If the baseline is not a working model; if `strict`, if any architecture
                is not.
            StorageError: If the storage can't be written.
        """
        hand_over(self)
        check_run(
            self,
            strategy,
            trials=trials,
            workers=workers,
            executor=executor,
            timeout=timeout,
            failures=failures,
        )
        abilities = strategy_capabilities_of(strategy)
        record, history, self._stop_reason = self._opened(strategy), self.history, None

        def tell(kind: Any, trial: Trial | None = None, **more: Any) -> None:
            if observer is not None:
                observer(Event(kind, self, trial, trials, **more))

        chosen = executor_for(workers or 1) if executor is None else executor
        interrupts = Interrupts()
        interrupts.install()
        try:
            tell("resumed" if len(history) else "opened")
            retried, history = started_again(history, record, self._place) if retry_failed else ([], history)
            vars(self)["_history"] = history
            run = preparation_run(
                self.space, stream_seed(self.seed, "prepare"), self.device, self.directory, tell
            )
            evaluator = self._scored_by = prepared(
                abilities, self.evaluator, run, self.costs, self.constraints
            )
            needed = tuple(dict.fromkeys(one.metric for one in (*self.objectives, *self.constraints)))
            loop = Loop(
                space=self.space,
                history=history,
                record=record,
                strategy=strategy,
                abilities=abilities,
                job=Job(self.space, evaluator, self.costs, needed, self.device, self.keep_weights),
                seed=self.seed,
                baseline=self.baseline,
                target=trials,
                deadline=time.monotonic() + timeout if timeout is not None else float("inf"),
                place=self._place,
                tell=tell,
                interrupts=interrupts,
                retried=retried,
                failures=failures,
                strict=strict,
            )
            reason = self._stop_reason = loop.run(chosen, workers or slots_of(chosen))
        except KeyboardInterrupt:
            reason = self._stop_reason = INTERRUPTED
        finally:
            with interrupts:
                cut_off = self._stop_reason in (None, INTERRUPTED)
                if cut_off:
                    vars(self).pop("_history", None)  # what was cut off may stand in the record alone
                try:
                    if executor is None:
                        let_go(chosen, cut_off=cut_off)
                finally:
                    record.close(self._stop_reason)
                    interrupts.remove()
        tell("stopped")
        return reason

    def run_control(
        self,
        *,
        trials: int | None = None,
        workers: int | None = None,
        executor: Executor | None = None,
        observer: Observer | None = None,
    ) -> "Study":
        """Run random search at the same budget, as the study `name/random`, to tell what the strategy was
        worth.

        It has the same baseline as trial 0, and random numbers of its own. Where a supernet scored the
        trials, the supernet scores its architectures as well, as the study `name/rescored`: so both scores of
        random architectures are known.

        Args:
            trials: How many trials it is to have. If not given, as many as this study; where a supernet
                scored these, or some had less than all fidelity, as many as take the seconds of the
                preparation, the trials and the retraining together.
            workers: As in `run`.
            executor: As in `run`.
            observer: As in `run`.

        Raises:
            StudyError: As `run`; or if its seconds follow from what was retrained, and nothing was.
        """
        return self._companions.run_control(
            self._scored_by, trials, workers=workers, executor=executor, observer=observer
        )

    def run_retrained(
        self,
        k: int,
        *,
        workers: int | None = None,
        executor: Executor | None = None,
        observer: Observer | None = None,
    ) -> "Study":
        """Judge the `k` best architectures anew by the study's own evaluator, as the study `name/retrained`.

        After a search by a supernet that is training them from scratch; both scores are kept. The baseline is
        trial 0 there too.

        Raises:
            StudyError: If the study has no feasible trial, or as `run`.
        """
        if not (winners := [trial.architecture for trial in self.top(k)]):
            raise StudyError(no_result(self.name, self.history))
        return self._companions.rejudge(
            RETRAINED, winners, workers=workers, executor=executor, observer=observer
        )

    # --- results

    @property
    def history(self) -> History:
        """All trials, indexed."""
        return self._history

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order of their numbers."""
        return list(self.history)

    @property
    def best(self) -> Trial:
        """The best feasible trial by the first objective, of those that went the farthest; ties go to the
        next objectives.

        Raises:
            StudyError: If no trial completed, or none meets the constraints.
        """
        if self.history.best is None:
            raise StudyError(no_result(self.name, self.history))
        return self.history.best

    @property
    def pareto(self) -> list[Trial]:
        """The feasible trials that no other dominates, of those that went the farthest."""
        return list(self.history.front)

    def top(self, k: int) -> list[Trial]:
        """Return the `k` best feasible trials, each architecture once; those of all fidelity first, then as
        `History.ranked` says.
        """
        return self.history.top(k)

    def pick(self, *, weights: Mapping[str, float] | None = None, bounds: ConstraintsLike = None) -> Trial:
        """Return one trial of the Pareto front: by weights of the objectives, within bounds, or, given
        neither, at the knee (see `retia.trial.pick`).
        """
        return pick(self.pareto, self.objectives, weights=weights, bounds=bounds)

    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """Return the volume between the Pareto front and a reference point, which names a value for every
        objective.

        Raises:
            StudyError: If an objective is missing.
        """
        return hypervolume(
            [self.history.losses(trial) for trial in self.pareto], reference_point(self.objectives, reference)
        )

    @property
    def baseline_trial(self) -> Trial | None:
        """Trial 0; None before it has started, or if its row was deleted."""
        return self.history.get(0)

    @property
    def control(self) -> "Study | None":
        """The random search at the same budget, if there is one."""
        return self._companions.get(CONTROL)

    @property
    def retrained(self) -> "Study | None":
        """The best architectures as the study's own evaluator judged them after a search by a supernet, if it
        did.
        """
        return self._companions.get(RETRAINED)

    @property
    def rescored(self) -> "Study | None":
        """The architectures of the control as the supernet scores them, if it did."""
        return self._companions.get(RESCORED)

    @property
    def prepared_by(self) -> Mapping[str, Any] | None:
        """The one-shot method whose supernet scored the trials, as JSON; None if the evaluator itself did."""
        return self._prepared_by

    @property
    def preparation(self) -> list[PreparationStep]:
        """What that strategy reported of its work.

        Raises:
            StudyError: If the folder of the study's files holds those of another study.
        """
        check_owner(self.directory, self._record.uid)
        return preparation_record(self.directory)

    @property
    def stop_reason(self) -> str | None:
        """Why the last run stopped; None before and during one."""
        return self._stop_reason

    @cached_property
    def directory(self) -> Path:
        """Where the evaluators' files go: a folder of each trial's own is below it."""
        if self.given_directory is not None:
            return self.given_directory
        return temporary_directory() if self._database is None else self._database.files / self.name

    def __repr__(self) -> str:
        return f"<Study '{self.name}': {len(self.history)} trials, {', '.join(map(str, self.objectives))}>"

    _repr_html_ = as_html

    def _opened(self, strategy: Strategy) -> StudyRecord:
        """Return the record, with the history up to date and the folder of the files marked as this
        study's.
        """
        if self._database is not None:
            self._database.check_writable()
        interrupts = Interrupts()
        interrupts.install()
        try:
            with interrupts:
                self._bind(strategy)
                if self._database is not None or self.given_directory is not None:
                    take_folder(self.directory, self._record.uid)
                for trial in self._record.refresh():
                    self.history.record(self._place(trial))
                return self._record
        finally:
            interrupts.remove()

    def _bind(self, strategy: Strategy) -> None:
        """Note which preparation scores the trials: one study has but one, and another is a `StudyError`."""
        settings = strategy_capabilities_of(strategy).settings
        by = None if settings is None else settings()
        if by == self._prepared_by:
            return
        if "_record" in vars(self):
            if len(self.history):
                refuse_another_preparation(self.name, self._prepared_by, strategy)
            del vars(self)["_record"], vars(self)["_history"]
        self._prepared_by = by

    @cached_property
    def _record(self) -> StudyRecord:
        header = Header(
            name=self.name,
            space=self.space.to_json(),
            evaluator=self._settings(),
            objectives=self.objectives,
            constraints=self.constraints,
            seed=self.seed,
            baseline=dict(self.baseline),
        )
        return (
            MemoryRecord(header)
            if self._database is None
            else open_record(self._database, header, force=self._force)
        )

    def _settings(self) -> dict[str, Any]:
        own = {} if self.capabilities.settings is None else self.capabilities.settings()
        return {**own, **({} if self._prepared_by is None else {"prepared_by": self._prepared_by})}

    @cached_property
    def _history(self) -> History:
        return History(
            self.objectives, self.constraints, map(self._place, self._record.refresh(everything=True))
        )

    def _place(self, trial: Trial) -> Trial:
        if trial.state == "completed":
            check_complete(trial, (*self.objectives, *self.constraints), f"'{self.name}' in {self._database}")
        # Quicker than dataclasses.replace.
        object.__setattr__(trial, "space", self.space)
        object.__setattr__(trial, "study", self._record.uid)
        object.__setattr__(trial, "directory", self.directory / f"{trial.number:05d}")
        return trial
