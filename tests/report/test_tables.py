import io

from rich.console import Console

from retia.report import architecture_table, metric_names, space_table, summary, trials_table
from retia.space import Architecture, Categorical, Clause, Condition, Integer, Parameter, SearchSpace
from retia.study import Study, architecture_evaluator


def text(renderable, width=150):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def rows(renderable):
    return [
        line.split() for line in text(renderable).splitlines() if line.split() and line.split()[0].isdigit()
    ]


def test_the_summary_tells_the_outcome_the_front_and_the_gains(searched):
    out = text(summary(searched(against=[(0.4, 50.0), (0.8, 500.0)] * 3)))
    lines = [line.strip() for line in out.splitlines()]
    assert (
        lines[0]
        == "study 'known' (maximize accuracy, minimize params): 5 trials, 5 completed; stopped: trials done"
    )
    assert "Pareto front: 3 of 5 trials" in out
    assert [row[:3] for row in rows(summary(searched()))] == [
        ["4", "0.9", "400"],
        ["2", "0.7", "150"],
        ["3", "0.6", "90"],
    ]
    assert "gained over the baseline" in lines
    assert "gained over random search at the same budget, 5 trials each" in lines
    assert "accuracy: 0.9, 0.1 higher than random search (0.8) (trial 4)" in lines


def test_with_one_objective_the_best_trials_are_listed(searched):
    out = text(summary(searched(minimize=None)))
    assert "best trials" in out
    assert [row[0] for row in rows(summary(searched(minimize=None)))] == ["4", "1", "2", "3", "0"]
    assert "random search" not in out


def test_the_summary_of_a_study_without_a_result_says_why(searched):
    assert "no trial has completed, so there is no best one" in text(summary(searched([None] * 4)))
    assert "nothing to compare: the baseline is failed" in text(
        summary(searched([None, (0.5, 1.0)], trials=2))
    )
    bounded = searched([(0.5, 1.0)] * 3, constraints=["params <= 0.5"], trials=3)
    assert "no completed trial meets the constraints (params <= 0.5)" in text(summary(bounded))
    assert "(maximize accuracy, minimize params, params <= 0.5)" in text(summary(bounded))
    empty = Study(
        SearchSpace({"a": Integer(1, 2)}), architecture_evaluator(lambda a: 0.5), maximize="score", name="new"
    )
    assert text(summary(empty)).splitlines()[0] == "study 'new' (maximize score): 0 trials, 0 completed"


def test_trials_show_their_state_and_metrics_with_directions(searched):
    study = searched([(0.5, 100.0), None, (0.7, 150.0)])
    out = text(trials_table(study))
    assert "accuracy ↑" in out
    assert "params ↓" in out
    assert [row[:3] for row in rows(trials_table(study))] == [
        ["0", "completed", "0.5"],
        ["1", "failed", "0.0"],
        ["2", "completed", "0.7"],
    ]
    assert "a=1 b=x (baseline)" in out


def test_a_limit_shows_the_last_and_counts_the_rest(searched):
    out = trials_table(searched(), limit=2)
    assert [row[0] for row in rows(out)] == ["3", "4"]
    assert "the last 2 of 5 trials" in text(out)
    assert "the last" not in text(trials_table(searched(), limit=9))


def test_an_architecture_is_shown_with_what_else_it_could_be():
    space = SearchSpace({"width": Categorical((8, 16)), "lr": Integer(1, 9)})
    assert "of" not in text(architecture_table(Architecture({"width": 8}))).split()
    out = text(architecture_table(Architecture({"width": 8, "lr": 3}), space=space))
    assert ["width", "8", "{8,", "16}"] in [line.split() for line in out.splitlines()]
    assert ["lr", "3", "1..9"] in [line.split() for line in out.splitlines()]


def test_a_space_is_shown_with_conditions_and_restrictions():
    deep = Condition((((Clause("depth", frozenset({2})),)),))
    space = SearchSpace(
        [Parameter("depth", Integer(1, 2)), Parameter("kernel", Categorical((3, 5)), deep)]
    ).where(lambda a: True, "it fits")
    lines = [line.split() for line in text(space_table(space)).splitlines()]
    assert ["kernel", "{3,", "5}", "depth=2"] in lines
    assert ["depth", "1..2", "always"] in lines
    assert ["where", "it", "fits"] in lines


def test_text_in_brackets_is_no_markup():
    space = SearchSpace({"[red]kernel[/red]": Categorical(("[bold]",))})
    assert "[red]kernel[/red]" in text(space_table(space))
    assert "[bold]" in text(architecture_table(space.default(), space=space))


def test_the_objectives_come_first_among_the_metrics(searched):
    study = searched(maximize="params", minimize=None)
    assert metric_names(study.objectives, study.trials) == ["params", "accuracy"]


def test_a_study_reads_the_same_from_its_storage(searched, tmp_path):
    study = searched(storage=tmp_path / "s.db")
    opened = Study.open(tmp_path / "s.db", "known")
    assert opened.evaluator == study.spec.header(None).evaluator
    assert text(summary(opened)) == text(summary(study))
