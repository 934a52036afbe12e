"""What a one-shot search was worth, on studies whose scores are known."""

import io
import json
import math

import pytest
from rich.console import Console

from retia.errors import StudyError
from retia.report import (
    one_shot_report,
    one_shot_table,
    overview,
    plot_one_shot,
    rank_correlation,
    save_plots,
    summary,
)
from retia.space import Integer, SearchSpace
from retia.strategy import Random
from retia.study import Study, architecture_evaluator, run_control, run_retrained
from retia.trial import Proposal, StrategyCapabilities

SPACE = SearchSpace({"x": Integer(0, 19)})


@architecture_evaluator
def alone(architecture):
    return {"score": float(architecture["x"])}


class OneShot:
    """Scores x by x + 100, but for 18 and 19, which it has the wrong way round; it proposes from the top
    down.
    """

    def __init__(self, entropies=(1.0, 0.8, 0.25)):
        self.entropies = entropies

    def prepare(self, evaluator, run):
        for epoch, entropy in enumerate(self.entropies, 1):
            run.report({"supernet_loss": 1.0, **({} if entropy is None else {"entropy": entropy})}, epoch)

        @architecture_evaluator
        def scored(architecture):
            x = architecture["x"]
            return {"score": 100.0 + {18: 19, 19: 18}.get(x, x), "parameter_free": x / 20}

        return scored

    def capabilities(self):
        return StrategyCapabilities(prepare=self.prepare, settings=lambda: {"type": "Method"})

    def propose(self, space, history, n, rng):
        order = ({"x": x} for x in (18, 19, *range(17, -1, -1)))
        return [Proposal(one) for one in map(space.validate, order) if history.find(one, None) is None][:n]


def searched(*, retrain=5, control=12, method=None, **more):
    study = Study(SPACE, alone, maximize="score", **more)
    study.run(method or OneShot(), trials=8)
    if retrain:
        run_retrained(study, retrain)
    if control:
        run_control(study, trials=control)
    return study


def text_of(table):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize(
    ("ours", "theirs", "tau"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3], [1, 3, 2], 1 / 3),  # two pairs alike, one turned
        ([1, 1, 2], [1, 2, 3], 2 / math.sqrt(2 * 3)),  # tau-b: a tie on one side
    ],
)
def test_kendalls_tau_of_a_few_pairs(ours, theirs, tau):
    one = rank_correlation("things", list(zip(ours, theirs, strict=True)))
    assert one.tau == pytest.approx(tau)
    assert one.interval is None


def test_the_interval_is_that_of_fieller_hartley_and_pearson():
    pairs = [(float(i), float(i)) for i in range(20)]
    pairs[0], pairs[19] = (0.0, 19.0), (19.0, 0.0)  # turns 37 of 190 pairs
    one = rank_correlation("things", pairs)
    assert one.tau == pytest.approx(1 - 2 * 37 / 190)
    half = 1.96 * math.sqrt(0.437 / 16)
    assert one.interval == pytest.approx(
        (math.tanh(math.atanh(one.tau) - half), math.tanh(math.atanh(one.tau) + half))
    )


def test_perfect_agreement_of_a_few_is_no_certainty():
    low, high = rank_correlation("things", [(float(i), float(i)) for i in range(6)]).interval
    assert high == pytest.approx(1.0)
    assert 0.2 < low < 0.8


def test_one_score_for_all_has_no_rank_correlation():
    one = rank_correlation("things", [(1.0, float(i)) for i in range(6)])
    assert math.isnan(one.tau)
    assert "whose scores are equal on one side" in str(one)


def test_everything_that_is_known_of_a_search():
    study = searched()
    found = one_shot_report(study)
    assert found.method == "Method"
    at_random, winners = found.correlations
    drawn = [trial.architecture["x"] for trial in study.control.trials]
    assert sorted(at_random.pairs) == sorted((100.0 + {18: 19, 19: 18}.get(x, x), float(x)) for x in drawn)
    # 18, 19, 17, 16 and 15 were retrained, and the baseline, 0: one of 15 pairs is turned.
    assert len(winners.pairs) == 6
    assert winners.tau == pytest.approx(1 - 2 / 15)
    (gain,) = found.against_random.gains
    assert (gain.value, gain.reference) == (19.0, max(drawn))
    assert found.trained == (6, 12)
    assert found.parameter_free == pytest.approx(
        19 / 20
    )  # of the architecture that is best alone, which is not the supernet's best
    assert found.parameter_free_at_random == pytest.approx(sum(drawn[1:]) / 20 / 11)
    assert found.entropy == ((1, 1.0), (2, 0.8), (3, 0.25))
    assert study.best.architecture == {"x": 18}


def test_the_table_answers_each_question():
    text = text_of(one_shot_table(searched()))
    assert "0.87 (95 %: " in text
    assert "among the 6 architectures that were retrained" in text
    assert "6 retrained after" in text
    assert "12 random in" in text
    assert "95% in the winner" in text
    assert "1.00 at first, 0.25 after 3 epochs" in text


def test_what_was_not_measured_says_how_to_measure_it():
    text = text_of(one_shot_table(searched(retrain=0, control=0, method=OneShot([None, None]))))
    assert "not measured; pass retrain=5, control=True to train models alone" in text
    assert "not compared; pass retrain=5, control=True" in text
    assert "Method samples without preference" in text
    assert (
        one_shot_report(searched(retrain=0)).against_random is None
    )  # the supernet's scores are no match for random search's


def test_it_is_part_of_every_report_of_a_stored_one_shot_search(tmp_path):
    searched(storage=tmp_path / "s.db")
    study = Study.open(tmp_path / "s.db")
    text = text_of(summary(study))
    assert "one-shot search with Method, by score" in text
    assert "retrained" in text
    told = json.loads(json.dumps(overview(study)))["one_shot"]
    assert [one["among"] for one in told["rank_correlations"]] == [
        "random architectures",
        "architectures that were retrained",
    ]
    assert told["entropy"][-1] == {"epoch": 3, "entropy": 0.25}
    assert (tmp_path / "plots" / "one_shot.png") in save_plots(study, tmp_path / "plots")


def test_the_plot_has_a_point_for_each_pair_and_the_entropy():
    figure = plot_one_shot(searched())
    scores, entropy = figure.axes
    assert [len(points.get_offsets()) for points in scores.collections] == [12, 6]
    assert entropy.lines[0].get_ydata().tolist() == [1.0, 0.8, 0.25]
    nothing = plot_one_shot(searched(retrain=0, control=0, method=OneShot([])))
    assert [text.get_text() for axes in nothing.axes for text in axes.texts] == [
        "no model was trained alone",
        "Method samples without preference",
    ]


def test_a_study_of_trained_models_has_no_one_shot_report():
    study = Study(SPACE, alone, maximize="score")
    study.run(Random(), trials=3)
    assert one_shot_report(study) is None
    assert overview(study)["one_shot"] is None
    for asked in (one_shot_table, plot_one_shot):
        with pytest.raises(StudyError, match="were not scored by a supernet"):
            asked(study)
