"""The progress of a study: live on a terminal, as plain lines elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from retia.report.failures import failure, failures
from retia.report.number import duration, number
from retia.study import Event, StudyResults
from retia.visible import visible, visible_lines

__all__ = ["Progress"]


class Progress:
    """An observer that shows the progress of a study: `study.run(..., observer=progress)`.

    On a terminal it is a live display that its own thread redraws four times a second; elsewhere it prints a
    line every few seconds. The first failure of a run is shown immediately. The cost of an event does not
    depend on the number of trials. Leave it with a `with` block, or by the study's "stopped" event.

    Args:
        console: Console for the output. Default: standard error.
        interval_s: Minimum time between two lines in seconds.
        clock: Function that returns the time in seconds.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._interval_s = interval_s
        self._clock = clock
        self._live: Live | None = None
        self._study: StudyResults | None = None
        self._target = 0
        self._first_end = self._printed = 0.0
        self._ended_now = self._most_running = 0
        self._failed = False
        self._unprinted_since: float | None = None

    def __call__(self, event: Event) -> None:
        """Show an event of the study."""
        self._target = event.target
        if event.study is not self._study:
            self._start(event)
        if event.kind in ("started", "ended"):
            self._count(event)
        elif event.kind == "prepared":
            found = ", ".join(f"{name} {number(value)}" for name, value in event.metrics.items())
            self._say(
                visible(
                    f"prepared up to {event.step:g}: {found}"
                    if event.step is not None
                    else f"prepared: {found}"
                )
            )
        elif event.kind == "stopped":
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self, event: Event) -> None:
        self._stop()
        study = self._study = event.study
        self._printed = self._clock()
        self._ended_now = self._most_running = 0
        self._failed = False
        self._unprinted_since = None
        done = self._done(study)
        if event.kind == "resumed":
            failed = f", {failures(study)}" if study.history.count("failed") else ""
            self._say(f"resumed study '{visible(study.name)}': {done} of {self._target} trials done{failed}")
        else:
            self._say(f"started study '{visible(study.name)}': {self._target} trials")
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._draw, console=self._console, refresh_per_second=4)
            self._live.start()

    def _stop(self) -> None:
        if self._study is None:
            return
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._print()
        if self._study.stop_reason:
            self._say(visible(f"study '{self._study.name}' stopped: {self._study.stop_reason}"))
        self._study = None

    def _count(self, event: Event) -> None:
        """Print a line if it is due and all workers are busy again, at the latest after another interval."""
        now, running = self._clock(), event.study.history.count("running")
        self._most_running = max(self._most_running, running)
        if event.kind == "ended":
            self._ended_now += 1
            if self._ended_now == 1:
                self._first_end = now
            if self._unprinted_since is None:
                self._unprinted_since = now
            if event.trial is not None and event.trial.state == "failed" and not self._failed:
                self._failed = True
                self._say(failure(event.trial))
        since = self._unprinted_since
        if (
            since is not None
            and now - self._printed >= self._interval_s
            and (running == self._most_running or now - since >= self._interval_s > 0)
        ):
            self._print()

    def _print(self) -> None:
        """Print a line, unless the display is live or no trial has ended since the last line."""
        if self._study is not None and self._live is None and self._unprinted_since is not None:
            self._printed = self._clock()
            self._unprinted_since = None
            self._say(
                "  ".join(
                    (
                        f"{self._done(self._study)}/{self._target}",
                        *self._rate(self._study),
                        self._counts(self._study),
                        self._bests(self._study),
                    )
                )
            )

    def _draw(self) -> Table:
        table = Table.grid(padding=(0, 2))
        if (study := self._study) is None:  # the last redraw, after the study has stopped
            return table
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(self._target, 1), completed=self._done(study), width=32)
        head.add_row(
            Text(visible(study.name), style="bold"),
            bar,
            Text(f"{self._done(study)}/{self._target}"),
            *map(Text, self._rate(study)),
        )
        table.add_row(head)
        table.add_row(Text(self._counts(study), style="dim"))
        table.add_row(Text(self._bests(study)))
        return table

    def _done(self, study: StudyResults) -> int:
        # Infeasible trials are not evaluated.
        return study.history.count("completed") + study.history.count("failed")

    def _rate(self, study: StudyResults) -> tuple[str, ...]:
        elapsed = self._clock() - self._first_end  # the first trial includes the start of the workers
        if self._ended_now < 2 or elapsed <= 0:
            return ()
        rate = (self._ended_now - 1) / elapsed
        speed = f"{rate:.1f} trials/s" if rate >= 1 else f"{1 / rate:.1f} s/trial"
        left = self._target - self._done(study)
        return (speed, f"{duration(left / rate)} left") if left > 0 else (speed,)

    def _counts(self, study: StudyResults) -> str:
        front = f", Pareto front {len(study.history.front)}" if len(study.objectives) > 1 else ""
        return (
            ", ".join(
                f"{study.history.count(state)} {state}" for state in ("running", "failed", "infeasible")
            )
            + front
        )

    def _bests(self, study: StudyResults) -> str:
        front = study.history.front
        if not front:
            return "best: none yet"
        bests: list[str] = []
        for objective in study.objectives:  # the front holds the best of each objective
            best = min(front, key=lambda trial, objective=objective: objective.loss(trial.metrics))
            bests.append(f"{objective.metric} {number(best.metrics[objective.metric])} (trial {best.number})")
        return visible("best " + ", ".join(bests))

    def _say(self, text: str) -> None:
        self._console.print(Text(visible_lines(text)), highlight=False, soft_wrap=True)
