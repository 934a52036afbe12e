"""The loop of a study: propose, check, evaluate, record, until there is a reason to stop."""

import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retia.errors import EvaluationError, InfeasibleArchitecture, StudyError, WorkerDied
from retia.rng import stream_seed
from retia.space import Architecture, SearchSpace
from retia.storage import MemoryRecord, StudyRecord
from retia.strategy import Strategy
from retia.study.feasibility import Feasibility
from retia.study.interrupts import Interrupts
from retia.study.job import Job, Outcome, Task
from retia.study.kept_weights import KeptWeights
from retia.study.proposals import EXHAUSTED, REPEATING, next_proposal
from retia.trial import History, Parent, Proposal, StrategyCapabilities, Trial, capabilities_of

__all__ = ["INTERRUPTED", "TRIALS_DONE", "TrialLoop"]

TRIALS_DONE = "trials done"
TIMED_OUT = "timeout"
INTERRUPTED = "interrupted"
"""Stop reason of a run that the user ended with ctrl-C."""
FAILURES = "too many failures"
INFEASIBLE = "no feasible architecture found"

REJECTIONS = 1_000
"""Number of infeasible architectures in a row after which a run stops."""
POLL_S = 0.1
"""Seconds between looks at the trials of other processes for which the strategy waits."""
LEAST_FAILURES = 5
"""Number of failed trials from which a run stops if they are more than half of its trials."""
RETRIES = 2
"""Number of retries of a trial whose worker was lost."""


@dataclass(frozen=True)
class _Begun:
    """A trial that has begun, with its costs if these were counted."""

    trial: Trial
    costs: Mapping[str, float] | None = None


@dataclass
class TrialLoop:
    """Proposes, evaluates and records trials until there is a reason to stop.

    Args:
        space: Search space.
        history: Trials of the study, which the loop extends.
        record: Record that stores the trials.
        strategy: Strategy that proposes architectures.
        abilities: Optional abilities of the strategy.
        job: Function that evaluates a `Task`.
        seed: Seed of the study.
        baseline: Architecture of trial 0.
        target: Number of trials at which the loop stops; infeasible trials do not count.
        deadline: Time of `time.monotonic` after which no trial is started.
        directory: Folder of the study's files, in which each trial has a folder.
        placed: Function that adds to a stored trial its space and its folder.
        notify: Function that is called with "started" or "ended" and the trial.
        interrupts: Delays ctrl-C while a trial is written to the record and the history.
        retried: Trials that failed in an earlier run and are started again, before any other.
        failures: Effect of a baseline that fails: "raise" ends the run, "ignore" records the trial.
        strict: Whether the first architecture that is not a working model ends the run.
    """

    space: SearchSpace
    history: History
    record: StudyRecord
    strategy: Strategy
    abilities: StrategyCapabilities
    job: Job
    seed: int
    baseline: Architecture
    target: int
    deadline: float
    directory: Path
    placed: Callable[[Trial], Trial]
    notify: Callable[[str, Trial], None]
    interrupts: Interrupts = field(default_factory=Interrupts)
    retried: Sequence[Trial] = ()
    failures: Literal["raise", "ignore"] = "raise"
    strict: bool = False
    _claimed: deque[Trial] = field(default_factory=deque[Trial], init=False)
    _running: dict[Future[Outcome], Trial] = field(default_factory=dict[Future[Outcome], Trial], init=False)
    _ended_here: int = field(default=0, init=False)
    _failed_here: int = field(default=0, init=False)
    _released: set[int] = field(default_factory=set[int], init=False)
    _release_files: Callable[[Path], None] | None = field(init=False)
    _feasibility: Feasibility = field(init=False)
    _weights: KeptWeights | None = field(init=False)

    def __post_init__(self) -> None:
        self._claimed.extend(self.retried)
        self._release_files = capabilities_of(self.job.evaluator).release
        self._weights = KeptWeights.of(self.job.evaluator, self.space, self.job.keep_weights, self.history)
        self._feasibility = Feasibility(self.space, self.history, self.job.costs)

    def run(self, executor: Executor, slots: int) -> str:
        """Run until there is a reason to stop, and return it.

        Raises:
            EvaluationError: If the baseline can't be evaluated, or breaks the contract of evaluators, unless
                `failures` is "ignore".
            InfeasibleArchitecture: If the baseline is not a working model, or, if `strict`, any architecture
                is not.
            StudyError: If no architecture is feasible, or the executor is broken.
        """
        self._claim()
        while True:
            reason = self._fill(executor, slots)
            if not self._running and not self._wait_for_others(reason):
                return self._stopped(reason)
            for future in self._ended():
                self._finish(self._running.pop(future), future)

    def _refresh(self) -> None:
        """Add to the history what other processes have begun and ended."""
        with self.interrupts:
            for trial in self.record.refresh():
                self.history.record(self.placed(trial))

    def _claim(self) -> bool:
        """Take up the trials of processes that are gone."""
        with self.interrupts:
            claimed = [self.placed(trial) for trial in self.record.claim()]
            for trial in claimed:
                self.history.record(trial)
            self._claimed.extend(claimed)
        return bool(claimed)

    def _wait_for_others(self, reason: str) -> bool:
        """Whether to continue for trials of other processes: those of dead ones, or awaited results."""
        if not self.history.count("running") or reason not in (TRIALS_DONE, EXHAUSTED):
            return False
        if self._claim():
            return True
        if reason == EXHAUSTED and time.monotonic() < self.deadline:
            time.sleep(POLL_S)
            return True
        return False

    # --- starting trials

    def _fill(self, executor: Executor, slots: int) -> str:
        """Start trials until every slot is taken; return why no more were started."""
        while len(self._running) < slots:
            self._refresh()
            reason = self._reason()
            if reason is not None:
                return reason
            begun, reason = self._next()
            if reason:
                return reason
            if begun is not None:
                self._submit(executor, begun)
            if any(future.done() for future in self._running):  # the strategy needs its result
                return ""
        return ""

    def _reason(self) -> str | None:
        """Return why no more trials are started; None if there is no reason."""
        if self._failed_here >= LEAST_FAILURES and self._failed_here * 2 > self._ended_here:
            return FAILURES
        if self._claimed:
            return None
        if time.monotonic() >= self.deadline:
            return TIMED_OUT
        if sum(self.history.count(state) for state in ("completed", "failed", "running")) >= self.target:
            return TRIALS_DONE
        if self._feasibility.rejected >= REJECTIONS:
            return INFEASIBLE
        return None

    def _next(self) -> tuple["_Begun | None", str]:
        """Return a trial to evaluate and no reason, or None.

        There is no trial if it ended at once, if another process took its number, or for the reason.
        """
        if self._claimed:
            return self._begin(self._claimed.popleft(), new=False), ""
        number = self.history.next_number
        found = (
            next_proposal(self.strategy, self.space, self.history, self.seed, number)
            if number
            else (Proposal(self.baseline), self.baseline)
        )
        if isinstance(found, str):
            return None, found
        proposal, architecture = found
        trial = Trial(
            number,
            architecture,
            fidelity=proposal.fidelity,
            parent=proposal.parent,
            limits=proposal.limits,
            started=time.time(),
            directory=self.directory / f"{number:05d}",
            space=self.space,
            study=self.record.uid,
        )
        return self._begin(trial, new=True), ""

    def _begin(self, trial: Trial, *, new: bool) -> "_Begun | None":
        """Record a new trial and return it.

        Return None if its costs ended it at once, or if another process took its number.
        """
        begun = self._counted(trial) if self._feasibility.bounded else _Begun(trial)
        with self.interrupts:
            if new and not self.record.begin(begun.trial):
                return None
            if begun.trial.finished and not new:
                self.record.finish(begun.trial)
            self.history.record(begun.trial)
        if begun.trial.finished:
            self._settle(begun.trial)
            return None
        return begun

    def _counted(self, trial: Trial) -> "_Begun":
        """Count the costs of a trial, and end it if they exceed a bound or can't be counted.

        Raises:
            EvaluationError: If they can't be counted for any architecture of the space, or for the baseline.
            InfeasibleArchitecture: If the baseline is not a working model.
        """
        try:
            costs = self._feasibility.count(trial.architecture, trial.fidelity)
        except InfeasibleArchitecture as error:
            if trial.number == 0:
                raise
            return _Begun(trial.end("infeasible", at=trial.started, error=str(error)))
        except EvaluationError:
            raise
        except Exception as error:  # a model that can't be built costs its own trial only
            if trial.number == 0 and self.failures == "raise":
                raise EvaluationError(_of_baseline(trial, traceback.format_exc())) from error
            return _Begun(trial.end("failed", at=trial.started, error=traceback.format_exc()))
        # The baseline is always evaluated, because the other trials are compared with it.
        if trial.number == 0 or self._feasibility.holds(costs):
            return _Begun(trial, costs)
        return _Begun(trial.end("infeasible", at=trial.started, metrics=costs))

    def _submit(self, executor: Executor, begun: "_Begun") -> None:
        trial = begun.trial
        self.notify("started", trial)
        before = self.history.continued(trial)
        task = Task(
            trial.architecture,
            stream_seed(self.seed, "train", self._first(trial).number),
            trial.fidelity,
            trial.directory,
            resume_from=None if before is None else before.directory,
            resumed_fidelity=None if before is None else before.fidelity,
            parent=self._parent(trial),
            costs=begun.costs,
            limits=trial.limits,
            began=None if isinstance(self.record, MemoryRecord) else trial.started,
        )
        try:
            self._running[executor.submit(self.job, task)] = trial
        except BrokenExecutor as error:
            msg = (
                f"The executor {type(executor).__name__} is broken, so it takes no more trials ({error}). "
                f"Trial {trial.number} stays recorded as "
                "running. Run the study again with a new executor, or with workers=, "
                "whose lost workers are replaced."
            )
            raise StudyError(msg) from error

    def _parent(self, trial: Trial) -> Parent | None:
        """Return the completed trial of another architecture that a trial's was derived from."""
        parent = self.history.get(trial.parent)
        if (
            parent is None
            or parent.directory is None
            or parent.state != "completed"
            or parent.architecture == trial.architecture
        ):
            return None
        return Parent(parent.architecture, parent.directory)

    def _first(self, trial: Trial) -> Trial:
        """Return the first of the trials that a trial continues, which share its seed."""
        while (before := self.history.continued(trial)) is not None:
            trial = before
        return trial

    # --- ending trials

    def _ended(self) -> list[Future[Outcome]]:
        done = [future for future in self._running if future.done()]
        if done or not self._running:
            return done
        return list(wait(self._running, return_when=FIRST_COMPLETED).done)

    def _finish(self, trial: Trial, future: Future[Outcome]) -> None:
        try:
            outcome = future.result()
        except Exception as error:  # noqa: BLE001  # a worker that was lost, a time limit: the trial's own failure
            text = f"{type(error).__name__}: {error}"
            if isinstance(error, WorkerDied | BrokenExecutor) and len(trial.attempts) < RETRIES:
                self._try_again(trial, text)
                return
            outcome = Outcome(error=text)
        if trial.number == 0:
            self._require_baseline(trial, outcome)
        error = outcome.rejected or outcome.error
        state = "infeasible" if outcome.rejected else "completed" if error is None else "failed"
        ended = trial.end(
            state, at=time.time(), metrics=outcome.metrics, error=error, progress=outcome.progress
        )
        with self.interrupts:
            self.record.finish(ended)
            self.history.record(ended)
        self._settle(ended)

    def _try_again(self, trial: Trial, error: str) -> None:
        """Start a trial again whose worker was lost, with the same number and seed, before any other."""
        again = trial.again(error, at=time.time())
        with self.interrupts:
            if self.record.restart(again, was="running"):
                self.history.record(again)
                self._claimed.append(again)

    def _require_baseline(self, trial: Trial, outcome: Outcome) -> None:
        """Raise an error if the baseline fails. Its trial stays running for the next run."""
        if outcome.rejected is not None:
            raise InfeasibleArchitecture(outcome.rejected)
        if outcome.error is not None and self.failures == "raise":
            raise EvaluationError(outcome.broken or _of_baseline(trial, outcome.error))

    def _settle(self, ended: Trial) -> None:
        """Update counters, files and observers after a trial of this run has ended.

        Raises:
            InfeasibleArchitecture: If the architecture is not a working model, and the run is strict.
        """
        self._release(ended)
        self._feasibility.record(ended)
        if ended.state != "infeasible":
            self._ended_here += 1
            self._failed_here += ended.state == "failed"
        self.notify("ended", ended)
        if self.strict and ended.rejected:
            raise InfeasibleArchitecture(ended.error)

    def _release(self, ended: Trial) -> None:
        """Remove checkpoints that no trial will continue, and weights that the study does not keep."""
        if self._release_files is None and self._weights is None:
            return
        spent = {ended.number} if ended.state == "failed" else set[int]()
        if self.abilities.spent is not None:
            left = max(0, self.target - self.history.count("completed") - self.history.count("failed"))
            spent.update(self.abilities.spent(self.history, left))
        if self._weights is not None:
            below = max(self.abilities.fidelities, default=0.0)
            self._weights.settle(ended, self._running.values(), spent, below=below)
        if self._release_files is None:
            return
        for number in spent - self._released:
            self._released.add(number)
            if (directory := self.history[number].directory) is not None:
                self._release_files(directory)

    # --- stopping

    def _stopped(self, reason: str) -> str:
        """Return the reason.

        Raises:
            StudyError: If no architecture but the baseline is feasible.
        """
        starved = self.history.best is None if reason in (EXHAUSTED, REPEATING) else reason == INFEASIBLE
        if starved and self.history.count("infeasible") and self.history.count("completed") <= 1:
            raise self._feasibility.error()
        return reason


def _of_baseline(trial: Trial, error: str) -> str:
    """Return the error of a baseline that fails."""
    return (
        "The baseline (trial 0) fails, so the run ends before other architectures are tried. "
        f"Its architecture is {dict(trial.architecture)}. "
        "Correct the evaluator and run the study again, or record the failure and go on with "
        f"failures='ignore'. The error:\n{error.rstrip()}"
    )
