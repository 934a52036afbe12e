import json
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from retia.benchmark import Benchmark, ColumnRecords, Comparison, Grid, SeedRun, Spread, compare, simulate
from retia.errors import EvaluationError, StudyError
from retia.execute import Processes
from retia.space import Architecture, Categorical, SearchSpace
from retia.strategy import GridSearch, Listed, LocalSearch, Random, RegularizedEvolution
from retia.trial import Proposal

LETTERS = ("x", "y", "z")


@pytest.fixture
def nine():
    """Nine architectures, from "xx" with 10 percent to "zz" with 90; the test accuracy is a tenth of that;
    each trains for an hour.
    """
    choices = np.array([[i, j] for i in range(3) for j in range(3)], np.int8)
    trained = {
        "valid_accuracy": 10.0 * np.arange(1, 10),
        "test_accuracy": np.arange(1.0, 10),
        "train_seconds": np.full(9, 3600.0),
    }
    space = SearchSpace({label: Categorical(LETTERS) for label in "ab"})
    return Benchmark(
        "nine",
        space,
        Grid(("a", "b"), LETTERS, choices),
        ColumnRecords({9: trained}, {}),
        9,
        {"dataset": "none"},
    )


def listed(*words):
    """Return what makes a strategy that proposes the given architectures in order."""
    return lambda: Listed([Architecture({"a": a, "b": b}) for a, b in words])


KNOWING = listed("zz", "xx", "xy", "xz")
CLIMBING = listed("xx", "yy", "zz", "xy")
IGNORANT = listed("xx", "xy", "xz", "yx")


@pytest.fixture
def three(nine):
    """Three strategies whose trials are known, over two seeds that make no difference."""
    return compare(
        nine, {"ignorant": IGNORANT, "climbing": CLIMBING, "knowing": KNOWING}, evaluations=4, seeds=2
    )


def test_a_strategy_that_knows_the_optimum_has_no_regret_and_is_first(three):
    best, climber, worst = (
        three.standings["knowing"],
        three.standings["climbing"],
        three.standings["ignorant"],
    )
    assert best.halfway == best.final == Spread(0.0, 0.0, 0.0, 0.0)
    assert (best.found, best.evaluations_to_optimum, best.test_accuracy) == (2, 1.0, 9.0)
    assert (climber.halfway.mean, climber.final.mean, climber.evaluations_to_optimum) == (40.0, 0.0, 3.0)
    assert (worst.halfway.mean, worst.final.mean, worst.found) == (70.0, 50.0, 0)
    assert math.isinf(worst.evaluations_to_optimum)
    assert worst.test_accuracy == 4.0
    assert [one.rank for one in three.standings.values()] == [3.0, 1.5, 1.5]


def test_bands_run_over_evaluations_and_over_hours(three):
    assert three.over_evaluations("climbing").median.tolist() == [80.0, 40.0, 0.0, 0.0]
    hours, band = three.over_hours("climbing", points=7)
    assert hours.tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    assert band.mean.tolist() == [80.0, 80.0, 40.0, 40.0, 0.0, 0.0, 0.0]


def test_workers_share_the_hours(nine):
    alone, together = (
        compare(nine, {"grid": GridSearch}, evaluations=8, seeds=1, workers=workers) for workers in (1, 4)
    )
    assert alone.runs["grid"][0].ended_s[-1] == 8 * 3600
    assert together.runs["grid"][0].ended_s[-1] == 2 * 3600
    assert "8 evaluations on 4 workers" in together.table()


def test_the_table_says_what_is_known(three):
    title, headings, *rows, friedman, groups = three.table().splitlines()
    assert title == "nine (dataset=none, epochs=9): regret in valid_accuracy, 2 seeds, 4 evaluations"
    assert (
        headings.split()
        == (
            "strategy mean@2 median@2 quartiles@2 mean@4 median@4 quartiles@4 to optimum found test rank "
            "propose"
        ).split()
    )
    assert rows[0].split()[:11] == [
        "ignorant",
        "70",
        "70",
        "70..70",
        "50",
        "50",
        "50..50",
        ">4",
        "0/2",
        "4.00",
        "3.00",
    ]
    assert rows[2].split()[:11] == ["knowing", "0", "0", "0..0", "0", "0", "0..0", "1", "2/2", "9.00", "1.50"]
    assert len({len(line) for line in (headings, *rows)}) == 1
    assert friedman.startswith(
        "Friedman test: p = 0.14. Critical difference of mean ranks: 2.34"
    )  # p = exp(-2): chi-squared of 4 with 2 degrees of freedom
    assert groups == "No significant difference within: climbing, knowing, ignorant."


def test_strategies_that_differ_every_time_are_told_apart(nine):
    factories = {"ignorant": IGNORANT, "middling": listed("xx", "yy", "xy", "xz"), "knowing": KNOWING}
    comparison = compare(nine, factories, evaluations=4, seeds=12)
    assert list(comparison.significance.ranks.items()) == [
        ("knowing", 1.0),
        ("middling", 2.0),
        ("ignorant", 3.0),
    ]
    assert comparison.significance.p == pytest.approx(math.exp(-12))
    assert comparison.significance.difference == pytest.approx(
        2.343 * math.sqrt(3 * 4 / (6 * 12)), rel=1e-3
    )  # Demsar 2006, table 5
    assert comparison.significance.groups == []
    assert comparison.table().endswith("All strategies differ significantly.")


def test_two_strategies_are_listed_without_a_test(nine):
    comparison = compare(nine, {"knowing": KNOWING, "ignorant": IGNORANT}, evaluations=4, seeds=2)
    assert comparison.significance is None
    assert comparison.to_json()["significance"] is None
    assert "Friedman" not in comparison.table()


def test_the_runs_are_those_of_a_simulation(nine):
    comparison = compare(nine, {"random": Random, "local": LocalSearch}, evaluations=5, seeds=3)
    for seed in range(3):
        assert (
            comparison.runs["local"][seed].regret.tolist()
            == simulate(nine, LocalSearch(), evaluations=5, seed=seed).regret().tolist()
        )
    assert comparison.seeds == 3
    assert len({tuple(run.regret) for run in comparison.runs["random"]}) > 1


def test_the_json_has_null_for_what_is_no_number(three):
    data = three.to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert (data["benchmark"], data["seeds"], data["evaluations"], data["halfway"]) == (
        {"benchmark": "nine", "dataset": "none", "epochs": 9},
        2,
        4,
        2,
    )
    assert list(data["strategies"]) == ["ignorant", "climbing", "knowing"]
    ignorant = data["strategies"]["ignorant"]
    assert ignorant["evaluations_to_optimum"] is None
    assert ignorant["final_by_seed"] == [50.0, 50.0]
    assert ignorant["final"] == {"mean": 50.0, "median": 50.0, "low": 50.0, "high": 50.0}
    assert ignorant["regret"]["median"] == [80.0, 70.0, 60.0, 50.0]


def without_times(comparison):
    """Return a comparison as JSON, without how long proposing took."""
    data = comparison.to_json()
    for one in data["strategies"].values():
        del one["propose_ms"]
    return data


def test_processes_change_nothing(nine):
    strategies = {"random": Random, "evolution": lambda: RegularizedEvolution(4, 2), "local": LocalSearch}
    here = compare(nine, strategies, evaluations=9, seeds=4)
    with Processes(2, threads=1) as executor:
        assert without_times(
            compare(nine, strategies, evaluations=9, seeds=4, executor=executor)
        ) == without_times(here)
    with ThreadPoolExecutor(2) as executor:
        assert without_times(
            compare(nine, strategies, evaluations=9, seeds=4, executor=executor)
        ) == without_times(here)


def test_progress_hears_of_every_run(nine):
    heard = []
    compare(
        nine,
        {"a": KNOWING, "b": IGNORANT},
        evaluations=4,
        seeds=2,
        progress=lambda run, ended, of: heard.append((run.strategy, run.seed, ended, of)),
    )
    assert heard == [("a", 0, 1, 4), ("a", 1, 2, 4), ("b", 0, 3, 4), ("b", 1, 4, 4)]


class Cheap:
    """Proposes everything, but after fewer epochs than count."""

    def propose(self, space, history, n, rng):
        return [
            Proposal(architecture, fidelity=3)
            for architecture in space.enumerate()
            if history.find(architecture, 3) is None
        ][:n]


def test_without_a_full_trial_there_is_no_regret_and_the_rank_is_last(tiny):
    comparison = compare(tiny, {"cheap": Cheap, "listed": listed("xx")}, evaluations=2, seeds=1)
    assert math.isnan(comparison.standings["cheap"].final.mean)
    assert [one.rank for one in comparison.standings.values()] == [2.0, 1.0]
    assert comparison.to_json()["strategies"]["cheap"]["final"]["mean"] is None
    assert comparison.table().splitlines()[2].split()[1:4] == ["-", "-", "-"]


def test_the_median_to_the_optimum_counts_seeds_that_never_found_it():
    def run(seed, regret):
        return SeedRun("one", seed, np.array(regret, float), np.full(4, np.nan), np.zeros(4), 0.0)

    regrets = ([3, 2, 0, 0], [3, 2, 1, 1], [0, 0, 0, 0])
    runs = tuple(run(seed, regret) for seed, regret in enumerate(regrets))
    assert Comparison({}, "accuracy", 4, 1, {"one": runs}).standings["one"].evaluations_to_optimum == 3.0
    assert math.isinf(
        Comparison({}, "accuracy", 4, 1, {"one": runs[:2]}).standings["one"].evaluations_to_optimum
    )


class Silent:
    def propose(self, space, history, n, rng):
        return []


def test_hours_decide_where_trials_take_different_times(nine):
    """The n-th architecture trains for n hours."""
    hours = 3600.0 * np.arange(1, 10)
    columns = ColumnRecords(
        {
            9: {
                "valid_accuracy": 10.0 * np.arange(1, 10),
                "test_accuracy": np.arange(1.0, 10),
                "train_seconds": hours,
            }
        },
        {},
    )
    growing = Benchmark("growing", nine.space, nine.index, columns, 9)
    comparison = compare(
        growing,
        {"grid": GridSearch, "knowing": listed("zz", "xx"), "late": listed("zx", "zz")},
        hours=10,
        seeds=2,
    )
    grid, knowing, late = comparison.standings.values()
    # After 5 hours two of the grid have ended, at 1 and 3, the better with 20; after 10 four, at 6 and 10,
    # with 40; a fifth would begin when time is up.
    assert (grid.halfway.mean, grid.final.mean, grid.trials) == (70.0, 50.0, 4)
    assert math.isnan(knowing.halfway.mean)  # the first trial ends after 9 hours
    assert (knowing.final.mean, knowing.found, knowing.hours_to_optimum, knowing.test_accuracy) == (
        0.0,
        2,
        9.0,
        9.0,
    )
    # The second trial of the last begins after 7 hours and ends after 16, which is too late.
    assert (late.final.mean, late.found, late.trials, late.test_accuracy) == (20.0, 0, 2, 7.0)
    assert math.isinf(late.evaluations_to_optimum)
    assert math.isinf(late.hours_to_optimum)
    assert [one.rank for one in comparison.standings.values()] == [3.0, 1.0, 2.0]
    title, headings, first, second, third, *_ = comparison.table().splitlines()
    assert title == "growing (epochs=9): regret in valid_accuracy, 2 seeds, 10 simulated hours"
    assert headings.split()[1:5] == ["mean@5", "h", "median@5", "h"]
    assert first.split()[1:7] == ["70", "70", "70..70", "50", "50", "50..50"]
    assert second.split()[7:10] == ["9", "h", "2/2"]
    assert third.split()[7:10] == [">10", "h", "0/2"]
    data = comparison.to_json()
    assert (data["hours"], data["evaluations"], data["halfway"]) == (10, None, 5)
    assert data["strategies"]["late"]["final_by_seed"] == [20.0, 20.0]
    at, band = comparison.over_hours("grid", points=10)
    assert at.tolist() == list(range(1, 11))
    assert band.median.tolist() == [80, 80, 70, 70, 70, 60, 60, 60, 60, 50]


def test_hours_and_evaluations_both_end_a_run(nine):
    comparison = compare(nine, {"grid": GridSearch}, hours=8, evaluations=3, seeds=1)
    assert comparison.standings["grid"].trials == 3
    assert comparison.standings["grid"].final.mean == 60.0


def test_several_objectives_are_compared_by_the_volume_that_is_lacking(nine):
    """Accuracies of 10 to 90, and as many latencies as accuracies: all nine are the front, stairs up to the
    worst corner (10, 9).
    """
    stairs = nine.join({"latency_ms": np.arange(1.0, 10.0)})
    strategies = {"grid": GridSearch, "middle": listed("yy", "yx", "xz")}
    comparison = compare(
        stairs, strategies, evaluations=9, seeds=2, maximize="valid_accuracy", minimize="latency_ms"
    )
    whole = sum(
        10 * (rank - 1) for rank in range(2, 9)
    )  # what the best row that is as quick is better than 10, for the latencies 2 to 9
    found = [
        0,
        10 * 7,
        10 * 7 + 10 * 6,
        10 * 7 + 10 * 6 + 10 * 5,
    ]  # each row is ten better than the one before, up to the latency of 9
    regrets = comparison.runs["grid"][1].regret
    assert regrets[:4].tolist() == pytest.approx([1 - one / whole for one in found])
    assert regrets[7] == 0
    assert (
        comparison.standings["grid"].evaluations_to_optimum == 8
    )  # the slowest has the worst latency, and adds nothing
    # Rows 5, 4 and 3: 40 above the worst over 4 ms, then 30 over one more, then 20 over one more.
    assert comparison.runs["middle"][0].regret.tolist() == pytest.approx(
        [1 - one / whole for one in (160, 190, 210)]
    )
    assert "regret in hypervolume of valid_accuracy, latency_ms, 2 seeds" in comparison.table()
    assert math.isnan(comparison.standings["grid"].test_accuracy)
    near = compare(
        stairs,
        {"grid": GridSearch},
        evaluations=3,
        seeds=1,
        maximize="valid_accuracy",
        minimize="latency_ms",
        reference={"valid_accuracy": 10, "latency_ms": 3},
    )
    assert (
        near.standings["grid"].evaluations_to_optimum == 2
    )  # of the volume up to 3 ms the second row has all


def test_one_objective_of_ones_own(nine):
    comparison = compare(
        nine.join({"latency_ms": np.arange(9.0, 0.0, -1)}),
        {"grid": GridSearch},
        evaluations=4,
        seeds=1,
        minimize="latency_ms",
    )
    assert comparison.runs["grid"][0].regret.tolist() == [8, 7, 6, 5]
    assert comparison.metric == "latency_ms"


def test_what_can_not_be_compared_is_refused(nine):
    for none in ([Random()], {"random": Random()}):
        with pytest.raises(
            EvaluationError,
            match=r"a name to a function that makes a fresh strategy for each seed, got .*Random\(uniform='choices'\)",
        ):
            compare(nine, none, evaluations=5)
    with pytest.raises(EvaluationError, match=r"at least one strategy and one seed, got \[\] and seeds=60"):
        compare(nine, {}, evaluations=4)
    with pytest.raises(EvaluationError, match="one seed, got .*seeds=0"):
        compare(nine, {"random": Random}, evaluations=4, seeds=0)
    with pytest.raises(EvaluationError, match="'silent' proposed nothing with seed 0"):
        compare(nine, {"silent": Silent}, evaluations=4, seeds=1)
    with pytest.raises(
        EvaluationError,
        match="needs a number of evaluations or positive hours, got evaluations=None, hours=None",
    ):
        compare(nine, {"random": Random}, seeds=1)
    with pytest.raises(
        EvaluationError,
        match="needs a number of evaluations or positive hours, got evaluations=None, hours=0",
    ):
        compare(nine, {"random": Random}, seeds=1, hours=0)
    with pytest.raises(
        EvaluationError,
        match=(
            "is the reference point of the hypervolume of several objectives, got {'params': "
            "1} for 'valid_accuracy' alone"
        ),
    ):
        compare(nine, {"random": Random}, evaluations=4, reference={"params": 1})
    with pytest.raises(EvaluationError, match="has the metrics .* got 'latency_ms'"):
        compare(nine, {"random": Random}, evaluations=4, minimize="latency_ms")
    both = {"maximize": ["valid_accuracy", "test_accuracy"], "evaluations": 4, "seeds": 1}
    with pytest.raises(StudyError, match="needs a value for every objective; 'test_accuracy' is missing"):
        compare(nine, {"random": Random}, **both, reference={"valid_accuracy": 1})
    with pytest.raises(
        EvaluationError,
        match=r"No row of <Benchmark 'nine'.* is better than the reference {'valid_accuracy': 90, 'test_accuracy': 9}",
    ):
        compare(nine, {"random": Random}, **both, reference={"valid_accuracy": 90, "test_accuracy": 9})
    with ThreadPoolExecutor(1) as executor, pytest.raises(EvaluationError, match="at least one evaluation"):
        compare(nine, {"random": Random}, evaluations=0, seeds=3, executor=executor)


def test_the_real_table_tells_evolution_and_local_search_from_chance(cells):
    strategies = {"random": Random, "evolution": lambda: RegularizedEvolution(50, 10), "local": LocalSearch}
    comparison = compare(cells, strategies, evaluations=200, seeds=12)
    random, evolution, local = comparison.standings.values()
    assert 0.4 < random.halfway.mean < 0.8  # 0.58 over many seeds
    assert 0.25 < random.final.mean < 0.55  # 0.39
    assert evolution.final.mean <= 0.15
    assert local.final.mean <= 0.12
    assert comparison.significance.p < 0.001
    assert all("random" not in group for group in comparison.significance.groups)
