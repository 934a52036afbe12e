import io
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from threading import Event as ThreadEvent

import pytest
from rich.console import Console

from retia.report import Progress
from retia.space import Integer, SearchSpace
from retia.strategy import GridSearch
from retia.study import Event, Study, architecture_evaluator


class Clock:
    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def study_of(function, n=9, **options):
    return Study(
        SearchSpace({"a": Integer(1, n)}),
        architecture_evaluator(function),
        **{"maximize": "accuracy", "name": "known", **options},
    )


def points(architecture):
    if architecture["a"] == 3:
        raise RuntimeError("it broke")
    return {"accuracy": architecture["a"] / 10, "params": 100.0 * architecture["a"]}


def shown(study, trials, *, terminal=False, step=1.0, interval_s=5.0):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with Progress(console, interval_s=interval_s, clock=Clock(step)) as progress:
        study.run(GridSearch(), trials=trials, observer=progress)
    return console.file.getvalue()


def test_plain_lines_tell_the_start_the_way_and_the_end():
    lines = shown(study_of(points, minimize="params"), 9).splitlines()
    assert lines[0] == "started study 'known': 9 trials"
    assert lines[-1] == "study 'known' stopped: trials done"
    assert lines[-2].startswith("9/9  ")
    assert lines[-2].endswith(
        "0 running, 1 failed, 0 infeasible, Pareto front 8  best accuracy 0.9 (trial 8), params 100 (trial 0)"
    )
    assert "left" not in lines[-2]


def test_plain_lines_are_at_most_one_in_an_interval():
    works = study_of(lambda architecture: {"accuracy": architecture["a"] / 10})
    assert len(shown(works, 9, step=0.001).splitlines()) == 3  # start, end, reason
    works = study_of(lambda architecture: {"accuracy": architecture["a"] / 10})
    assert len(shown(works, 9, interval_s=0.0).splitlines()) == 2 + 9


def test_the_first_failure_of_a_run_is_shown_at_once():
    def always_later(architecture):
        if architecture["a"] > 2:
            raise RuntimeError(f"it broke at {architecture['a']}")
        return {"accuracy": 1.0}

    lines = shown(study_of(always_later), 5, step=0.001).splitlines()
    place = lines.index("trial 2 failed (a=3):")
    assert place == 1
    assert lines[place + 1] == "  ..."
    assert "raise RuntimeError(f\"it broke at {architecture['a']}\")" in lines[place + 8]
    assert lines[place + 9] == "  RuntimeError: it broke at 3"
    assert not any("it broke at 4" in line for line in lines)


def test_a_resumed_study_says_so():
    study = study_of(points)
    study.run(GridSearch(), trials=4)
    failed = "1 of them failed (to try these again: retry_failed=True, or --retry-failed)"
    assert shown(study, 9).splitlines()[0] == f"resumed study 'known': 4 of 9 trials done, {failed}"
    assert shown(study, 9).splitlines() == [
        f"resumed study 'known': 9 of 9 trials done, {failed}",
        "study 'known' stopped: trials done",
    ]


def test_the_time_left_follows_from_the_rate_of_this_run():
    study = study_of(points)
    study.run(GridSearch(), trials=5)
    console = Console(file=io.StringIO(), width=100)
    now = [0.0]
    progress = Progress(console, clock=lambda: now[0])
    progress(Event("resumed", study, None, 25))
    now[0] = 100.0  # the first trial also waited for the workers to start
    progress(Event("ended", study, study.trials[4], 25))
    now[0] = 110.0
    progress(Event("ended", study, study.trials[4], 25))
    assert [line.partition("  0 running")[0] for line in console.file.getvalue().splitlines()[1:]] == [
        "5/25",
        "5/25  10.0 s/trial  3:20 left",
    ]
    now[0] = 110.5
    progress(Event("ended", study, study.trials[4], 25))  # within the interval: not printed
    assert len(console.file.getvalue().splitlines()) == 3


@pytest.mark.parametrize("together", [1, 2], ids=["one ends at a time", "two end at a time"])
def test_a_line_says_how_many_run_once_the_slots_are_taken_again(together):
    started = [ThreadEvent() for _ in range(8)]

    def judge(architecture):
        number = architecture["a"] - 1
        started[number].set()
        if together == 1 and number < 7:
            started[number + 1].wait(10)  # so that trials end one after the other
        if together == 2:
            started[number ^ 1].wait(10)  # so that both run before either ends
        return {"accuracy": 0.5}

    class InStep(ThreadPoolExecutor):
        """Its futures end two by two, if trials are to end together."""

        def submit(self, function, *arguments):
            future = super().submit(function, *arguments)
            if together == 2 and architecture_number(arguments) % 2:
                wait([future])
            return future

    def architecture_number(arguments):
        return arguments[0].architecture["a"] - 1

    console = Console(file=io.StringIO(), width=100)
    with InStep(2) as executor, Progress(console, interval_s=0) as progress:
        study_of(judge).run(GridSearch(), trials=8, workers=2, executor=executor, observer=progress)
    lines = console.file.getvalue().splitlines()[1:-1]
    running = {line.split("/")[0]: line.partition(" running")[0].split()[-1] for line in lines}
    assert running.pop("8") == "0"
    assert running
    assert set(running.values()) == {"2"}


def test_rejected_architectures_are_no_trials_done():
    study = study_of(points, constraints=["params <= 200"], costs=None)
    out = shown(study, 5)
    assert "5/5" in out


def test_nothing_found_yet_is_said():
    study = study_of(lambda architecture: {"accuracy": 0.5, "params": 500.0}, constraints=["params <= 100"])
    assert "best: none yet" in shown(study, 3)


def test_a_second_study_begins_anew():
    console = Console(file=io.StringIO(), width=100)
    with Progress(console) as progress:
        for name in ("one", "two"):
            study_of(points, name=name).run(GridSearch(), trials=2, observer=progress)
    starts = [line for line in console.file.getvalue().splitlines() if line.startswith("started")]
    assert starts == ["started study 'one': 2 trials", "started study 'two': 2 trials"]


def test_an_interrupt_ends_the_display():
    def interrupted(architecture):
        if architecture["a"] == 3:
            raise KeyboardInterrupt
        return {"accuracy": 0.5}

    assert shown(study_of(interrupted), 9).splitlines()[-1] == "study 'known' stopped: interrupted"


@pytest.mark.filterwarnings("error")
def test_on_a_terminal_it_is_drawn_live_and_the_cursor_comes_back():
    out = shown(study_of(points, minimize="params"), 9, terminal=True)
    assert "\x1b[?25l" in out
    assert out.index("\x1b[?25l") < out.rindex("\x1b[?25h")
    assert "9/9" in out
    assert "Pareto front 8" in out
    assert "best accuracy 0.9 (trial 8), params 100 (trial 0)" in out


def test_leaving_early_ends_the_live_display():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with pytest.raises(ValueError, match="mine"), Progress(console) as progress:
        progress(Event("opened", study_of(points), None, 9))
        raise ValueError("mine")
    assert console.file.getvalue().rstrip().endswith("\x1b[?25h")


def test_an_event_does_not_look_at_all_trials():
    # The history answers in constant time; a loop over the trials would ask it to iterate.
    study = study_of(points, n=30)
    study.run(GridSearch(), trials=20)

    class Untouchable(type(study.history)):
        def __iter__(self):
            raise AssertionError("it looked at all trials")

    history = study.history
    history.__class__ = Untouchable
    console = Console(file=io.StringIO(), width=100)
    progress = Progress(console, interval_s=0)
    for kind in ("resumed", "started", "ended", "stopped"):
        progress(Event(kind, study, None, 30))
    assert [a != b for a, b in pairwise(console.file.getvalue().splitlines())]
