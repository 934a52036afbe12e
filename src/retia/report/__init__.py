"""Reports of a study: progress while it runs, tables, data rows, comparisons, plots. Knows no torch."""

from retia.report.comparison import Comparison, Gain, against_baseline, against_random
from retia.report.honesty import Honesty, RankCorrelation, honesty, rank_correlation
from retia.report.importance import importance
from retia.report.notebook import to_html
from retia.report.number import compact, duration, number
from retia.report.overview import overview
from retia.report.plots import plot_honesty, plot_importance, plot_pareto, plot_progress, save_plots
from retia.report.progress import Progress
from retia.report.records import record, records
from retia.report.regret import RegretCurve, plot_regret
from retia.report.tables import (
    architecture_table,
    honesty_table,
    metric_names,
    space_table,
    summary,
    trials_table,
)

__all__ = [
    "Comparison",
    "Gain",
    "Honesty",
    "Progress",
    "RankCorrelation",
    "RegretCurve",
    "against_baseline",
    "against_random",
    "architecture_table",
    "compact",
    "duration",
    "honesty",
    "honesty_table",
    "importance",
    "metric_names",
    "number",
    "overview",
    "plot_honesty",
    "plot_importance",
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
