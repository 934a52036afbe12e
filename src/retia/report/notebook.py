"""The HTML of a study in a notebook."""

import html

from retia.report.gains import against_baseline, against_random
from retia.report.number import architecture_line, duration, number
from retia.report.tables import metric_names, outcome
from retia.study import StudyResults
from retia.visible import visible

__all__ = ["to_html"]


def to_html(study: StudyResults) -> str:
    """Return the HTML of a study: the outcome, the front or the best trials, and the gains."""
    several = len(study.objectives) > 1
    trials = study.pareto if several else study.top(5)
    names = metric_names(study.objectives, trials)
    head = _row("th", ["trial", *names, "time", "architecture"])
    body = "".join(
        _row(
            "td",
            [
                str(trial.number),
                *(number(trial.metrics[name]) if name in trial.metrics else "" for name in names),
                "" if trial.seconds is None else duration(trial.seconds),
                architecture_line(trial.architecture),
            ],
        )
        for trial in trials
    )
    gains = "".join(
        f"<li>{html.escape(visible(line))}</li>"
        for comparison in (against_baseline(study), against_random(study))
        if comparison is not None
        for line in comparison.lines()
    )
    caption = "Pareto front" if several else "best trials"
    table = f"<table><caption>{caption}</caption>{head}{body}</table>"
    return f"<p><b>{html.escape(outcome(study))}</b></p>{table}<ul>{gains}</ul>"


def _row(cell: str, texts: list[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{html.escape(visible(text))}</{cell}>" for text in texts) + "</tr>"
