"""The laws of `StudyRecord`, for any implementation.

Each law is a function of `open_record`, which opens a record of the same study, initially empty:

    @pytest.mark.parametrize("law", RECORD_LAWS + SHARED_RECORD_LAWS, ids=lambda law: law.__name__)
    def test_record(law, tmp_path):
        law(lambda: Database(tmp_path / "study.db").open(example_header()))

`RECORD_LAWS` open one record; `SHARED_RECORD_LAWS` open several at once, for a storage that can be shared.
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
"""Function that opens another record of the same study."""
RecordLaw: TypeAlias = Callable[[OpenRecord], None]
"""Function that raises AssertionError if a record breaks the law."""


def example_header(name: str = "example", **changes: Any) -> Header:
    """Return a header with a value in every field; `changes` replace fields."""
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
    """Return a running trial with values of every type and labels in nonalphabetical order."""
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
    """A second `begin` with the same number returns False and changes nothing."""
    record = open_record()
    assert record.begin(example_trial(0)), "the first trial 0 was refused"
    other = Trial(0, Architecture({"width": 99}))
    assert not record.begin(other), "number 0 was given twice"
    record.finish(example_trial(0).end("completed", at=2000.0, metrics={"accuracy": 0.5}))
    assert not record.begin(other), "the number of a finished trial was given again"
    assert record.begin(example_trial(1)), "the next number was refused"
    record.close(None)


def the_header_is_kept(open_record: OpenRecord) -> None:
    """A record has the header with which it was opened."""
    record = open_record()
    assert record.header == example_header(), (
        f"the header changed: {example_header().differences(record.header)}"
    )
    record.close(None)


def own_trials_are_not_news(open_record: OpenRecord) -> None:
    """`refresh` does not return trials that this record wrote."""
    record = open_record()
    assert record.refresh() == [], "a new study is not empty"
    record.begin(example_trial(0))
    assert record.refresh() == [], "refresh returned a trial that this record began"
    record.finish(example_trial(0).end("failed", at=2000.0, error="boom"))
    assert record.refresh() == [], "refresh returned a trial that this record ended"
    assert record.claim() == [], "a record claimed from itself"
    record.close(None)


def only_begun_trials_end(open_record: OpenRecord) -> None:
    """`finish` rejects a running trial, and a trial that never began."""
    record = open_record()
    said = _refusal(record, example_trial(0))
    assert "which is running" in said, f"a running trial was finished, or rejected without the reason: {said}"
    said = _refusal(record, example_trial(0).end("failed", at=1.0, error="boom"))
    assert "never began" in said, (
        f"a trial that never began was finished, or rejected without the reason: {said}"
    )
    record.close(None)


def what_a_closed_record_left_is_claimed(open_record: OpenRecord) -> None:
    """A closed record can claim its running trials once, and finish them."""
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
    """Another record reads equal trials, sorted by number, with labels and metrics in their order."""
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
        )  # an infeasible trial is written once
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
    """NaN and infinities in the progress and in the metrics of a failed trial are preserved."""
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


def refresh_returns_each_change_once(open_record: OpenRecord) -> None:
    """`refresh` returns each new or finished trial of other records once, also between own writes."""
    ours, theirs = open_record(), open_record()
    assert ours.begin(example_trial(0)), "the first trial was refused"
    assert theirs.begin(example_trial(1)), "the second record's trial was refused"
    assert not ours.begin(example_trial(1)), "two records got one number"
    assert ours.refresh() == [example_trial(1)], "refresh missed a new trial of another record"
    assert ours.refresh() == [], "refresh returned an unchanged trial twice"
    end = example_trial(1).end("completed", at=2000.0, metrics={"accuracy": 0.5})
    theirs.finish(end)
    assert theirs.begin(example_trial(2)), "number 2 was refused"
    assert ours.begin(example_trial(3)), "number 3 was refused"
    assert ours.refresh() == [end, example_trial(2)], (
        "refresh missed a finished or a new trial of another record, or did not sort them"
    )
    assert ours.refresh() == [], "refresh returned a finished trial twice"
    assert theirs.refresh() == [example_trial(0), example_trial(3)], (
        "the first call did not return all of the others' trials"
    )
    for one in (ours, theirs):
        one.close(None)


def the_first_end_is_kept(open_record: OpenRecord) -> None:
    """If two records finish a trial, the first result is kept, and the second record reads it."""
    first, second = open_record(), open_record()
    first.begin(example_trial(0))
    second.refresh()
    end = example_trial(0).end("completed", at=2000.0, metrics={"accuracy": 0.5})
    second.finish(end)
    first.finish(example_trial(0).end("failed", at=2001.0, error="too late"))
    assert first.refresh() == [end], "the late record did not read the first result"
    assert second.refresh() == [], "the first record read a change"
    reader = open_record()
    assert reader.refresh() == [end], "the second end replaced the first"
    for one in (first, second, reader):
        one.close(None)


def a_trial_is_claimed_by_one(open_record: OpenRecord) -> None:
    """One record claims the running trials of a closed record; those of an open record can't be claimed."""
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
    assert first.refresh() == [], "refresh returned claimed trials"
    end = example_trial(0).end("completed", at=2000.0, metrics={"accuracy": 0.5})
    first.finish(end)
    assert second.refresh() == [end, *(example_trial(number) for number in (1, 2, 3))], (
        "refresh missed the end of a claimed trial"
    )
    for one in (alive, first, second):
        one.close(None)


def a_failed_trial_is_restarted_once(open_record: OpenRecord) -> None:
    """Only one record can restart a failed trial, whose earlier attempts are kept."""
    first, second = open_record(), open_record()
    first.begin(example_trial(0))
    failed = example_trial(0).end("failed", at=2000.0, error="boom", progress=({"step": 1.0},))
    first.finish(failed)
    assert second.refresh() == [failed], "refresh missed the failure"
    again = failed.again("boom", at=3000.0)
    assert first.restart(again, was="failed"), "a failed trial was not restarted"
    assert not second.restart(again, was="failed"), "a trial was restarted twice"
    reader = open_record()
    assert reader.refresh() == [again], "the attempts changed"
    assert not second.claim(), "a restarted trial was claimed from an open record"
    first.close(None)
    assert second.claim() == [again], "a restarted trial of a closed record was not claimed"
    end = again.end("completed", at=4000.0, metrics={"accuracy": 0.5})
    second.finish(end)
    assert reader.refresh() == [end], "refresh missed the end of the second attempt"
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
"""The laws of every record."""

SHARED_RECORD_LAWS: tuple[RecordLaw, ...] = (
    trials_survive_unchanged,
    what_is_not_finite_survives,
    refresh_returns_each_change_once,
    the_first_end_is_kept,
    a_trial_is_claimed_by_one,
    a_failed_trial_is_restarted_once,
)
"""Further laws of a record of a shared storage."""
