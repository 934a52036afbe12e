import pytest

from retia.errors import StudyError
from retia.report import plot_importance, plot_pareto, plot_progress, save_plots

PNG = b"\x89PNG\r\n\x1a\n"


def drawn(figure):
    """The lines and points of a figure's plot, by label."""
    (axes,) = figure.axes
    lines = {
        line.get_label(): [tuple(map(float, point)) for point in line.get_xydata()]
        for line in axes.get_lines()
    }
    dots = {
        dots.get_label(): [tuple(map(float, point)) for point in dots.get_offsets()]
        for dots in axes.collections
    }
    return {**lines, **dots}


def test_progress_shows_the_best_so_far_the_baseline_and_the_control(searched):
    figure = plot_progress(
        searched(against=[(0.3, 1.0), (0.8, 1.0), (0.1, 1.0), (0.1, 1.0), (0.1, 1.0)], minimize=None)
    )
    shapes = drawn(figure)
    assert shapes["known, best so far"] == [(1, 0.5), (2, 0.7), (5, 0.9), (5, 0.9)]
    assert shapes["random search, best so far"] == [(1, 0.3), (2, 0.8), (5, 0.8)]
    assert {y for _, y in shapes["baseline"]} == {0.5}
    assert shapes["trials"] == [(1, 0.5), (2, 0.7), (3, 0.7), (4, 0.6), (5, 0.9)]
    (axes,) = figure.axes
    assert axes.get_ylabel() == "accuracy (higher is better)"
    assert axes.get_xlabel() == "trials"


def test_progress_of_a_minimized_metric_goes_down(searched):
    shapes = drawn(plot_progress(searched(), "params"))
    assert shapes["known, best so far"] == [(1, 100), (4, 90), (5, 90)]


def test_failed_trials_count_but_are_not_drawn(searched):
    shapes = drawn(plot_progress(searched([(0.5, 1.0), None, (0.7, 1.0)], minimize=None)))
    assert shapes["trials"] == [(1, 0.5), (3, 0.7)]


def test_the_front_is_drawn_among_all_trials(searched):
    figure = plot_pareto(searched(against=[(0.3, 50.0), (0.8, 900.0), (0.2, 950.0)] * 2))
    shapes = drawn(figure)
    assert shapes["Pareto front"] == [(90, 0.6), (150, 0.7), (400, 0.9)]
    assert shapes["random search's front"] == [(50, 0.3), (900, 0.8)]
    assert len(shapes["trials"]) == 5
    assert shapes["baseline"] == [(100, 0.5)]
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "params (lower is better)",
        "accuracy (higher is better)",
    )


def test_the_axes_can_be_swapped(searched):
    (axes,) = plot_pareto(searched(), x="accuracy", y="params").axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "accuracy (higher is better)",
        "params (lower is better)",
    )
    (axes,) = plot_pareto(searched(), y="params").axes
    assert axes.get_xlabel() == "accuracy (higher is better)"


def test_values_over_decades_are_logarithmic(searched):
    figure = plot_pareto(searched([(0.5, 100.0), (0.7, 2000.0), (0.9, 90_000.0)]))
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_yscale() == "linear"
    assert axes.xaxis.get_major_formatter()(20_000, 0) == "20,000"
    (axes,) = plot_progress(searched([(0.5, 1.0), (0.7, 2000.0)], trials=2), "params").axes
    assert axes.get_yscale() == "log"


def test_importance_is_a_bar_for_each_parameter(searched):
    figure = plot_importance(searched(minimize=None))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([1, 0])
    (axes,) = plot_importance(searched(minimize=None), most=1).axes
    assert len(axes.patches) == 1


def test_plots_are_saved_as_far_as_there_is_something_to_plot(searched, tmp_path):
    paths = save_plots(searched(), tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["progress.png", "pareto.png", "importance.png"]
    assert all(path.read_bytes().startswith(PNG) for path in paths)
    assert [path.name for path in save_plots(searched([(0.5, 1.0)] * 3, minimize=None), tmp_path)] == [
        "progress.png"
    ]


def test_a_notebook_shows_a_plot(searched):
    assert plot_progress(searched())._repr_png_().startswith(PNG)


def test_pyplot_knows_nothing_of_the_plots(searched):
    from matplotlib import pyplot as plt

    plot_progress(searched())
    assert plt.get_fignums() == []


def test_a_front_needs_two_objectives(searched):
    with pytest.raises(
        StudyError,
        match=r"needs two objectives, study 'known' has one: maximize accuracy\. Use plot_progress",
    ):
        plot_pareto(searched(minimize=None))


def test_only_objectives_are_plotted(searched):
    with pytest.raises(
        StudyError,
        match=r"'loss' is not an objective of study 'known'\. Take one of \['accuracy', 'params'\]",
    ):
        plot_progress(searched(), "loss")
    with pytest.raises(StudyError, match="'loss' is not an objective"):
        plot_pareto(searched(), x="loss")


def test_nothing_to_plot_is_an_error(searched, tmp_path):
    with pytest.raises(StudyError, match="no feasible completed trial, so there is nothing to plot"):
        save_plots(searched([None] * 3), tmp_path / "none")
    assert not (tmp_path / "none").exists()
