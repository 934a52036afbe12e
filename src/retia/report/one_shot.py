"""The evidence for a one-shot search: rank correlation of the supernet, and comparison with random search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retia.report.gains import Gains, against_random, spent
from retia.report.number import duration
from retia.study import StudyResults
from retia.trial import Objective, Trial

__all__ = ["OneShotReport", "RankCorrelation", "one_shot_report", "rank_correlation"]

PARAMETER_FREE = "parameter_free"
LEAST = 5
"""The minimum number of pairs for a confidence interval."""


@dataclass(frozen=True)
class RankCorrelation:
    """The rank correlation of the supernet's scores and of training alone.

    Attributes:
        among: Description of the architectures.
        pairs: Score by the supernet and score when trained alone, for each architecture.
        tau: Kendall's tau-b, between -1 and 1; NaN if all scores of one side are equal.
        interval: 95 % confidence interval of tau; None for fewer than five pairs.
    """

    among: str
    pairs: tuple[tuple[float, float], ...]
    tau: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if math.isnan(self.tau):
            return f"unknown among the {len(self.pairs)} {self.among}, whose scores are equal on one side"
        known = (
            f" (95 %: {self.interval[0]:.2f} to {self.interval[1]:.2f})" if self.interval is not None else ""
        )
        return f"{self.tau:.2f}{known} among the {len(self.pairs)} {self.among}"


@dataclass(frozen=True)
class OneShotReport:
    """The evidence for a one-shot search.

    Attributes:
        method: Name of the method.
        objective: Objective of the ranks.
        correlations: Rank correlations of the supernet's scores and of models trained alone.
        against_random: Gains of the retrained winners over random search, if both were trained.
        trained: Numbers of retrained models, and of models trained by random search.
        seconds: Seconds of the whole search with retraining, and of random search.
        parameter_free: Share of the winner's layer choices whose candidate has no parameters; None in a space
            without layer choices.
        parameter_free_at_random: Mean of this share over random architectures.
        entropy: Mean entropy of the choices as a share of its maximum, by epoch; empty if the method does not
            learn choices.
    """

    method: str
    objective: Objective
    correlations: tuple[RankCorrelation, ...]
    against_random: Gains | None
    trained: tuple[int, int]
    seconds: tuple[float, float]
    parameter_free: float | None
    parameter_free_at_random: float | None
    entropy: tuple[tuple[float, float], ...]

    def rows(self) -> list[tuple[str, str]]:
        """Return questions and answers; an unknown answer says what to do."""
        rows = [("rank correlation", str(one)) for one in self.correlations] or [
            ("rank correlation", "not measured; pass retrain=5, control=True to train models alone")
        ]
        if self.against_random is None:
            rows.append(("random search", "not compared; pass retrain=5, control=True"))
        else:
            models, theirs = self.trained
            ours, random = map(duration, self.seconds)
            budget = f"{models} retrained after {ours} in all, {theirs} random in {random}"
            rows += [
                ("random search", f"{line}; {budget}" if i == 0 else line)
                for i, line in enumerate(self.against_random.lines())
            ]
        if self.parameter_free is not None:
            besides = (
                ""
                if self.parameter_free_at_random is None
                else f", {self.parameter_free_at_random:.0%} at random"
            )
            rows.append(("choices without parameters", f"{self.parameter_free:.0%} in the winner{besides}"))
        if self.entropy:
            (_, first), (epochs, last) = self.entropy[0], self.entropy[-1]
            rows.append(
                (
                    "entropy of the choices",
                    f"{first:.2f} at first, {last:.2f} after {epochs:g} epochs (1 is no preference)",
                )
            )
        else:
            rows.append(("entropy of the choices", f"{self.method} samples without preference"))
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "method": self.method,
            "metric": self.objective.metric,
            "rank_correlations": [
                {
                    "among": one.among,
                    "tau": None if math.isnan(one.tau) else one.tau,
                    "interval": one.interval,
                    "pairs": list(one.pairs),
                }
                for one in self.correlations
            ],
            "against_random": None if self.against_random is None else self.against_random.to_json(),
            "trained": {"retrained": self.trained[0], "random": self.trained[1]},
            "seconds": {"search": self.seconds[0], "random": self.seconds[1]},
            "parameter_free": {"winner": self.parameter_free, "random": self.parameter_free_at_random},
            "entropy": [{"epoch": epoch, "entropy": value} for epoch, value in self.entropy],
        }


def one_shot_report(study: StudyResults) -> OneShotReport | None:
    """Return the evidence for a one-shot search; None if no supernet scored the study's trials."""
    if study.prepared_by is None:
        return None
    objective = study.objectives[0]
    retrained, control, rescored = study.retrained, study.control, study.rescored
    correlations = [
        _correlation("random architectures", objective, rescored, control),
        _correlation("architectures that were retrained", objective, study, retrained),
    ]
    steps = study.preparation
    seconds = sum(step.seconds for step in steps) + _seconds(study) + _seconds(retrained)
    return OneShotReport(
        method=str(study.prepared_by.get("type")),
        objective=objective,
        correlations=tuple(one for one in correlations if one is not None),
        against_random=against_random(study),
        trained=(
            0 if retrained is None else len(spent(retrained)),
            0 if control is None else len(spent(control)),
        ),
        seconds=(seconds, _seconds(control)),
        parameter_free=_parameter_free(_winner(study)),
        parameter_free_at_random=None
        if rescored is None
        else _mean([share for one in rescored.trials[1:] if (share := _parameter_free(one)) is not None]),
        entropy=tuple((step.step, step.metrics["entropy"]) for step in steps if "entropy" in step.metrics),
    )


def rank_correlation(among: str, pairs: Sequence[tuple[float, float]]) -> RankCorrelation:
    """Return Kendall's tau-b of two scores with its 95 % confidence interval.

    The interval is tanh(artanh(tau) -+ 1.96 * sqrt(0.437 / (n - 4))) for n pairs.

    References:
        Kendall, The Treatment of Ties in Ranking Problems, Biometrika 1945 (tau-b).
        Fieller, Hartley and Pearson, Tests for Rank Correlation Coefficients I, Biometrika 1957 (interval).
        Deviation: artanh is infinite at a tau of 1 or -1, so one of the pairs is counted as half discordant.
    """
    from scipy.stats import kendalltau

    found: Any = kendalltau(*zip(*pairs, strict=True))
    tau = float(found.statistic)
    interval = None
    if len(pairs) >= LEAST and not math.isnan(tau):
        most = 1 - 2 / (len(pairs) * (len(pairs) - 1))
        middle, half = math.atanh(max(-most, min(most, tau))), 1.96 * math.sqrt(0.437 / (len(pairs) - 4))
        interval = (min(tau, math.tanh(middle - half)), max(tau, math.tanh(middle + half)))
    return RankCorrelation(among, tuple(pairs), tau, interval)


def _correlation(
    among: str, objective: Objective, supernet: StudyResults | None, alone: StudyResults | None
) -> RankCorrelation | None:
    if supernet is None or alone is None:
        return None
    pairs: list[tuple[float, float]] = []
    for trial in alone.trials:
        scored = supernet.history.find(trial.architecture, trial.fidelity)
        if trial.state == "completed" and scored is not None and scored.state == "completed":
            pairs.append((scored.metrics[objective.metric], trial.metrics[objective.metric]))
    return rank_correlation(among, pairs) if len(pairs) > 1 else None


def _winner(study: StudyResults) -> Trial | None:
    """Return the trial of the best retrained architecture, or the supernet's best if none was retrained."""
    retrained = study.retrained
    if retrained is not None and retrained.history.best is not None:
        return study.history.find(retrained.history.best.architecture, None)
    return study.history.best


def _parameter_free(trial: Trial | None) -> float | None:
    return None if trial is None else trial.metrics.get(PARAMETER_FREE)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _seconds(study: StudyResults | None) -> float:
    return 0.0 if study is None else sum(trial.seconds or 0.0 for trial in study.trials)
