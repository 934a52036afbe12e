"""Whether a process is gone."""

import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from retia.storage.process import GONE_AFTER_S, Process


def test_this_process_lives_however_long_it_is_silent() -> None:
    assert not Process.current().gone(silent_s=1e9)


def test_another_process_of_the_same_id_is_another() -> None:
    me = Process.current()
    assert replace(me, started=me.started - 60).gone(silent_s=0)


def test_a_process_is_gone_when_it_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    process = replace(Process.current(), pid=child.pid, started=psutil.Process(child.pid).create_time())
    assert not process.gone(silent_s=0)
    child.kill()
    child.stdin.close()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert process.gone(silent_s=0), "killed, though its parent has not looked yet"
    child.wait()
    assert process.gone(silent_s=0)


def test_another_host_is_gone_after_five_minutes_of_silence() -> None:
    elsewhere = replace(Process.current(), host="elsewhere")
    assert not elsewhere.gone(silent_s=GONE_AFTER_S - 1)
    assert elsewhere.gone(silent_s=GONE_AFTER_S + 1)
    assert GONE_AFTER_S == 300


def test_a_process_that_may_not_be_looked_at_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(pid: int) -> None:
        raise psutil.AccessDenied(pid)

    me = Process.current()
    monkeypatch.setattr(psutil, "Process", denied)
    assert not me.gone(silent_s=1e9)
