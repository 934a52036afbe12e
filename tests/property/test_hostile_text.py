"""No command and no report writes a character that a reader does not see, whatever users and storages call
things.
"""

import io
import sqlite3
import tempfile
import warnings
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

import retia
from retia.cli import main
from retia.report import (
    Progress,
    RegretCurve,
    architecture_table,
    plot_importance,
    plot_pareto,
    plot_progress,
    plot_regret,
    space_table,
    summary,
    to_html,
    trials_table,
)
from retia.visible import visible, visible_lines

PARTS = (
    *(
        "\x1b[2J",
        "\x1b]0;t\x07",
        "\x9b",
        "\x7f",
        "\r",
        "\n",
        "\t",
        "\u200b",
        "\u202e",
        "\u2066",
        "\u2069",
        "\ufeff",
        "\u2028",
        "\u3164",
        "\ufe0f",
    ),
    *("[red]", "[/red]", "[", "]", "$", "$x$", "\\", "<b>", "&", "'", '"', "{}", ":smile:", "%s", "a", "b"),
)
HOSTILE = st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map(lambda parts: "x" + "".join(parts))
FEW = settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)


def studied(storage, label, value, metric, error, observer=None):
    """Return a study of six trials whose label, value, second metric and error are given; trial 1 fails."""
    space = retia.SearchSpace({label: retia.Categorical((1, value, "end")), "a": retia.Integer(1, 2)})

    @retia.architecture_evaluator
    def judge(architecture):
        if architecture["a"] == 2 and architecture[label] == 1:
            raise RuntimeError(f"{error}.")
        yield {"accuracy": float(architecture["a"]), metric: 2.0}
        yield {"accuracy": float(architecture["a"]) + (architecture[label] == 1), metric: 1.0}

    study = retia.Study(space, judge, maximize="accuracy", minimize=metric, storage=storage)
    study.run(retia.strategy.GridSearch(), trials=6, observer=observer)
    return study


def told(*command):
    result = CliRunner().invoke(main, [str(part) for part in command])
    assert result.exception is None or isinstance(result.exception, SystemExit), (
        f"{command}: {result.exception!r}"
    )
    assert result.exit_code in (0, 1)
    for text in (result.stdout, result.stderr):
        assert visible_lines(text) == text, command
    return result.stdout


def drawn(*renderables):
    console = Console(file=io.StringIO(), width=200)
    console.print(*renderables)
    return console.file.getvalue()


@FEW
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
@example("x[red]", "x\x1b[2J", "x[/red]\n", "x\u202e")
def test_every_listing_shows_labels_values_metrics_and_errors_escaped(label, value, metric, error):
    with tempfile.TemporaryDirectory() as folder:
        at = ("--storage", Path(folder, "s.db"))
        studied(at[1], label, value, metric, error)
        for extra in ((), ("--json",)):
            for command in (
                ("studies",),
                ("best",),
                ("show", 0),
                ("show", 1),
                ("trials", "--state", "failed"),
            ):
                told(*command, *at, *extra)
        told("plot", "--out", Path(folder, "plots"), *at)
        assert len(told("studies", *at).splitlines()) == 2
        listed = told("trials", *at)
        assert len(listed.splitlines()) == 7
        assert visible(f"{label}={value}") in listed
        assert visible(metric) in listed.splitlines()[0]
        assert visible(f"{metric}: 1") in told("show", 0, *at)
        assert " ".join(visible_lines(f"RuntimeError: {error}.").split()) in " ".join(
            told("show", 1, *at).split()
        )


@FEW
@given(HOSTILE)
def test_every_listing_shows_the_name_of_a_study_escaped(name):
    with tempfile.TemporaryDirectory() as folder:
        at = ("--storage", Path(folder, "s.db"))
        studied(at[1], "label", "value", "metric", "error")
        with sqlite3.connect(at[1]) as connection:  # another program may have written it
            connection.execute("update studies set name = ?", (name,))
        connection.close()
        assert visible(name) in told("studies", *at)
        for command in (("trials",), ("best",), ("show", 0), ("show", 99), ("trials", f"{name}?")):
            told(*command, *at)


@FEW
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
@example("x\udcff", "x\ud800", "x\udfff", "x")
def test_every_report_shows_text_escaped(label, value, metric, error):
    console = Console(file=io.StringIO(), width=200)
    with Progress(console, interval_s=0) as progress:
        study = studied(None, label, value, metric, error, observer=progress)
    architecture = study.trials[2].architecture
    texts = [
        console.file.getvalue(),
        drawn(
            summary(study), trials_table(study), trials_table(study, title=metric), space_table(study.space)
        ),
        drawn(architecture_table(architecture, space=study.space)),
        *(str(architecture), str(study.space)),
        *(to_html(study), study._repr_html_(), architecture._repr_html_(), study.space._repr_html_()),
    ]
    for text in texts:
        assert visible_lines(text) == text
    assert not any("<b>" in text.replace("<p><b>", "") for text in texts[-4:])


@FEW
@given(HOSTILE, HOSTILE, HOSTILE)
def test_every_plot_draws_text_escaped_and_not_as_a_formula(label, value, metric):
    study = studied(None, label, value, metric, "error")
    curve = RegretCurve(*np.ones((4, 2)))
    figures = [
        plot_progress(study, metric),
        plot_pareto(study),
        plot_importance(study, metric),
        plot_regret(metric, metric, {metric: curve}),
    ]
    for figure in figures:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")
            figure.savefig(io.BytesIO(), format="png", dpi=20)
        texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
        assert [text for text in texts if visible(text) != text] == []
        assert any(visible(metric).replace("$", r"\$") in text for text in texts)
