"""A storage of studies."""

import gc
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from retia.errors import StorageError
from retia.storage import Database, StudyRecord
from retia.testing.storage import example_header, example_trial


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


@pytest.fixture
def record(path: Path) -> Iterator[StudyRecord]:
    record = Database(path).open(example_header())
    yield record
    record.close(None)


def sql(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_the_summaries_of_studies(path: Path, record: StudyRecord) -> None:
    for number in range(5):
        record.begin(example_trial(number))
    for number in range(3):
        record.finish(example_trial(number).end("completed", at=2000.0, metrics={"accuracy": 0.5}))
    record.finish(example_trial(3).end("failed", at=2000.0, error="boom"))
    Database(path).open(example_header("empty")).close(None)
    full, empty = Database(path).studies()
    assert (full.name, full.trials, full.stop_reason) == (
        "example",
        {"completed": 3, "failed": 1, "running": 1},
        None,
    )
    assert full.objectives == example_header().objectives
    assert full.created <= empty.created
    assert (empty.name, empty.trials, empty.stop_reason) == ("empty", {}, None)
    assert Database(path).names() == ["example", "empty"]


def test_why_a_study_stopped_is_kept_until_it_continues(path: Path, record: StudyRecord) -> None:
    record.begin(example_trial(0))
    record.close("trials done")
    assert Database(path).studies()[0].stop_reason == "trials done"
    other = Database(path).open(example_header())
    assert other.refresh()
    assert Database(path).studies()[0].stop_reason == "trials done", (
        "to look at a study is not to go on with it"
    )
    other.begin(example_trial(1))
    assert Database(path).studies()[0].stop_reason is None
    other.close("timeout")
    record.close(None)
    assert Database(path).studies()[0].stop_reason == "timeout"


def test_a_study_that_stops_at_once_says_why(path: Path, record: StudyRecord) -> None:
    record.close("nothing left to try")
    assert Database(path).studies()[0].stop_reason == "nothing left to try"


def test_an_existing_study_keeps_its_header_until_amended(path: Path, record: StudyRecord) -> None:
    record.begin(example_trial(0))
    changed = example_header(seed=8)
    again = Database(path).open(changed)
    assert again.header.differences(changed) == ["seed: was 7, is 8"]
    Database(path).amend(changed)
    reader = Database(path).load("example")
    assert reader.header == changed
    assert reader.refresh() == [example_trial(0)]
    for one in (again, reader):
        one.close(None)


def test_a_loaded_study_is_read_only(path: Path, record: StudyRecord) -> None:
    record.begin(example_trial(0))
    reader = Database(path).load("example")
    assert reader.refresh() == [example_trial(0)]
    refused = r"Study 'example' in .*study.db was opened for reading"
    with pytest.raises(StorageError, match=refused):
        reader.begin(example_trial(1))
    with pytest.raises(StorageError, match=refused):
        reader.finish(example_trial(0).end("failed", at=1.0, error="boom"))
    with pytest.raises(StorageError, match=refused):
        reader.claim()
    reader.close("not kept")
    assert Database(path).studies()[0].stop_reason is None
    assert sql(path, "SELECT count(*) FROM runs") == [(1,)], "a reader left a run"


@pytest.mark.usefixtures("record")
def test_the_error_for_an_unknown_study_lists_the_studies(path: Path) -> None:
    unknown = r"There is no study 'exmaple' in .*study.db. Name one of \['example'\]"
    with pytest.raises(StorageError, match=unknown):
        Database(path).load("exmaple")
    with pytest.raises(StorageError, match=unknown):
        Database(path).amend(example_header("exmaple"))


@pytest.mark.usefixtures("record")
def test_a_newer_storage_is_rejected(path: Path) -> None:
    sql(path, "UPDATE retia_schema SET version = 3")
    newer = r"study.db has schema version 3, and this retia reads version 2. Upgrade retia"
    for use in (Database(path).names, lambda: Database(path).open(example_header())):
        with pytest.raises(StorageError, match=newer):
            use()


def test_another_programs_database_is_rejected_and_left_alone(path: Path) -> None:
    sql(path, "CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    for use in (Database(path).names, lambda: Database(path).open(example_header())):
        with pytest.raises(
            StorageError, match=r"belongs to another program: it has the tables bookmarks but no retia_schema"
        ):
            use()
    assert path.read_bytes() == before


def test_another_kind_of_file_is_rejected_and_left_alone(path: Path) -> None:
    path.write_text("This is my diary. " * 100)
    with pytest.raises(StorageError, match=r"study.db is not an SQLite database. Choose another file"):
        Database(path).open(example_header())
    assert path.read_text() == "This is my diary. " * 100


def test_an_empty_database_can_be_filled_but_not_read(path: Path) -> None:
    path.touch()
    with pytest.raises(StorageError, match=r"study.db contains no study yet"):
        Database(path).names()
    Database(path).open(example_header()).close(None)
    assert Database(path).names() == ["example"]


@pytest.mark.usefixtures("record")
def test_a_lock_that_stays_is_reported(path: Path) -> None:
    with closing(sqlite3.connect(path)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        impatient = Database(path, timeout_s=0.05).open(example_header())
        with pytest.raises(StorageError, match=r"study.db stayed locked by another process for 0.05 s"):
            impatient.begin(example_trial(0))
        holder.execute("ROLLBACK")
        assert impatient.begin(example_trial(0))
        impatient.close(None)


def test_a_new_file_that_stays_locked_is_reported(path: Path) -> None:
    with closing(sqlite3.connect(path)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match=r"study.db stayed locked by another process for 0.05 s"):
            Database(path, timeout_s=0.05).open(example_header())


def test_a_broken_file_is_reported(path: Path, record: StudyRecord) -> None:
    record.close(None)
    sql(path, "DROP TABLE trials")
    with pytest.raises(
        StorageError, match=r"study.db can't be used \(no such table: trials\). Check the file"
    ):
        record.refresh()


def test_a_replaced_file_is_reported(path: Path, record: StudyRecord) -> None:
    record.close(None)
    path.unlink()
    Database(path).open(example_header("another")).close(None)
    with pytest.raises(
        StorageError, match=r"Study 'example' is no longer in .*study.db: the storage was replaced"
    ):
        record.begin(example_trial(0))


def test_a_removed_file_is_not_made_again(path: Path, record: StudyRecord) -> None:
    record.close(None)
    path.unlink()
    with pytest.raises(StorageError, match=r"There is no storage .*study.db"):
        record.begin(example_trial(0))
    assert not path.exists()


def test_the_log_is_ahead_of_the_file_and_gone_at_the_end(path: Path) -> None:
    record = Database(path).open(example_header())
    record.begin(example_trial(0))
    assert sql(path, "PRAGMA journal_mode") == [("wal",)]
    record.close(None)
    assert [file.name for file in path.parent.iterdir()] == ["study.db"]


def test_a_closed_record_leaves_no_thread(path: Path) -> None:
    before = threading.active_count()
    record = Database(path).open(example_header())
    record.begin(example_trial(0))
    beating = [thread for thread in threading.enumerate() if thread.name == "retia-heartbeat"]
    record.close(None)
    for thread in beating:
        thread.join(5)
    assert threading.active_count() <= before


def test_nothing_is_unpickled(path: Path, record: StudyRecord) -> None:
    record.begin(example_trial(0))
    kinds = {kind for row in sql(path, "SELECT * FROM trials, runs, studies") for kind in map(type, row)}
    assert kinds <= {int, float, str, type(None)}


def test_a_forgotten_record_stops_its_thread(path: Path) -> None:
    record = Database(path).open(example_header())
    before = set(threading.enumerate())
    record.begin(example_trial(0))
    (beating,) = set(threading.enumerate()) - before
    del record
    gc.collect()
    beating.join(5)
    assert not beating.is_alive()
