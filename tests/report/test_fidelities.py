"""Reports of studies whose trials had different fidelities: what went the farthest is compared."""

import io
import time

import pytest
from rich.console import Console

from retia.report import against_random, importance, plot_progress, summary
from retia.space import Integer, SearchSpace
from retia.study import Study, run_control
from retia.trial import Capabilities, Proposal, StrategyCapabilities

SPACE = SearchSpace({"x": Integer(0, 9)})


class Evaluator:
    """A tenth of the fidelity looks better than all of it."""

    def capabilities(self):
        return Capabilities(full_fidelity=10.0)

    def __call__(self, architecture, run):
        time.sleep(0.001 * (run.fidelity or 10))
        return {"score": float(architecture["x"]) + (100 if run.fidelity else 0)}


class Halved:
    """Tries all at fidelity 1, and 8 and 9 at all of it."""

    def capabilities(self):
        return StrategyCapabilities(fidelities=(1.0, 10.0))

    def propose(self, space, history, n, rng):
        wanted = [Proposal(space.validate({"x": x}), fidelity=1.0) for x in range(10)] + [
            Proposal(space.validate({"x": x})) for x in (8, 9)
        ]
        return [one for one in wanted if history.find(one.architecture, one.fidelity) is None][:n]


@pytest.fixture
def study():
    one = Study(SPACE, Evaluator(), maximize="score")
    one.run(Halved(), trials=13)
    return one


def test_random_search_has_the_same_time_and_what_went_the_farthest_is_compared(study):
    control = run_control(study)
    assert len(control.trials) < 13  # each of its trials takes ten times as long as most of the study's
    assert sum(trial.seconds for trial in control.trials) == pytest.approx(
        sum(trial.seconds for trial in study.trials), rel=0.4
    )
    (gain,) = against_random(study).gains
    assert gain.value == 9.0  # and not 109
    assert gain.reference == max(trial.metrics["score"] for trial in control.trials)
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(summary(study))
    assert f"over random search in the same time, {len(control.trials)} trials" in console.export_text()


def test_the_best_so_far_is_one_of_all_fidelity(study):
    (line,) = [line for line in plot_progress(study).axes[0].lines if "best so far" in line.get_label()]
    assert max(line.get_ydata()) == 9.0


def test_importance_is_of_trials_alike(study):
    assert importance(study) == {"x": pytest.approx(1.0)}  # fidelity alone would explain most of the scores
