"""The loop of a study: propose, check, evaluate, record, until there is a reason to stop."""

import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace

from retia.errors import EvaluationError, StudyError
from retia.rng import stream, stream_seed
from retia.space import Architecture, SearchSpace
from retia.storage import MemoryRecord, StudyRecord
from retia.strategy import Strategy, promoting
from retia.study.evaluator import Releasing
from retia.study.interrupts import Interrupts
from retia.study.job import Job, Outcome, Task
from retia.trial import History, Parent, Proposal, Run, Trial

__all__ = ["EXHAUSTED", "INTERRUPTED", "TRIALS_DONE", "Loop"]

TRIALS_DONE = "trials done"
TIMED_OUT = "timeout"
EXHAUSTED = "search space exhausted"
INTERRUPTED = "interrupted"
"""The reason to stop of a run that the user ended with ctrl-C."""
FAILURES = "too many failures"
REPEATING = "the strategy repeats itself"
INFEASIBLE = "no feasible architecture found"

REPEATS = 100
"""How many times in a row a strategy may propose what is known already."""
REJECTIONS = 1_000
"""How many architectures in a row may miss the constraints."""
POLL_S = 0.1
"""How often to look whether trials of other processes, for which the strategy waits, have ended."""
LEAST_FAILURES = 5
"""How many trials may fail before their share counts; more than half is too much."""


@dataclass(frozen=True)
class _Begun:
    """A trial that has begun, with its costs if these were counted; for one that is taken up again they are counted anew."""

    trial: Trial
    costs: Mapping[str, float] | None = None


@dataclass
class Loop:
    """One run of a study.

    Args:
        space: What is searched.
        history: The study's trials, which the loop extends.
        record: Where they are stored.
        strategy: What proposes.
        job: What evaluates.
        seed: The study's seed.
        baseline: The architecture of trial 0.
        target: How many trials the study is to have, infeasible ones not counted.
        deadline: When to start no more trials, as of `time.monotonic`.
        place: Adds to a trial what is not stored: its space and its directory.
        tell: Hears when a trial starts or ends.
        interrupts: Holds back ctrl-C while a trial is written to the record and the history.
    """

    space: SearchSpace
    history: History
    record: StudyRecord
    strategy: Strategy
    job: Job
    seed: int
    baseline: Architecture
    target: int
    deadline: float
    place: Callable[[Trial], Trial]
    tell: Callable[[str, Trial], None]
    interrupts: Interrupts = field(default_factory=Interrupts)
    _claimed: deque[Trial] = field(default_factory=deque[Trial], init=False)
    _running: dict[Future[Outcome], Trial] = field(default_factory=dict[Future[Outcome], Trial], init=False)
    _rejected: int = field(default=0, init=False)
    _released: set[int] = field(default_factory=set[int], init=False)
    _seen_costs: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]], init=False)

    def run(self, executor: Executor, slots: int) -> str:
        """Run until there is a reason to stop, and return it.

        Raises:
            EvaluationError: If the first evaluation shows that the evaluator breaks its contract.
            StudyError: If no architecture meets the constraints.
        """
        self._claim()
        while True:
            reason = self._fill(executor, slots)
            if not self._running and not self._others(reason):
                return self._stopped(reason)
            for future in self._ended():
                self._finish(self._running.pop(future), future)

    def _hear(self) -> None:
        """Take up what other processes have begun and ended."""
        with self.interrupts:
            for trial in self.record.refresh():
                self.history.record(self.place(trial))

    def _claim(self) -> bool:
        """Take up the trials of processes that are gone."""
        with self.interrupts:
            claimed = [self.place(trial) for trial in self.record.claim()]
            for trial in claimed:
                self.history.record(trial)
            self._claimed.extend(claimed)
        return bool(claimed)

    def _others(self, reason: str) -> bool:
        """Whether to go on for the sake of what other processes run: their trials if they died, their results if these are waited for."""
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
            self._hear()
            reason = self._reason()
            if reason is not None:
                return reason
            trials, reason = self._next(slots - len(self._running))
            if reason:
                return reason
            for begun in trials:
                self._submit(executor, begun)
            if any(future.done() for future in self._running):  # it ran here: its result is news to the strategy
                return ""
        return ""

    def _reason(self) -> str | None:
        if self._claimed:
            return None
        if time.monotonic() >= self.deadline:
            return TIMED_OUT
        failed = self.history.count("failed")
        done = self.history.count("completed") + failed
        if failed >= LEAST_FAILURES and failed * 2 > done:
            return FAILURES
        if done + self.history.count("running") >= self.target:
            return TRIALS_DONE
        if self._rejected >= REJECTIONS:
            return INFEASIBLE
        return None

    def _next(self, n: int) -> tuple[list["_Begun"], str]:
        """Return trials to evaluate; none if all were rejected, or for the given reason."""
        if self._claimed:
            return [_Begun(self._claimed.popleft())], ""
        if not len(self.history):
            proposals: Sequence[Proposal] = [Proposal(self.baseline)]
        else:
            room = self.target - sum(self.history.count(state) for state in ("completed", "failed", "running"))
            proposals, reason = self._proposals(min(n, room))
            if not proposals:
                return [], reason
        started: list[_Begun] = []
        for proposal in proposals:
            costs, error = self._costs(proposal)
            trial = self._begin(proposal, costs, error)
            if trial is None:
                break  # another process was quicker: ask anew, knowing what it does
            if not trial.finished:
                started.append(_Begun(trial, costs))
        return started, ""

    def _proposals(self, n: int) -> tuple[Sequence[Proposal], str]:
        """Ask the strategy for what has not been evaluated; a known proposal is answered from the records by asking again."""
        for attempt in range(REPEATS):
            rng = stream(self.seed, "propose", self.history.next_number, attempt)
            proposals = self.strategy.propose(self.space, self.history, n, rng)
            if not proposals:
                return [], EXHAUSTED
            fresh: dict[tuple[Architecture, float | None], Proposal] = {}
            for proposal in proposals:
                architecture, fidelity = self.space.validate(proposal.architecture), proposal.fidelity
                if self.history.find(architecture, fidelity) is None:
                    fresh.setdefault((architecture, fidelity), replace(proposal, architecture=architecture))
            if fresh:
                return list(fresh.values()), ""
        return [], REPEATING

    def _costs(self, proposal: Proposal) -> tuple[Mapping[str, float] | None, str | None]:
        """Count the costs before training, if a constraint asks for one; return them and the error that came of it.

        Raises:
            EvaluationError: If they can't be counted for any architecture of the space.
        """
        costs = self.job.costs
        if costs is None or not any(constraint.metric in costs.metrics for constraint in self.history.constraints):
            return None, None
        try:
            counted = costs(proposal.architecture, Run(self.space, fidelity=proposal.fidelity))
        except EvaluationError:
            raise
        except Exception:  # noqa: BLE001  # a model that can't be built costs its own trial only
            return None, traceback.format_exc()
        for name, value in counted.items():
            low, high = self._seen_costs.get(name, (value, value))
            self._seen_costs[name] = min(low, value), max(high, value)
        return counted, None

    def _begin(self, proposal: Proposal, costs: Mapping[str, float] | None, error: str | None) -> Trial | None:
        """Record the trial under the next number; None if another process has taken the number."""
        number = self.history.next_number
        misses = costs is not None and any(not constraint.holds(costs) for constraint in self.history.constraints if constraint.metric in costs)
        started = time.time()
        trial = Trial(number, proposal.architecture, fidelity=proposal.fidelity, parent=proposal.parent, limits=proposal.limits, started=started)
        if misses and number:  # the baseline is evaluated whatever it costs: it is what the others are compared with
            trial = trial.end("infeasible", at=started, metrics=costs)
        if error is not None:
            trial = trial.end("failed", at=started, error=error)
        with self.interrupts:
            if not self.record.begin(trial):
                return None
            trial = self.place(trial)
            self.history.record(trial)
        self._rejected = self._rejected + 1 if trial.state == "infeasible" else 0
        if trial.finished:
            self.tell("ended", trial)
        return trial

    def _submit(self, executor: Executor, begun: "_Begun") -> None:
        trial = begun.trial
        self.tell("started", trial)
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
        self._running[executor.submit(self.job, task)] = trial

    def _parent(self, trial: Trial) -> Parent | None:
        """Return the completed trial of another architecture that a trial's was derived from."""
        parent = self.history.get(trial.parent)
        if parent is None or parent.directory is None or parent.state != "completed" or parent.architecture == trial.architecture:
            return None
        return Parent(parent.architecture, parent.directory)

    def _first(self, trial: Trial) -> Trial:
        """Return the trial from which a trial goes on, step by step: its seed is the seed of all."""
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
        except Exception as error:  # noqa: BLE001  # a worker that died, a time limit: the trial's own failure
            outcome = Outcome(error=f"{type(error).__name__}: {error}")
        if outcome.error is None:
            ended = trial.end("completed", at=time.time(), metrics=outcome.metrics, progress=outcome.progress)
        else:
            ended = trial.end("failed", at=time.time(), error=outcome.error, progress=outcome.progress)
        if outcome.broken is not None and not self.history.count("completed") + self.history.count("failed"):
            raise EvaluationError(outcome.broken)  # the trial stays as running, and is taken up when the evaluator has been mended
        with self.interrupts:
            self.record.finish(ended)
            self.history.record(ended)
        self._release(ended)
        self.tell("ended", ended)

    def _release(self, ended: Trial) -> None:
        """Have the evaluator remove what trials have kept that none will go on from."""
        evaluator = self.job.evaluator
        if not isinstance(evaluator, Releasing):
            return
        spent = {ended.number} if ended.state == "failed" else set[int]()
        if (strategy := promoting(self.strategy)) is not None:
            left = max(0, self.target - self.history.count("completed") - self.history.count("failed"))
            spent.update(strategy.spent(self.history, left))
        for number in spent - self._released:
            self._released.add(number)
            if (directory := self.history[number].directory) is not None:
                evaluator.release(directory)

    # --- stopping

    def _stopped(self, reason: str) -> str:
        """Return the reason, unless the study ends for want of an architecture that meets the constraints."""
        trained = [trial for trial in self.history.evaluated if trial.state == "completed"]
        starved = reason in (INFEASIBLE, EXHAUSTED, REPEATING) and self.history.count("infeasible") and self.history.best is None
        if not starved or len(trained) > 1:
            return reason
        bounds = " and ".join(str(constraint) for constraint in self.history.constraints)
        seen = ", ".join(f"{name} from {low:,.6g} to {high:,.6g}" for name, (low, high) in self._seen_costs.items() if math.isfinite(low))
        msg = (
            f"No architecture meets {bounds} ({self.history.count('infeasible')} tried beside the baseline, with {seen}). "
            f"Loosen the bound, or widen the space to where it can be met."
        )
        raise StudyError(msg)
