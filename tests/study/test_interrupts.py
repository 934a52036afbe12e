"""An interrupt, and a server that is lost: memory and storage agree afterwards, and the study runs on to the
same end.
"""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from retia.errors import StorageError
from retia.space import Categorical, Integer, SearchSpace
from retia.storage import Database
from retia.strategy import GridSearch, Random
from retia.study import Study, architecture_evaluator
from retia.study.interrupts import Interrupts

SPACE = SearchSpace({"a": Integer(1, 5), "b": Categorical(tuple("uvwx"))})


@architecture_evaluator
def score(architecture):
    return {"score": architecture["a"] * 7 % 5 + "uvwx".index(architecture["b"])}


def made(storage, **options):
    return Study(SPACE, score, maximize="score", storage=storage, **options)


def story(study):
    return [(trial.number, trial.architecture, trial.state, trial.metrics) for trial in study.trials]


class At:
    """Raise an interrupt before or after a statement of that number reaches the database."""

    def __init__(self, when, number):
        self.when, self.left = when, number

    def __enter__(self):
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, f"{self.when}_cursor_execute", self._raise)
        return self

    def __exit__(self, *raised):
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.remove(Engine, f"{self.when}_cursor_execute", self._raise)

    def _raise(self, *_):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("when", ["before", "after"])
def test_interrupted_at_any_statement_memory_and_storage_agree(when, tmp_path):
    whole = made(None)
    whole.run(GridSearch(), trials=5)
    interrupted = 0
    for number in range(1, 100):
        path = tmp_path / f"{number}.db"
        study = made(path)
        assert story(study) == []
        try:
            with At(when, number) as at:
                study.run(GridSearch(), trials=5)
        except KeyboardInterrupt:
            pass  # it came before the run or at its very end
        if at.left > 0:
            break
        interrupted += 1
        assert story(study) == story(made(path)), f"at statement {number}"
        if number % 2:
            study = made(path)  # a cell of a notebook that is run again, while the first study lives
        assert study.run(GridSearch(), trials=5) == "trials done"
        assert story(study) == story(made(path)) == story(whole), f"at statement {number}"
    assert interrupted > 20


SCRIPT = """
    import os, signal, sys, threading, time
    import retia
    from retia.study import Study

    space = retia.SearchSpace({"a": retia.Integer(1, 400)})
    delays = [float(delay) for delay in sys.argv[2:]]

    @retia.architecture_evaluator
    def score(architecture):
        return architecture["a"] % 7

    ready = threading.Event()

    def interrupt(delay):
        ready.wait()
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)

    first = Study(space, score, maximize="score", storage=sys.argv[1])
    for delay in delays:
        ready.clear()
        thread = threading.Thread(target=interrupt, args=(delay,))
        thread.start()
        try:
            study = Study(space, score, maximize="score", storage=sys.argv[1])
            study.run(retia.strategy.GridSearch(), trials=400, observer=lambda event: ready.set())
            thread.join()
        except KeyboardInterrupt:
            pass
        thread.join()
        left = [(trial.number, trial.state) for trial in study.trials]
        stored = [(trial.number, trial.state) for trial in Study.open(sys.argv[1]).trials]
        assert left == stored, (left[-3:], stored[-3:])
    print(study.run(retia.strategy.GridSearch(), trials=400), study.history.count("completed"))
"""


def test_signals_in_the_midst_of_quick_trials_leave_nothing_stuck(tmp_path):
    moments = random.Random(0)
    delays = [str(moments.uniform(0, 0.02)) for _ in range(30)]
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / "study.db"), *delays]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "trials done 400", done.stderr


def test_an_interrupt_is_held_back_to_the_end_of_a_block_and_a_second_one_is_not():
    interrupts = Interrupts()
    interrupts.install()
    before = signal.getsignal(signal.SIGINT)
    try:
        reached = []
        with pytest.raises(KeyboardInterrupt), interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end of the block")
        assert reached
        with pytest.raises(KeyboardInterrupt), interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("behind the second")
        assert reached == ["end of the block"]
    finally:
        interrupts.remove()
    assert signal.getsignal(signal.SIGINT) is not before


def test_a_run_in_another_thread_leaves_interrupts_alone(tmp_path):
    before, said = signal.getsignal(signal.SIGINT), []
    study = made(tmp_path / "study.db")
    thread = threading.Thread(target=lambda: said.append(study.run(Random(), trials=3)))
    thread.start()
    thread.join()
    assert said == ["trials done"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_forgotten_run_of_this_process_is_taken_up(tmp_path):
    """A record that was never closed, as after an error within the error's handling, leaves its trials to the
    next run.
    """
    path = tmp_path / "study.db"
    study = made(path)
    study.run(GridSearch(), trials=2)
    record = study._opened_record()
    begun = study.trials[0].architecture
    from retia.trial import Trial

    assert record.begin(Trial(2, begun, started=1.0))
    alive = made(path)
    assert alive._opened_record().claim() == [], "the trial of a run that goes on was taken away"
    del record
    study._record = None
    assert [trial.number for trial in alive._opened_record().claim()] == [2]
    alive._opened_record().close(None)


# --- a PostgreSQL server that is lost


@pytest.fixture
def url(postgresql, tmp_path, monkeypatch):
    """An empty database, and a working directory for the files."""
    import sqlalchemy as sa

    monkeypatch.chdir(tmp_path)
    engine = sa.create_engine(postgresql.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS trials, runs, studies, retia_schema"))
    engine.dispose()
    yield postgresql.url
    if not (postgresql.folder / "data" / "postmaster.pid").exists():
        postgresql.start()


def test_a_study_survives_restarts_of_the_server(url, postgresql):
    whole = made(None)
    whole.run(Random(), trials=15)
    study, ended = made(url), []

    def restart(event):
        if event.kind == "ended":
            ended.append(event.trial.number)
            if len(ended) == 4:
                postgresql.stop()
                postgresql.start()
            if len(ended) == 8:  # while the study goes on
                postgresql.stop()
                threading.Timer(1.0, postgresql.start).start()

    assert study.run(Random(), trials=15, observer=restart) == "trials done"
    assert story(study) == story(whole) == story(made(url))


@pytest.mark.parametrize("number", range(4, 24))
def test_a_statement_whose_answer_was_lost_takes_effect_once(url, number):
    """The server executes the statement; the connection dies before the answer arrives."""
    import psycopg
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    sent = [0]

    def lose(connection, cursor, *_):
        sent[0] += 1
        if sent[0] == number:
            cursor.connection.close()
            message = "the answer was lost"
            raise psycopg.OperationalError(message)

    whole = made(None)
    whole.run(Random(), trials=4)
    study = made(url)
    _ = study.trials
    event.listen(Engine, "after_cursor_execute", lose)
    try:
        assert study.run(Random(), trials=4) == "trials done"
    finally:
        event.remove(Engine, "after_cursor_execute", lose)
    assert story(study) == story(whole) == story(made(url))


def test_a_server_that_stays_away_ends_the_run_with_the_way_to_resume(url, postgresql, monkeypatch):
    whole = made(None)
    whole.run(Random(), trials=6)

    def stop(event):
        if event.kind == "ended" and event.trial.number == 2:
            postgresql.stop()

    study = made(url)
    study._database = Database(url, timeout_s=1.0)
    with pytest.raises(
        StorageError,
        match=r"was lost, and did not answer within 1 s .* Start the server, then run the same study again",
    ):
        study.run(Random(), trials=6, observer=stop)
    postgresql.start()
    assert study.run(Random(), trials=6) == "trials done"
    assert story(study) == story(whole) == story(made(url))
