"""Tables of one's own."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

import retia
from retia.benchmark import read_table, simulate, table_of, write_table
from retia.errors import ArchitectureError, EvaluationError
from retia.space import Categorical, Clause, Condition, Integer, Parameter, SearchSpace, Subset
from retia.strategy import GridSearch
from retia.study import Study
from retia.trial import Proposal

SPACE = SearchSpace(
    [
        Parameter("kind", Categorical(("plain", "deep"))),
        Parameter("depth", Integer(2, 4), Condition(((Clause("kind", frozenset({"deep"})),),))),
        Parameter("skips", Subset((0, 1), least=1)),
    ]
)


class Judge:
    """What it returns depends on the architecture and the epochs, which are 8 if the trial doesn't say."""

    def __call__(self, architecture, run):
        if architecture["skips"] == (0, 1) and architecture["kind"] == "plain":
            raise ValueError("it failed")
        depth, epochs = architecture.get("depth", 1), run.fidelity or 8
        return {
            "accuracy": depth + epochs / 100 + sum(architecture["skips"]) / 10,
            "train_seconds": epochs * depth,
            "params": 100 * depth,
        }


class Twice:
    """Every architecture for two epochs, then for eight."""

    def propose(self, space, history, n, rng):
        for fidelity in (2, None):
            for architecture in space.enumerate():
                if history.find(architecture, fidelity) is None:
                    return [Proposal(architecture, fidelity)]
        return []


@pytest.fixture
def study():
    study = Study(SPACE, Judge(), maximize="accuracy")
    study.run(Twice(), trials=100)
    return study


def test_a_table_is_made_of_a_study_and_written_and_read(study, tmp_path):
    made = table_of(SPACE, study.trials, epochs=8, name="mine", settings={"data": "none"}, reference="me")
    assert len(made) == 11  # of twelve, for one failed
    read = read_table(write_table(made, tmp_path / "new" / "mine.npz"))
    for table in (made, read, pickle.loads(pickle.dumps(read))):
        assert table.fidelities == (2, 8)
        assert table.objective == "accuracy"
        assert table.costs == ("params",)
        assert table.query({"kind": "deep", "depth": 3, "skips": (0,)}) == pytest.approx(
            {"accuracy": 3.08, "train_seconds": 24, "params": 300}
        )
        assert table.query({"kind": "deep", "depth": 3, "skips": (1,)}, 2) == pytest.approx(
            {"accuracy": 3.12, "train_seconds": 6, "params": 300}
        )
        assert table.best().architecture["depth"] == 4
    assert read.describe() == {**made.describe(), "optimum": pytest.approx(made.optimum())}
    assert read.space.parameters == SPACE.parameters


def test_whether_trainings_go_on_is_written(study, tmp_path):
    made = table_of(SPACE, study.trials, epochs=8)
    for continues in (False, True):
        assert (
            read_table(write_table(replace(made, continues=continues), tmp_path / "mine.npz")).continues
            is continues
        )


def test_what_is_not_in_the_table_is_not_in_its_space(study):
    table = table_of(SPACE, study.trials, epochs=8)
    failed = {"kind": "plain", "skips": (0, 1)}
    assert table.space.size() == 11
    assert failed not in table.space
    with pytest.raises(ArchitectureError, match="contains 11 architectures, but not"):
        table.query(failed)
    whole = Study(table.space, table.evaluator, maximize="accuracy")
    whole.run(GridSearch(), trials=20)
    assert whole.history.count("completed") == 11
    assert len(simulate(table, retia.Random(), evaluations=50).trials) == 11


def test_a_whole_table_has_the_space_as_it_is(tmp_path):
    space = SearchSpace({"skips": Subset((0, 1), least=1)})
    study = Study(space, Judge2(), maximize="accuracy")
    study.run(GridSearch(), trials=10)
    assert table_of(space, study.trials, epochs=1).space is space


class Judge2:
    def __call__(self, architecture, run):
        return {"accuracy": float(len(architecture["skips"]))}


def test_a_row_that_was_not_trained_as_long_has_its_costs_alone(study):
    longest = [trial for trial in study.trials if trial.fidelity is None and trial.state == "completed"]
    table = table_of(SPACE, [*longest[:3], *(trial for trial in study.trials if trial.fidelity)], epochs=8)
    assert np.isnan(table.column("accuracy")).sum() == 11 - 3
    assert not np.isnan(table.column("params")).any()


def test_no_trials_are_no_table(study):
    with pytest.raises(
        EvaluationError, match="The table 'mine' needs at least one completed trial, got none"
    ):
        table_of(SPACE, [trial for trial in study.trials if trial.state == "failed"], epochs=8, name="mine")
    with pytest.raises(EvaluationError, match="results after 2, 7 epochs, got 8") as caught:
        table_of(
            SPACE,
            [
                *study.trials[1:3],
                study.trials[0].__class__(
                    99, study.trials[0].architecture, "completed", {"accuracy": 1.0}, 7.0
                ),
            ],
            epochs=8,
        )
    assert "epochs=" in str(caught.value)


def test_files_that_are_none(tmp_path):
    (tmp_path / "a.npz").write_text("text")
    with pytest.raises(EvaluationError, match="A table must be an npz file, but .*a.npz can't be read"):
        read_table(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", header=np.frombuffer(json.dumps({}).encode(), np.uint8))
    with pytest.raises(EvaluationError, match="must be a table in the format 'retia/table/1', got 'None'"):
        read_table(tmp_path / "b.npz")
