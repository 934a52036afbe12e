"""A storage that can only be read."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from retia.space import Integer, SearchSpace
from retia.strategy import Random
from retia.study import Study
from retia.trial import Capabilities

SPACE = SearchSpace({"a": Integer(1, 99)})


class Score:
    def capabilities(self):
        return Capabilities(settings=dict)

    def __call__(self, architecture, run):
        return {"score": architecture["a"]}


def study(storage):
    return Study(SPACE, Score(), maximize="score", storage=storage)


READER = """
import sys
import retia
from retia.errors import RetiaError
from retia.study import Study
from retia.trial import Capabilities

class Score:
    def capabilities(self):
        return Capabilities(settings=lambda: {})

    def __call__(self, architecture, run):
        return {"score": architecture["a"]}

try:
    opened = Study.open(sys.argv[1])
    print([trial.metrics["score"] for trial in opened.trials], opened.stop_reason)
    known = Study(retia.SearchSpace({"a": retia.Integer(1, 99)}), Score(), maximize="score", storage=sys.argv[1])
    print([trial.metrics["score"] for trial in known.trials])
    known.run(retia.Random(), trials=9)
except RetiaError as error:
    print(error)
"""


@pytest.fixture
def read():
    """Read a study on a mount that is really read-only, in a process whose mounts are its own; return the
    lines that it prints.
    """
    mounting = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'

    def call(folder, *command):
        whole = ["unshare", "-m", "sh", "-c", mounting, "sh", str(folder), *command]
        return subprocess.run(whole, capture_output=True, text=True, check=False)

    def read_study(path):
        done = call(path.parent, sys.executable, "-c", READER, str(path))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    if shutil.which("unshare") is None or call(Path(__file__).parent, "true").returncode:
        pytest.skip("needs the right to mount a directory read-only (unshare -m)")
    return read_study


def test_a_finished_study_on_a_read_only_mount_is_read_and_does_not_run(read, tmp_path):
    made = study(tmp_path / "study.db")
    made.run(Random(), trials=4)
    scores = [trial.metrics["score"] for trial in made.trials]
    before = sorted(os.listdir(tmp_path))
    first, second, refusal = read(tmp_path / "study.db")
    assert first == f"{scores} trials done"
    assert second == str(scores)
    assert refusal == (
        f"The storage {tmp_path}/study.db can't be written: there is no permission to write {tmp_path}. "
        "Change the permissions, or choose another path."
    )
    assert sorted(os.listdir(tmp_path)) == before


def test_a_log_that_can_not_be_merged_is_told_and_not_passed_over(read, tmp_path):
    import sqlite3

    (tmp_path / "copy").mkdir()
    study(tmp_path / "study.db").run(Random(), trials=2)
    with closing(sqlite3.connect(tmp_path / "study.db")) as writer:
        writer.execute("UPDATE studies SET stop_reason = 'in the log alone'")
        writer.commit()
        for name in ("study.db", "study.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / "copy" / name)
    (said,) = read(tmp_path / "copy" / "study.db")
    assert said.startswith(
        f"The storage {tmp_path}/copy/study.db can't be read: the last writes are in "
        f"{tmp_path}/copy/study.db-wal"
    )
    assert said.endswith("Copy both files to a writable directory, and open the copy.")
    assert Study.open(tmp_path / "copy" / "study.db").stop_reason == "in the log alone"
