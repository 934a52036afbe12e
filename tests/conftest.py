import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rich.console  # noqa: F401  # it draws from random's generator while it is imported, and only then

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")


def _generators():
    states = {"random": random.getstate(), "numpy": pickle.dumps(np.random.get_state())}  # noqa: NPY002  # the one being watched
    if "torch" in sys.modules:
        states["torch"] = bytes(sys.modules["torch"].get_rng_state().numpy())
    return states


@pytest.fixture(autouse=True)
def global_generators_stay_put(request):
    """Fail a test that moves a global random generator, unless it asks for `moves_generators`."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    before = _generators()
    yield
    if "moves_generators" in request.fixturenames:
        return
    after = _generators()
    moved = [name for name in before if before[name] != after[name]]
    assert not moved, f"the global generator of {moved} was moved; seed it where it is used, and put it back"


@pytest.fixture
def moves_generators():
    """Say that a test draws from torch's global generator on purpose, as a user's own plain constructor
    does.
    """


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real benchmark tables, which are not part of the project."""
    folder = Path(os.environ.get("RETIA_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real benchmark tables: {folder} is absent; set RETIA_TEST_DATA to a folder of them")
    return folder


class PostgreSQL:
    """A PostgreSQL server of the tests' own, behind a socket in a temporary folder."""

    def __init__(self, programs):
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="retia-pg-"))
        self._as_user = (
            ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        )  # the server refuses to run as root
        if self._as_user:
            shutil.chown(self.folder, "postgres")
        self._call("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "me", "-N")
        self.start()
        self.url = f"postgresql://me@/postgres?host={self.folder}"

    def _call(self, program, *arguments):
        command = [*self._as_user, self._programs / program, *arguments]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
        )

    def start(self):
        options = f"-k {self.folder} -c listen_addresses=''"
        self._call(
            "pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options, "start"
        )

    def stop(self):
        """Stop without a word to those who are connected, as a crash does; what was committed is kept."""
        self._call("pg_ctl", "-D", self.folder / "data", "-w", "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server that a test may stop and start."""
    pytest.importorskip("psycopg", reason="needs the PostgreSQL driver psycopg")
    installed = shutil.which("initdb")
    found = [Path(installed).parent] if installed else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("needs a PostgreSQL server, and there is no initdb")
    server = PostgreSQL(found[-1])
    yield server
    server.stop()
    shutil.rmtree(server.folder)
