"""Several processes that run one study, some of which are killed."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from retia.storage import Database
from retia.storage.address import Address
from retia.storage.heartbeat import Heartbeat
from retia.testing.storage import example_header, example_trial

WORKER = """
import sys
from retia.storage import Database
from retia.testing.storage import example_header, example_trial

path, mode, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
record = Database(path).open(example_header())
number = 0

def end(trial):
    record.finish(trial.end("completed", at=2000.0, metrics={"accuracy": trial.number / 1e6}, progress=({"step": 1.0},) * 20))
    print(trial.number, flush=True)

if mode == "share":
    done = 0
    while done < count:
        if record.begin(example_trial(number)):
            end(example_trial(number))
            done += 1
        for other in record.refresh():
            number = max(number, other.number)
        number += 1
    record.close(None)
else:
    number = max([trial.number for trial in record.refresh()], default=-1) + 1
    for trial in record.claim():
        end(trial)
    while True:  # two at a time, until killed
        for running in (number, number + 1):
            assert record.begin(example_trial(running))
        for running in (number, number + 1):
            end(example_trial(running))
        number += 2
"""


def start(path: Path, mode: str, count: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), mode, str(count)], stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


@pytest.fixture
def beat() -> Iterator[Callable[[Path], Heartbeat]]:
    started: list[Heartbeat] = []

    def start_beating(path: Path) -> Heartbeat:
        started.append(Heartbeat(Address.parse(path, 30.0), "uid", 1, every_s=0.01))
        started[-1].start()
        return started[-1]

    yield start_beating
    for one in started:
        one.stopped.set()


def test_four_processes_share_a_new_study(path: Path) -> None:
    workers = [start(path, "share", 50) for _ in range(4)]
    written = [[int(line) for line in worker.communicate(timeout=60)[0].split()] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0, 0]
    assert [len(numbers) for numbers in written] == [50, 50, 50, 50]
    assert sorted(sum(written, [])) == list(range(200))
    reader = Database(path).load("example")
    read = reader.refresh()
    reader.close(None)
    assert [trial.number for trial in read] == list(range(200))
    assert {trial.state for trial in read} == {"completed"}
    assert all(trial.metrics == {"accuracy": trial.number / 1e6} for trial in read)
    assert Database(path).studies()[0].trials == {"completed": 200}


def test_a_killed_process_loses_at_most_what_runs(path: Path) -> None:
    moments, acknowledged = random.Random(0), set[int]()
    for _ in range(5):
        worker = start(path, "until killed")
        assert worker.stdout is not None
        first = worker.stdout.readline()
        time.sleep(moments.uniform(0, 0.1))
        os.kill(worker.pid, signal.SIGKILL)
        rest, _ = worker.communicate(timeout=60)
        acknowledged |= {
            int(line) for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")
        }

        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        reader = Database(path).load("example")
        read = reader.refresh()
        reader.close(None)
        assert [trial.number for trial in read] == list(range(len(read))), (
            "what is read is no prefix of what was begun"
        )
        running = {trial.number for trial in read if not trial.finished}
        assert len(running) <= 2
        assert acknowledged <= {trial.number for trial in read if trial.finished}, (
            "a trial was lost after finish returned"
        )
        assert all(
            trial.metrics == {"accuracy": trial.number / 1e6} and len(trial.progress) == 20
            for trial in read
            if trial.finished
        )

    heir = Database(path).open(example_header())
    assert {trial.number for trial in heir.claim()} == running, (
        "the dead process's trials can't be claimed at once"
    )
    heir.close(None)


def test_only_the_dead_are_claimed_from(path: Path) -> None:
    worker = start(path, "until killed")
    assert worker.stdout is not None
    worker.stdout.readline()
    os.kill(worker.pid, signal.SIGSTOP)
    heir = Database(path).open(example_header())
    assert heir.claim() == [], "a process that is merely slow lost its trials"
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate(timeout=60)
    left = [trial.number for trial in heir.refresh() if not trial.finished]
    assert [trial.number for trial in heir.claim()] == left
    assert heir.claim() == []
    heir.close(None)


@pytest.mark.parametrize(("silent_s", "claimed"), [(290, 0), (310, 1)])
def test_another_host_keeps_its_trials_for_five_minutes(path: Path, silent_s: float, claimed: int) -> None:
    remote, heir = (Database(path).open(example_header()) for _ in range(2))
    remote.begin(example_trial(0))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET host = 'elsewhere', heartbeat = ?", (time.time() - silent_s,))
    assert len(heir.claim()) == claimed
    end = example_trial(0).end("completed", at=2000.0, metrics={"accuracy": 0.5})
    remote.finish(end)
    if claimed:
        heir.finish(example_trial(0).end("failed", at=2001.0, error="too late"))
    assert heir.refresh() == [end], (
        "a trial that was cut off from its process has two ends, of which the first counts"
    )
    for one in (remote, heir):
        one.close(None)


def heartbeat(path: Path) -> float:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT heartbeat FROM runs").fetchone()[0]


def test_a_run_gives_signs_of_life(path: Path, beat: Callable[[Path], Heartbeat]) -> None:
    record = Database(path).open(example_header())
    record.begin(example_trial(0))
    before = heartbeat(path)
    thread = beat(path)
    deadline = time.monotonic() + 10
    while heartbeat(path) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert heartbeat(path) > before
    thread.stopped.set()
    thread.join(10)
    assert not thread.is_alive()
    record.close(None)


def test_a_heartbeat_that_fails_is_logged_and_creates_no_file(
    path: Path, beat: Callable[[Path], Heartbeat], caplog: pytest.LogCaptureFixture
) -> None:
    thread = beat(path)
    deadline = time.monotonic() + 10
    while not caplog.records and time.monotonic() < deadline:
        time.sleep(0.01)
    thread.stopped.set()
    thread.join(10)
    assert "No heartbeat could be written; after 300 s without one, another host may take over" in caplog.text
    assert not path.exists()
