"""The laws of `StudyRecord`, for any implementation.

Each law is a function of `open_record`, which opens a record of one and the same study, empty at first:

    @pytest.mark.parametrize("law", RECORD_LAWS + SHARED_RECORD_LAWS, ids=lambda law: law.__name__)
    def test_record(law, tmp_path):
        law(lambda: Database(tmp_path / "study.db").open(example_header()))

`RECORD_LAWS` open one record only; `SHARED_RECORD_LAWS` open several at once, and are for a storage that can
be shared.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from retia.errors import StorageError
from retia.space import Architecture
from retia.storage import Header, StudyRecord
from retia.trial import Constraint, Limits, Objective, Trial

__all__ = ["RECORD_LAWS", "SHARED_RECORD_LAWS", "OpenRecord", "RecordLaw", "example_header", "example_trial"]

OpenRecord: TypeAlias = Callable[[], StudyRecord]
"""Opens a record of the same study, each time it is called."""
RecordLaw: TypeAlias = Callable[[OpenRecord], None]
"""Raises AssertionError where a record breaks it."""


def example_header(name: str = "example", **changes: Any) -> Header:
    """Return a header with a value in every field; `changes` replace some."""
    fields: dict[str, Any] = {
        "space": {
            "parameters": {
                "width": {"domain": {"type": "integer", "low": 1, "high": 999, "step": 1}, "condition": [[]]}
            }
        },
        "evaluator": {"type": "Classification", "epochs": 5, "optimizer": {"lr": 0.1}},
        "objectives": (Objective("accuracy", "maximize"), Objective("params", "minimize")),
        "constraints": (Constraint("params", upper=1e6),),
        "seed": 7,
        "baseline": {"width": 1},
    }
    return Header(name, **{**fields, **changes})


def example_trial(number: int) -> Trial:
    """Return a running trial; its labels are in no alphabetical order, and its values of every kind."""
    values = {"width": number, "act": "é", "lr": 0.1, "skips": (1, 3), "bias": True, "extra": None}
    limits = Limits(Objective("accuracy", "maximize"), ((1, -0.25), (2.5, -0.75)))
    return Trial(
        number,
        Architecture(values),
        parent=number - 1 if number else None,
        fidelity=3.0,
        limits=limits,
        started=1000.5 + number,
    )


def numbers_are_given_once(open_record: OpenRecord) -> None:
    """The second `begin` with a number is refused and changes nothing."""
    record = open_record()
    assert record.begin(example_trial(0)), "the first trial 0 was refused"
    other = Trial(0, Architecture({"width": 99}))
    assert not record.begin(other), "number 0 was given twice"
    record.finish(example_trial(0).end("completed", at=2000.0, metrics={"accuracy": 0.5}))
    assert not record.begin(other), "the number of a finished trial was given again"
    assert record.begin(example_trial(1)), "the next number was refused"
    record.close(None)


def the_header_is_kept(open_record: OpenRecord) -> None:
    """A record shows the header that it was opened with."""
    record = open_record()
    assert record.header == example_header(), (
        f"the header changed: {example_header().differences(record.header)}"
    )
    record.close(None)


def own_trials_are_not_news(open_record: OpenRecord) -> None:
    """`refresh` does not return what this record wrote."""
    record = open_record()
    assert record.refresh() == [], "a new study is not empty"
    record.begin(example_trial(0))
    assert record.refresh() == [], "a trial that this record began was told as news"
    record.finish(example_trial(0).end("failed", at=2000.0, error="boom"))
    assert record.refresh() == [], "a trial that this record ended was told as news"
    assert record.claim() == [], "a record claimed from itself"
    record.close(None)


def only_begun_trials_end(open_record: OpenRecord) -> None:
    """`finish` refuses a running trial, and one that never began."""
    record = open_record()
    said = _refusal(record, example_trial(0))
    assert "which is running" in said, f"a running trial was finished, or refused without saying why: {said}"
    said = _refusal(record, example_trial(0).end("failed", at=1.0, error="boom"))
    assert "never began" in said, (
        f"a trial that never began was finished, or refused without saying why: {said}"
    )
    record.close(None)


def what_a_closed_record_left_is_claimed(open_record: OpenRecord) -> None:
    """A record that goes on after `close` claims what was running, once, and may end it."""
    record = open_record()
    for number in range(3):
        record.begin(example_trial(number))
    record.finish(example_trial(1).end("completed", at=2000.0, metrics={"accuracy": 0.5}))
    assert record.claim() == [], "a record claimed its own running trials"
    record.close("interrupted")
    claimed = record.claim()
    assert claimed == [example_trial(0), example_trial(2)], (
        f"trials 0 and 2 were left running, claimed {claimed}"
    )
    assert record.claim() == [], "trials were claimed twice"
    record.finish(claimed[0].end("completed", at=3000.0, metrics={"accuracy": 0.6}))
    record.close("trials done")
    assert record.claim() == [example_trial(2)], "after the second close trial 2 alone was left running"
    record.close(None)
    record.close(None)


def trials_survive_unchanged(open_record: OpenRecord) -> None:
    """Another record reads every state equal to what was written, in the order of the numbers, labels and
    metrics in theirs.
    """
    progress = ({"step": 1.0, "accuracy": 0.25}, {"step": 2.0, "accuracy": 1e-300})
    ended = [
        example_trial(0).end(
            "completed", at=2000.25, metrics={"params": 12, "accuracy": 0.1 + 0.2}, progress=progress
        ),
        example_trial(1).end("failed", at=2001.0, error="Traceback:\n  'é' \N{SNOWMAN}\nValueError: boom"),
        example_trial(2).end("infeasible", at=2002.0, metrics={"params": 2e9}),
        example_trial(3),
    ]
    record = open_record()
    for trial in reversed(ended):
        began = (
            trial if trial.state == "infeasible" else example_trial(trial.number)
        )  # one that ended at once is written in one
        assert record.begin(began), f"trial {trial.number} was refused"
        if trial.finished and not began.finished:
            record.finish(trial)
    reader = open_record()
    read = reader.refresh()
    assert read == ended, f"wrote {ended}, read {read}"
    for before, after in zip(ended, read, strict=True):
        assert list(before.architecture.items()) == list(after.architecture.items()), (
            "the labels changed their order"
        )
        assert list(before.metrics) == list(after.metrics), "the metrics changed their order"
        assert type(after.architecture["skips"]) is tuple, "a tuple came back as another type"
    for one in (record, reader):
        one.close(None)


def what_is_not_finite_survives(open_record: OpenRecord) -> None:
    """NaN and the infinities in the progress, and in a failed trial's metrics, come back."""
    values = {"loss": math.nan, "up": math.inf, "down": -math.inf, "fine": 1.5}
    record = open_record()
    record.begin(example_trial(0))
    record.finish(
        example_trial(0).end("failed", at=2000.0, error="diverged", metrics=values, progress=(values,))
    )
    reader = open_record()
    (read,) = reader.refresh()
    assert repr(read.progress) == repr((values,)), f"wrote {values}, read {read.progress}"
    assert repr(read.metrics) == repr(values), f"wrote {values}, read {read.metrics}"
    for one in (record, reader):
        one.close(None)


def refresh_tells_each_change_once(open_record: OpenRecord) -> None:
    """A record hears of others' new and ended trials, each once, also while it writes itself."""
    ours, theirs = open_record(), open_record()
    assert ours.begin(example_trial(0)), "the first trial was refused"
    assert theirs.begin(example_trial(1)), "the second record's trial was refused"
    assert not ours.begin(example_trial(1)), "two records got one number"
    assert ours.refresh() == [example_trial(1)], "a new trial of another record was not told"
    assert ours.refresh() == [], "a trial was told twice without a change"
    end = example_trial(1).end("completed", at=2000.0, metrics={"accuracy": 0.5})
    theirs.finish(end)
    assert theirs.begin(example_trial(2)), "number 2 was refused"
    assert ours.begin(example_trial(3)), "number 3 was refused"
    assert ours.refresh() == [end, example_trial(2)], (
        "an end and a beginning of another record were not told, by number"
    )
    assert ours.refresh() == [], "an end was told twice"
    assert theirs.refresh() == [example_trial(0), example_trial(3)], (
        "the first call did not return all of the others' trials"
    )
    for one in (ours, theirs):
        one.close(None)


def the_first_end_stands(open_record: OpenRecord) -> None:
    """Of two records that end a trial, the first counts, and the second hears of it."""
    first, second = open_record(), open_record()
    first.begin(example_trial(0))
    second.refresh()
    end = example_trial(0).end("completed", at=2000.0, metrics={"accuracy": 0.5})
    second.finish(end)
    first.finish(example_trial(0).end("failed", at=2001.0, error="too late"))
    assert first.refresh() == [end], "the record that came late was not told the end that stands"
    assert second.refresh() == [], "the record that came first was told something"
    reader = open_record()
    assert reader.refresh() == [end], "the second end replaced the first"
    for one in (first, second, reader):
        one.close(None)


def a_trial_is_claimed_by_one(open_record: OpenRecord) -> None:
    """What a closed record left running goes to one of two claimers; what an open record runs goes to
    none.
    """
    gone, alive, first, second = (open_record() for _ in range(4))
    for number in range(3):
        gone.begin(example_trial(number))
    alive.begin(example_trial(3))
    assert first.claim() == [], "a running trial of an open record was claimed"
    gone.close(None)
    first.refresh()
    assert first.claim() == [example_trial(number) for number in range(3)], (
        "what a closed record left was not claimed"
    )
    assert second.claim() == [], "trials were claimed twice"
    assert first.refresh() == [], "claimed trials were told as news"
    end = example_trial(0).end("completed", at=2000.0, metrics={"accuracy": 0.5})
    first.finish(end)
    assert second.refresh() == [end, *(example_trial(number) for number in (1, 2, 3))], (
        "a claimed trial's end was not told to others"
    )
    for one in (alive, first, second):
        one.close(None)


def a_failed_trial_is_started_again_once(open_record: OpenRecord) -> None:
    """Of two records that start a failed trial again, one may; its earlier attempts stay, and it ends and is
    claimed like any other.
    """
    first, second = open_record(), open_record()
    first.begin(example_trial(0))
    failed = example_trial(0).end("failed", at=2000.0, error="boom", progress=({"step": 1.0},))
    first.finish(failed)
    assert second.refresh() == [failed], "the failure was not told"
    again = failed.again("boom", at=3000.0)
    assert first.restart(again, was="failed"), "a failed trial was not started again"
    assert not second.restart(again, was="failed"), "a trial was started again twice"
    reader = open_record()
    assert reader.refresh() == [again], "the attempts changed"
    assert not second.claim(), "a trial that was started again was claimed from an open record"
    first.close(None)
    assert second.claim() == [again], "a trial that was started again and left running was not claimed"
    end = again.end("completed", at=4000.0, metrics={"accuracy": 0.5})
    second.finish(end)
    assert reader.refresh() == [end], "the end of the second attempt was not told"
    for one in (second, reader):
        one.close(None)


def _refusal(record: StudyRecord, trial: Trial) -> str:
    try:
        record.finish(trial)
    except StorageError as error:
        return str(error)
    return ""


RECORD_LAWS: tuple[RecordLaw, ...] = (
    numbers_are_given_once,
    the_header_is_kept,
    own_trials_are_not_news,
    only_begun_trials_end,
    what_a_closed_record_left_is_claimed,
)
"""What every record must keep."""

SHARED_RECORD_LAWS: tuple[RecordLaw, ...] = (
    trials_survive_unchanged,
    what_is_not_finite_survives,
    refresh_tells_each_change_once,
    the_first_end_stands,
    a_trial_is_claimed_by_one,
    a_failed_trial_is_started_again_once,
)
"""What a record that others share must keep too."""
