import os
import pickle
import random
import sys
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
    """Say that a test draws from torch's global generator on purpose, as a user's own plain constructor does."""


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real benchmark tables, which are not part of the project."""
    folder = Path(os.environ.get("RETIA_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real benchmark tables: {folder} is absent; set RETIA_TEST_DATA to a folder of them")
    return folder
