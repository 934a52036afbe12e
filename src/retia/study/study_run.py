"""One run of a study: from the strategy's preparation to the reason why it stopped."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retia.execute import executor_for, release_executor, slots_of
from retia.rng import stream_seed
from retia.storage import StudyRecord
from retia.strategy import Strategy
from retia.study.interrupts import Interrupts
from retia.study.job import Job
from retia.study.preparation import preparation_run, scoring_evaluator, store_derived, warn_of_penalties
from retia.study.specification import StudySpec
from retia.study.trial_loop import INTERRUPTED, TrialLoop
from retia.trial import Evaluator, History, Trial, strategy_capabilities_of

__all__ = ["RunOptions", "StudyRun"]


@dataclass(frozen=True)
class RunOptions:
    """The options of `Study.run`."""

    trials: int
    workers: int | None = None
    executor: Executor | None = None
    timeout: float | None = None
    retry_failed: bool = False
    failures: Literal["raise", "ignore"] = "raise"
    strict: bool = False


@dataclass
class StudyRun:
    """One run of a study.

    Args:
        spec: Arguments of the study.
        strategy: Strategy that proposes architectures.
        options: Options of the run.
        record: Record that stores the trials.
        history: The study's trials, which the run extends.
        directory: Folder of the study's files.
        placed: Function that adds to a stored trial its space and its folder.
        notify: Function that is called with the kind of an event, and its trial.
        retried: Failed trials that are started again.

    Attributes:
        evaluator: Evaluator that scores the trials; None before the strategy has prepared it.
        cut_off: Whether the run was interrupted or ended by an error.
    """

    spec: StudySpec
    strategy: Strategy
    options: RunOptions
    record: StudyRecord
    history: History
    directory: Path
    placed: Callable[[Trial], Trial]
    notify: Callable[..., None]
    retried: Sequence[Trial] = ()
    evaluator: Evaluator | None = field(default=None, init=False)
    cut_off: bool = field(default=True, init=False)

    def run(self) -> str:
        """Run until there is a reason to stop, and return it.

        Raises:
            RetiaError: As `Study.run` says.
        """
        options = self.options
        executor = executor_for(options.workers or 1) if options.executor is None else options.executor
        interrupts = Interrupts()
        interrupts.install()
        reason: str | None = None
        try:
            self.notify("resumed" if len(self.history) else "opened")
            loop = self._loop(interrupts)
            reason = loop.run(executor, options.workers or slots_of(executor))
        except KeyboardInterrupt:
            reason = INTERRUPTED
        finally:
            with interrupts:
                self.cut_off = reason in (None, INTERRUPTED)
                try:
                    if options.executor is None:
                        release_executor(executor, cut_off=self.cut_off)
                finally:
                    self.record.close(reason)
                    interrupts.remove()
        assert reason is not None
        return reason

    def _loop(self, interrupts: Interrupts) -> TrialLoop:
        spec, options = self.spec, self.options
        abilities = strategy_capabilities_of(self.strategy)
        seed = stream_seed(spec.seed, "prepare")
        run = preparation_run(spec.searched, seed, spec.device, self.directory, self.notify)
        warn_of_penalties(self.strategy, abilities.penalizes, self.history.objectives, spec.bounds)
        self.evaluator = scoring_evaluator(abilities, spec.judge, run, spec.counts, spec.bounds)
        if abilities.prepare is not None:
            store_derived(self.strategy, run, History(self.history.objectives, spec.bounds))
        return TrialLoop(
            space=spec.searched,
            history=self.history,
            record=self.record,
            strategy=self.strategy,
            abilities=abilities,
            job=Job(spec.searched, self.evaluator, spec.counts, spec.needed, spec.device, spec.keep_weights),
            seed=spec.seed,
            baseline=spec.first_architecture,
            target=options.trials,
            deadline=float("inf") if options.timeout is None else time.monotonic() + options.timeout,
            directory=self.directory,
            placed=self.placed,
            notify=self.notify,
            interrupts=interrupts,
            retried=self.retried,
            failures=options.failures,
            strict=options.strict,
        )
