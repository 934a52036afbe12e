"""Nothing is lost: what was stored goes on, wherever it was cut off."""

import json
import subprocess
import sys
import textwrap

import pytest

from retia.errors import EvaluationError, StorageError, StudyError
from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import GridSearch, LocalSearch, MedianStop, Random, RegularizedEvolution
from retia.study import Study, architecture_evaluator, run_control
from retia.trial import STOPPED_STEP

SPACE = SearchSpace({"a": Integer(1, 5), "b": Categorical(tuple("uvwxyz"))})
STRATEGIES = {
    "GridSearch": GridSearch,
    "LocalSearch": LocalSearch,
    "Random": Random,
    "RegularizedEvolution": lambda: RegularizedEvolution(4, 2),
}


@architecture_evaluator
def score(architecture):
    """A number that fails for some and is no climb without local optima."""
    if architecture["a"] == 2 and architecture["b"] in "wx":
        raise ArithmeticError(architecture["b"])
    return {"score": architecture["a"] * 7 % 5 + "uvwxyz".index(architecture["b"]) * 4 % 7}


def story(study):
    return [
        (trial.number, trial.architecture, trial.parent, trial.state, trial.metrics) for trial in study.trials
    ]


class Killed(BaseException):
    pass


def killing(at, error):
    """An observer that raises at the event of that number."""
    seen = []

    def observe(event):
        seen.append(event)
        if len(seen) == at:
            raise error

    return observe


@pytest.mark.parametrize("make_strategy", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("stored", [False, True], ids=["in memory", "stored"])
def test_killed_after_any_event_it_resumes_to_the_same_end(make_strategy, stored, tmp_path):
    trials = 12
    whole = Study(SPACE, score, maximize="score")
    whole.run(make_strategy(), trials=trials)

    def study(at):
        return Study(SPACE, score, maximize="score", storage=tmp_path / f"{at}.db" if stored else None)

    for at in range(1, 2 * trials + 2):  # "opened", "started" and "ended" of each trial
        killed = study(at)
        with pytest.raises(Killed):
            killed.run(make_strategy(), trials=trials, observer=killing(at, Killed))
        resumed = study(at) if stored else killed
        assert resumed.run(make_strategy(), trials=trials) == "trials done"
        assert story(resumed) == story(whole), f"killed at event {at}"


@architecture_evaluator
def rising(architecture, run):
    """Report three times; what is bad at the end is bad from the start."""
    end = architecture["a"] * 7 % 5 + "uvwxyz".index(architecture["b"]) * 4 % 7
    for step in (1, 2, 3):
        run.report({"score": end * step / 3}, step)
    return {"score": end}


@pytest.mark.parametrize("stored", [False, True], ids=["in memory", "stored"])
def test_a_trial_that_is_taken_up_again_is_stopped_where_it_would_have_been(stored, tmp_path):
    def study(name):
        return Study(SPACE, rising, maximize="score", storage=tmp_path / f"{name}.db" if stored else None)

    def strategy():
        return MedianStop(Random(), min_trials=2)

    whole = study("whole")
    whole.run(strategy(), trials=12)
    stopped = [trial.number for trial in whole.trials if STOPPED_STEP in trial.metrics]
    assert stopped
    for number in stopped:
        killed = study(number)
        with pytest.raises(Killed):
            killed.run(
                strategy(), trials=12, observer=killing(2 * number + 2, Killed)
            )  # "opened", two events of each trial before, "started"
        resumed = study(number) if stored else killed
        assert resumed.trials[number].state == "running"
        resumed.run(strategy(), trials=12)
        assert story(resumed) == story(whole)


@pytest.mark.parametrize("make_strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_interrupted_it_ends_cleanly_and_resumes_to_the_same_end(make_strategy, tmp_path):
    whole = Study(SPACE, score, maximize="score")
    whole.run(make_strategy(), trials=9)
    study = Study(SPACE, score, maximize="score", storage=tmp_path / "study.db")
    for at in (1, 2, 5, 6):
        assert (
            study.run(make_strategy(), trials=9, observer=killing(at, KeyboardInterrupt))
            == study.stop_reason
            == "interrupted"
        )
    study.run(make_strategy(), trials=9)
    assert story(study) == story(whole)


def test_a_killed_trial_is_evaluated_again_with_the_same_seed(tmp_path):
    seeds = []

    @architecture_evaluator
    def seeded(architecture, run):
        seeds.append((architecture, run.seed))
        if len(seeds) == 3:
            raise Killed
        return {"score": 1}

    def study():
        return Study(SPACE, seeded, maximize="score", storage=tmp_path / "study.db")

    with pytest.raises(Killed):
        study().run(Random(), trials=4)
    assert [trial.state for trial in study().trials] == ["completed", "completed", "running"]
    study().run(Random(), trials=4)
    assert seeds[2] == seeds[3]
    assert len(set(seeds)) == 4


def test_the_same_storage_and_name_resume_and_another_name_is_another_study(tmp_path):
    def study(**options):
        return Study(SPACE, score, maximize="score", storage=tmp_path / "study.db", **options)

    study().run(Random(), trials=4)
    assert len(study().trials) == 4
    assert study().run(Random(), trials=4) == "trials done"
    assert study().run(Random(), trials=6) == "trials done"
    assert len(study().trials) == 6
    assert study(name="other").trials == []


def test_another_strategy_may_go_on(tmp_path):
    study = Study(SPACE, score, maximize="score", storage=tmp_path / "study.db")
    study.run(Random(), trials=5)
    study.run(LocalSearch(starts=2), trials=12)
    assert len(study.trials) == 12
    assert study.trials[5].parent is not None


def test_what_is_resumed_is_placed_in_the_space_and_its_folder(tmp_path):
    Study(SPACE, score, maximize="score", storage=tmp_path / "study.db").run(Random(), trials=2)
    study = Study(SPACE, score, maximize="score", storage=tmp_path / "study.db")
    assert study.trials[1].space is study.space
    assert study.trials[1].directory == tmp_path / "study.db.files" / "study" / "00001"
    assert study.best in study.trials


# --- a study that has changed


@architecture_evaluator
def other_score(architecture):
    return {"score": 0, "accuracy": 0}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"space": SPACE.extend({"c": Integer(1, 2)}), "baseline": {"a": 1, "b": "u", "c": 1}}, "c"),
        ({"space": SearchSpace({"a": Integer(1, 6), "b": Categorical(tuple("uvwxyz"))})}, "6"),
        ({"evaluator": other_score}, "other_score"),
        ({"seed": 1}, "seed"),
        ({"baseline": {"a": 2, "b": "u"}}, "baseline"),
        ({"maximize": "accuracy"}, "accuracy"),
        ({"constraints": ["score <= 3"]}, "score <= 3"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_changed_study_is_an_error_that_shows_the_difference(changes, says, tmp_path):
    options = {"space": SPACE, "evaluator": score, "maximize": "score", "storage": tmp_path / "study.db"}
    Study(**options).run(Random(), trials=2)
    changed = Study(**{**options, **changes})
    with pytest.raises(
        StudyError, match=rf"(?s)The study 'study' in '.*study.db' differs from this one:.*{says}.*force=True"
    ):
        changed.run(Random(), trials=3)
    assert len(Study(**options).trials) == 2  # nothing has happened to it


def test_force_goes_on_all_the_same(tmp_path):
    options = {"space": SPACE, "evaluator": score, "maximize": "score", "storage": tmp_path / "study.db"}
    Study(**options).run(Random(), trials=3)
    forced = Study(**{**options, "seed": 5}, force=True)
    forced.run(Random(), trials=5)
    assert len(forced.trials) == 5
    assert len(Study(**{**options, "seed": 5}).trials) == 5  # from now on it is this one
    with pytest.raises(StudyError, match="differs from this one"):
        Study(**options).run(Random(), trials=6)


# --- a study without its code


def test_a_study_opens_without_its_code(tmp_path):
    made = Study(
        SPACE,
        score,
        maximize="score",
        constraints=["score <= 9"],
        storage=tmp_path / "study.db",
        seed=3,
        baseline={"a": 3, "b": "v"},
    )
    made.run(Random(), trials=12)
    study = Study.open(tmp_path / "study.db")
    assert story(study) == story(made)
    assert study.best == made.best
    assert study.pareto == made.pareto
    assert (study.name, study.seed, study.objectives, study.constraints) == (
        made.name,
        3,
        made.objectives,
        made.constraints,
    )
    assert study.baseline == {"a": 3, "b": "v"}
    assert study.stop_reason == "trials done"
    assert study.space.size() == SPACE.size()
    assert Study.open(tmp_path / "study.db", "study").trials == study.trials


def test_a_study_without_its_code_can_not_run(tmp_path):
    Study(SPACE, score, maximize="score", storage=tmp_path / "study.db").run(Random(), trials=2)
    study = Study.open(tmp_path / "study.db")
    assert not hasattr(study, "run")
    assert study.evaluator["function"].endswith("score")
    with pytest.raises(StudyError, match=r"can't build a model: its space \(SearchSpace\) builds none"):
        study.best.build()


def test_which_study_to_open_has_to_be_said_where_there_are_several(tmp_path):
    for name in ("first", "second"):
        Study(SPACE, score, maximize="score", storage=tmp_path / "study.db", name=name).run(
            Random(), trials=2
        )
    with pytest.raises(
        StudyError, match=r"holds 2 studies: first, second. Name one: name='first', or --name first"
    ):
        Study.open(tmp_path / "study.db")
    assert Study.open(tmp_path / "study.db", "second").name == "second"
    with pytest.raises(StorageError, match="third"):
        Study.open(tmp_path / "study.db", "third")
    with pytest.raises(StorageError, match="nowhere"):
        Study.open(tmp_path / "nowhere.db")


def test_a_control_is_not_one_of_several(tmp_path):
    study = Study(SPACE, score, maximize="score", storage=tmp_path / "study.db")
    study.run(LocalSearch(), trials=4)
    run_control(study, trials=4)
    assert Study.open(tmp_path / "study.db").name == "study"


# --- processes

SCRIPT = """
    import os, signal, sys, time
    import retia

    storage, trials, strategy, kill_at, pause = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
    space = retia.SearchSpace({f"op{i}": retia.Categorical(tuple("abcd")) for i in range(3)})
    evaluated = []

    @retia.architecture_evaluator
    def score(architecture):
        evaluated.append(architecture)
        if len(evaluated) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(pause)
        return sum(ord(value) * (i + 1) % 7 for i, value in enumerate(architecture.values()))

    study = retia.Study(space, score, maximize="score", storage=storage)
    print("ready", flush=True)
    sys.stdin.readline()
    print(study.run(eval(f"retia.strategy.{strategy}"), trials=trials), len(evaluated))
"""


@pytest.fixture
def script(tmp_path):
    """Starts a study in a process of its own: the storage, how many trials, the strategy, the evaluation at
    which to kill itself.
    """
    path = tmp_path / "search.py"
    path.write_text(textwrap.dedent(SCRIPT))

    def start(storage, *, trials, strategy, kill_at=0, pause=0.0):
        command = [
            sys.executable,
            str(path),
            str(tmp_path / storage),
            str(trials),
            strategy,
            str(kill_at),
            str(pause),
        ]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    return start


def outputs(*processes):
    """Let them go when all are ready, and return what each said and how it ended."""
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(processes)
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].strip() for process in processes]
    return [(text, process.returncode) for text, process in zip(said, processes, strict=True)]


@pytest.mark.parametrize("strategy", ["RegularizedEvolution(5, 2)", "LocalSearch()"])
def test_kill_9_loses_at_most_what_ran(strategy, script, tmp_path):
    assert outputs(script("killed.db", trials=20, strategy=strategy, kill_at=8)) == [("", -9)]
    left = Study.open(tmp_path / "killed.db")
    assert [trial.state for trial in left.trials] == ["completed"] * 7 + ["running"]
    assert left.stop_reason is None
    assert outputs(script("killed.db", trials=20, strategy=strategy)) == [("trials done 13", 0)]
    assert outputs(script("whole.db", trials=20, strategy=strategy)) == [("trials done 20", 0)]
    assert story(Study.open(tmp_path / "killed.db")) == story(Study.open(tmp_path / "whole.db"))


def test_two_processes_may_run_one_study(script, tmp_path):
    said = outputs(
        *(script("both.db", trials=50, strategy="RegularizedEvolution(8, 3)", pause=0.01) for _ in range(2))
    )
    assert [reason.rpartition(" ")[0] for reason, _ in said] == ["trials done"] * 2
    shares = [int(reason.rpartition(" ")[2]) for reason, _ in said]
    assert sum(shares) == 50
    assert min(shares) >= 1  # both have worked
    trials = Study.open(tmp_path / "both.db").trials
    assert [trial.number for trial in trials] == list(range(50))
    assert len({trial.architecture for trial in trials}) == 50
    assert {trial.state for trial in trials} == {"completed"}


def test_two_processes_exhaust_a_space_together(script, tmp_path):
    """A strategy that waits for the other process's results does not take the space for exhausted."""
    both = [script("both.db", trials=1000, strategy="LocalSearch()", pause=0.01) for _ in range(2)]
    assert [said.rpartition(" ")[0] for said, _ in outputs(*both)] == ["search space exhausted"] * 2
    trials = Study.open(tmp_path / "both.db").trials
    assert len(trials) == len({trial.architecture for trial in trials}) == 64


def test_the_trial_of_a_process_that_was_killed_meanwhile_is_taken_up(script, tmp_path):
    killed = script("both.db", trials=60, strategy="Random()", kill_at=1, pause=0.02)
    other = script("both.db", trials=60, strategy="Random()", pause=0.02)
    (_, status), (said, _) = outputs(killed, other)
    assert status == -9
    assert said.startswith("trials done")
    trials = Study.open(tmp_path / "both.db").trials
    assert [trial.state for trial in trials] == ["completed"] * 60
    assert len({trial.architecture for trial in trials}) == 60


def test_what_is_stored_is_data(script, tmp_path):
    outputs(script("study.db", trials=3, strategy="Random()"))
    import sqlite3

    with sqlite3.connect(tmp_path / "study.db") as connection:
        rows = connection.execute("SELECT architecture, metrics FROM trials").fetchall()
    connection.close()
    assert all(set(json.loads(architecture)) == {"op0", "op1", "op2"} for architecture, _ in rows)
    assert all(json.loads(metrics)["score"] >= 0 for _, metrics in rows)


def test_an_evaluator_that_broke_its_contract_may_be_mended(tmp_path):
    @architecture_evaluator
    def forgetful(architecture):
        len(architecture)

    with pytest.raises(EvaluationError, match="Is a return missing"):
        Study(SPACE, forgetful, maximize="score", storage=tmp_path / "s.db").run(Random(), trials=3)
    mended = Study(SPACE, score, maximize="score", storage=tmp_path / "s.db")
    assert mended.run(Random(), trials=3) == "trials done"
    untroubled = Study(SPACE, score, maximize="score")
    untroubled.run(Random(), trials=3)
    assert story(mended) == story(untroubled)

    with pytest.raises(StudyError, match="differs from this one"):  # by now it has judged
        Study(SPACE, forgetful, maximize="score", storage=tmp_path / "s.db").run(Random(), trials=4)


def test_mending_is_no_change_of_the_space(tmp_path):
    @architecture_evaluator
    def forgetful(architecture):
        len(architecture)

    with pytest.raises(EvaluationError, match="Is a return missing"):
        Study(SPACE, forgetful, maximize="score", storage=tmp_path / "s.db").run(Random(), trials=3)
    with pytest.raises(StudyError, match="space: 'c' is new"):
        Study(SPACE.extend({"c": Integer(1, 2)}), score, maximize="score", storage=tmp_path / "s.db").run(
            Random(), trials=3
        )
