import copy
import math
import pickle

import numpy as np
import pytest

from retia.errors import StudyError
from retia.space import Architecture, Integer, SearchSpace
from retia.trial import Attempt, Proposal, Run, Trial, bounded
from retia.trial.attempt import LONGEST_ERROR

A = Architecture({"x": 1})


def test_a_trial_runs_and_ends():
    trial = Trial(3, A, fidelity=0.5, parent=1, started=10.0)
    assert not trial.finished
    assert trial.seconds is None
    ended = trial.end("completed", at=12.5, metrics={"loss": 0.25}, progress=({"step": 1, "loss": 0.5},))
    assert ended == Trial(
        3, A, "completed", {"loss": 0.25}, 0.5, 1, None, 10.0, 12.5, ({"step": 1, "loss": 0.5},)
    )
    assert ended.finished
    assert ended.seconds == 2.5
    failed = trial.end("failed", at=11.0, error="ValueError: no")
    assert (failed.state, failed.error, dict(failed.metrics)) == ("failed", "ValueError: no", {})
    assert trial.end("infeasible", at=11.0, metrics={"params": 9}).metrics == {"params": 9}


def test_an_end_keeps_the_surroundings(tmp_path):
    space = SearchSpace({"x": Integer(1, 2)})
    ended = Trial(0, A, directory=tmp_path, space=space).end("completed", at=1.0, metrics={"loss": 1})
    assert ended.directory == tmp_path
    assert ended.space is space


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"state": "completed"}, "Trial 7 can't be completed with no metrics"),
        (
            {"state": "completed", "metrics": {"loss": math.nan, "b": 1}},
            r"Trial 7 can't be completed with {'loss': nan}: metrics are finite",
        ),
        ({"state": "completed", "metrics": {"loss": -math.inf}}, "can't be completed with {'loss': -inf}"),
        ({"state": "infeasible"}, "Trial 7 can't be infeasible with no metrics"),
        (
            {"state": "infeasible", "metrics": {"params": math.inf}},
            "can't be infeasible with {'params': inf}",
        ),
        ({"state": "failed"}, "Trial 7 can't have failed without an error"),
        (
            {"state": "done"},
            r"The state of trial 7 is one of \['running', 'completed', 'failed', 'infeasible'\], got 'done'",
        ),
    ],
)
def test_impossible_trials_can_not_be_built(fields, message):
    with pytest.raises(StudyError, match=message):
        Trial(7, A, **fields)


def test_trials_are_values():
    trial = Trial(1, A, "completed", {"loss": 0.5}, progress=({"step": 1.0},))
    for copied in (copy.deepcopy(trial), pickle.loads(pickle.dumps(trial))):
        assert copied == trial
        assert hash(copied) == hash(trial)
    assert len({trial, Trial(1, A, "completed", {"loss": 0.5}, progress=({"step": 1.0},)), Trial(2, A)}) == 2
    with pytest.raises(AttributeError, match="cannot assign to field"):
        trial.number = 2


def test_where_it_was_kept_is_no_part_of_a_trial(tmp_path):
    assert Trial(1, A, directory=tmp_path) == Trial(1, A)


def test_prints_short():
    assert (
        str(Trial(2, A, "completed", {"acc": 0.97654321, "params": 1200}))
        == "trial 2 (completed): acc 0.976543, params 1200\nx  1"
    )
    assert (
        str(Trial(2, A, "failed", error="Traceback ...\nValueError: no\n")).splitlines()[0]
        == "trial 2 (failed): ValueError: no"
    )


def test_building_needs_the_space():
    space = SearchSpace({"x": Integer(1, 2)})
    with pytest.raises(
        StudyError, match=r"Trial 1 can't build a model: its space \(SearchSpace\) builds none"
    ):
        Trial(1, A, space=space).build()
    with pytest.raises(StudyError, match=r"Trial 1 can't load a model: its space \(NoneType\) builds none"):
        Trial(1, A).load()


class _Builds:
    def build(self, architecture, device=None, seed=None):
        return architecture, device, seed

    def load(self, architecture, path, device=None):
        return architecture, path.read_text(), device


def test_building_and_loading_ask_the_space(tmp_path):
    trial = Trial(1, A, directory=tmp_path, space=_Builds())
    assert trial.build("cpu", seed=3) == (A, "cpu", 3)
    with pytest.raises(
        StudyError, match=r"Trial 1 has no trained weights \(looked for .*weights.safetensors\)"
    ):
        trial.load()
    (tmp_path / "weights.safetensors").write_text("weights")
    assert trial.load("cpu") == (A, "weights", "cpu")
    with pytest.raises(StudyError, match=r"no trained weights \(looked for None\)"):
        Trial(1, A, space=_Builds()).load()


def test_a_proposal_is_a_value():
    assert Proposal(A) == Proposal(Architecture({"x": 1}), fidelity=None, parent=None)
    assert len({Proposal(A), Proposal(A), Proposal(A, fidelity=0.5)}) == 2


def test_a_run_has_random_numbers_of_its_own():
    space = SearchSpace({"x": Integer(1, 2)})
    numbers = Run(space, seed=5).rng.random(3)
    assert np.array_equal(numbers, Run(space, seed=5).rng.random(3))
    assert not np.array_equal(numbers, Run(space, seed=6).rng.random(3))
    run = Run(space)
    assert run.rng is run.rng


def test_a_run_reports_to_its_listener():
    heard = []
    run = Run(SearchSpace({}), listener=lambda metrics, step: heard.append((metrics, step)))
    run.report({"loss": 1.0}, step=2)
    run.report({"loss": 0.5})
    assert heard == [({"loss": 1.0}, 2), ({"loss": 0.5}, None)]
    Run(SearchSpace({})).report({"loss": 1.0})


# --- infeasible without metrics, and attempts


def test_an_infeasible_trial_has_metrics_or_a_reason():
    assert Trial(0, A, "infeasible", error="shapes do not fit").rejected
    assert not Trial(0, A, "infeasible", {"params": 1.0}).rejected
    with pytest.raises(StudyError, match="can't be infeasible with no metrics"):
        Trial(0, A, "infeasible")
    with pytest.raises(StudyError, match="can't be infeasible with {'params': nan}"):
        Trial(0, A, "infeasible", {"params": math.nan}, error="shapes do not fit")


def test_a_trial_that_starts_again_keeps_what_it_was():
    first = Trial(3, A, fidelity=2.0, parent=1, started=10.0).end(
        "failed", at=11.0, error="boom", progress=({"loss": 1.0},)
    )
    again = first.again("boom", at=20.0)
    assert again == Trial(3, A, fidelity=2.0, parent=1, started=20.0, attempts=(Attempt("boom", 10.0, 11.0),))
    lost = again.again("lost", at=30.0)
    assert [attempt.error for attempt in lost.attempts] == ["boom", "lost"]
    assert (lost.attempts[1].started, lost.attempts[1].ended) == (20.0, 30.0)
    assert lost.end("completed", at=31.0, metrics={"y": 1.0}).attempts == lost.attempts


def test_a_long_error_keeps_its_beginning_and_its_end():
    text = "begin" + "x" * 1_000_000 + "end"
    error = Trial(0, A).end("failed", at=1.0, error=text).error
    assert error.startswith("beginxxx")
    assert error.endswith("xxxend")
    assert "... 980,008 characters of this error are left out ..." in error
    assert len(error) < LONGEST_ERROR + 100
    assert bounded("short") == "short"
