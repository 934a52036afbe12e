import numpy as np
from matplotlib.figure import Figure

from retia.report import RegretCurve, plot_regret


def curve(*median):
    values = np.array(median, float)
    return RegretCurve(np.arange(1.0, len(values) + 1), values, values / 2, values * 2)


def drawn(axes):
    return {line.get_label(): line.get_ydata().tolist() for line in axes.get_lines()}


def test_both_plots_show_every_strategy_down_to_zero():
    curves = {"random": curve(3.0, 2.0, 1.0), "local": curve(2.0, 0.5, 0.0)}
    figure = plot_regret("cells", "valid_accuracy", curves, {"local": curve(np.nan, 0.0)})
    assert isinstance(figure, Figure)
    evaluations, hours = figure.axes
    assert drawn(evaluations) == {"random": [3.0, 2.0, 1.0], "local": [2.0, 0.5, 0.0]}
    assert evaluations.get_title(loc="left") == "cells"
    assert (evaluations.get_xlabel(), hours.get_xlabel()) == ("evaluations", "simulated hours")
    assert evaluations.get_ylabel() == "regret in valid_accuracy, median and quartiles"
    assert (evaluations.get_yscale(), evaluations.get_ylim()[0]) == ("symlog", 0.0)
    assert hours.get_yscale() == "linear"  # there is no regret to scale
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"random", "local"}
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_without_hours_there_is_one_plot_and_no_two_of_twelve_colours_are_alike():
    figure = plot_regret("cells", "accuracy", {str(i): curve(1.0, 0.1) for i in range(13)})
    (axes,) = figure.axes
    colours = [line.get_color() for line in axes.get_lines()]
    assert len(set(colours[:12])) == 12
    assert colours[12] == colours[0]


def test_where_hours_decide_there_is_one_plot_of_hours():
    figure = plot_regret("cells", "accuracy", {}, {"asha": curve(2.0, 1.0)})
    (axes,) = figure.axes
    assert axes.get_xlabel() == "simulated hours"
    assert drawn(axes) == {"asha": [2.0, 1.0]}
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"asha"}
