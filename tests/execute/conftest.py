import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import retia
from retia.execute import Processes


@pytest.fixture(scope="module")
def pool() -> Iterator[Processes]:
    """One worker for the tests that leave it alive."""
    with Processes(1) as executor:
        yield executor


@pytest.fixture
def start_script(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a Python program in its own session, as a terminal does."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str, *options: str, name: str = "script.py") -> subprocess.Popen[str]:
        script = tmp_path / name
        script.write_text(text)
        path = os.pathsep.join([str(Path(retia.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, *options, str(script)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Wait, at most ten seconds, until a process has ended; an unreaped zombie has ended."""

    def wait(pid: int) -> bool:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                    return True
            except psutil.NoSuchProcess:
                return True
            time.sleep(0.01)
        return False

    return wait
