"""Reports of a study without torch: progress, tables, data rows, gains and plots."""

from retia.report.gains import Gain, Gains, against_baseline, against_random
from retia.report.importance import importance
from retia.report.notebook import to_html
from retia.report.number import architecture_line, duration, number
from retia.report.one_shot import OneShotReport, RankCorrelation, one_shot_report, rank_correlation
from retia.report.overview import overview
from retia.report.plots import plot_importance, plot_one_shot, plot_pareto, plot_progress, save_plots
from retia.report.progress import Progress
from retia.report.records import record, records
from retia.report.regret import RegretCurve, plot_regret
from retia.report.tables import (
    architecture_table,
    metric_names,
    one_shot_table,
    space_table,
    summary,
    trials_table,
)

__all__ = [
    "Gain",
    "Gains",
    "OneShotReport",
    "Progress",
    "RankCorrelation",
    "RegretCurve",
    "against_baseline",
    "against_random",
    "architecture_line",
    "architecture_table",
    "duration",
    "importance",
    "metric_names",
    "number",
    "one_shot_report",
    "one_shot_table",
    "overview",
    "plot_importance",
    "plot_one_shot",
    "plot_pareto",
    "plot_progress",
    "plot_regret",
    "rank_correlation",
    "record",
    "records",
    "save_plots",
    "space_table",
    "summary",
    "to_html",
    "trials_table",
]
