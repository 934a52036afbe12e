"""The gains of a search over its baseline, and over random search with the same budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from retia.report.number import difference, logarithmic, number
from retia.study import StudyResults
from retia.trial import Objective, Trial, hypervolume

__all__ = [
    "Gain",
    "Gains",
    "against_baseline",
    "against_random",
    "at_highest_fidelity",
    "several_fidelities",
    "spent",
]


@dataclass(frozen=True)
class Gain:
    """The gain in one objective.

    Args:
        objective: Metric and direction.
        value: Best value of the search.
        trial: Number of the trial with `value`.
        reference: Value to compare with.
        reference_trial: Number of the trial with `reference`.
    """

    objective: Objective
    value: float
    trial: int
    reference: float
    reference_trial: int

    @property
    def gained(self) -> float:
        """The improvement of `value` over `reference`; negative if it is worse."""
        sign = 1.0 if self.objective.direction == "maximize" else -1.0
        return sign * (self.value - self.reference)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "metric": self.objective.metric,
            "direction": self.objective.direction,
            "value": self.value,
            "trial": self.trial,
            "reference": self.reference,
            "reference_trial": self.reference_trial,
            "gained": self.gained,
        }


@dataclass(frozen=True)
class Gains:
    """The gains of a search over a reference: its baseline, or random search.

    Args:
        against: Name of the reference.
        gains: Gain in each objective.
        budget: Number of trials of each side that are compared; None for the baseline.
        volumes: Hypervolumes of the search and of the reference with several objectives, as shares of the box
            between the best and the worst value of each objective. An objective whose values span more than
            a factor of 20 is measured by its logarithm.
        corner: Reference point of the hypervolumes: worst value of each objective, by metric.
        logarithms: Metrics that are measured by their logarithm.
        at_a_price: Gain over the baseline of the best trial in each objective, regardless of the others.
    """

    against: str
    gains: tuple[Gain, ...]
    budget: int | None = None
    volumes: tuple[float, float] | None = None
    corner: tuple[tuple[str, float], ...] = ()
    logarithms: tuple[str, ...] = ()
    at_a_price: tuple[Gain, ...] = ()

    def lines(self) -> list[str]:
        """Return the gains in words; losses are reported, too."""
        return self._against_random() if self.budget is not None else self._against_baseline()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "against": self.against,
            "budget": self.budget,
            "gains": [gain.to_json() for gain in self.gains],
            "at_a_price": [gain.to_json() for gain in self.at_a_price],
            "hypervolume": None
            if self.volumes is None
            else {
                "search": self.volumes[0],
                "reference": self.volumes[1],
                "corner": dict(self.corner),
                "logarithms": list(self.logarithms),
            },
        }

    def _against_baseline(self) -> list[str]:
        lines: list[str] = []
        for gain in self.gains:
            others = " or ".join(other.objective.metric for other in self.gains if other is not gain)
            if gain.gained > 0:
                kept = f", no worse in {others}" if others else ""
                lines.append(f"{_sentence(gain, self.against)}{kept} (trial {gain.trial})")
            else:
                kept = f" without losing {others}" if others else ""
                lines.append(
                    f"{gain.objective.metric}: nothing gained over {self.against} "
                    f"({number(gain.reference)}){kept}"
                )
            for extreme in self.at_a_price:
                if extreme.objective == gain.objective and extreme.gained > max(gain.gained, 0):
                    lines.append(
                        f"{extreme.objective.metric}: {number(extreme.value)} at best, "
                        f"worse in {others} (trial {extreme.trial})"
                    )
        return lines

    def _against_random(self) -> list[str]:
        lines: list[str] = []
        for gain in self.gains:
            metric = gain.objective.metric
            if gain.gained > 0:
                lines.append(f"{_sentence(gain, self.against)} (trial {gain.trial})")
            elif gain.gained < 0:
                lines.append(
                    f"{metric}: nothing gained, {self.against} did better ({number(gain.reference)}, "
                    f"here {number(gain.value)})"
                )
            else:
                lines.append(f"{metric}: nothing gained, {self.against} reached {number(gain.value)} too")
        if self.volumes is not None:
            ours, theirs = self.volumes
            verdict = "larger than" if ours > theirs else "smaller than" if ours < theirs else "the same as"
            corner = ", ".join(
                f"{metric} {number(value)}{' (by logarithm)' if metric in self.logarithms else ''}"
                for metric, value in self.corner
            )
            lines.append(
                f"front: hypervolume {verdict} random search's, {ours:.1%} against {theirs:.1%} "
                "(reference "
                f"point {corner}; 100% is the ideal)"
            )
        return lines


def against_baseline(study: StudyResults) -> Gains | None:
    """Return the gains over the baseline; None if the study has no completed baseline.

    The gain in an objective is that of the best trial that is not worse than the baseline in the others.
    """
    baseline = study.baseline_trial
    if baseline is None or baseline.state != "completed":
        return None
    history = study.history
    base = history.losses(baseline)
    gains: list[Gain] = []
    for m, objective in enumerate(study.objectives):
        no_worse: list[Trial] = []
        for trial in history.front:
            pairs = enumerate(zip(history.losses(trial), base, strict=True))
            if all(ours <= theirs for i, (ours, theirs) in pairs if i != m):
                no_worse.append(trial)
        best = min(
            no_worse, key=lambda trial, m=m: (history.losses(trial)[m], trial.number), default=baseline
        )
        gains.append(_gain(objective, best, baseline))
    several = len(gains) > 1 and history.front
    extremes = (
        _extreme_gain(one, study.objectives, history.front, [baseline]) for one in study.objectives if several
    )
    return Gains("the baseline", tuple(gains), at_a_price=tuple(extremes))


def against_random(study: StudyResults) -> Gains | None:
    """Return the gains over the study's random control; None without a control or without feasible trials.

    The same number of trials of each side is compared. If a supernet scored the trials, the retrained ones
    are compared with all trials of the control, which had the same time. If the trials have several
    fidelities, those at the highest fidelity are compared.
    """
    control = study.control
    searched = study if study.prepared_by is None else study.retrained
    if control is None or searched is None:
        return None
    ours, theirs = spent(searched), spent(control)
    alike = searched is study and not several_fidelities(study)
    budget = min(len(ours), len(theirs)) if alike else len(theirs)
    mine = at_highest_fidelity(
        [trial for trial in (ours[:budget] if alike else ours) if searched.history.feasible(trial)]
    )
    other = [trial for trial in theirs[:budget] if control.history.feasible(trial)]
    if not mine or not other:
        return None
    gains = tuple(_extreme_gain(objective, study.objectives, mine, other) for objective in study.objectives)
    if len(study.objectives) == 1:
        return Gains("random search", gains, budget=budget)
    return _with_volumes(Gains("random search", gains, budget=budget), mine, other)


def several_fidelities(study: StudyResults) -> bool:
    """Whether some trials of a study have a fidelity."""
    return any(trial.fidelity is not None for trial in study.trials)


def at_highest_fidelity(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials at the highest fidelity, whose metrics are comparable."""
    most = max((trial.reached for trial in trials), default=0.0)
    return [trial for trial in trials if trial.reached == most]


def spent(study: StudyResults) -> list[Trial]:
    """Return the trials that used budget: all completed and failed ones."""
    return [trial for trial in study.trials if trial.state in ("completed", "failed")]


def _extreme_gain(
    objective: Objective, objectives: Sequence[Objective], mine: Sequence[Trial], other: Sequence[Trial]
) -> Gain:
    """Compare the best trials by one objective; ties are broken by the other objectives, then the number."""

    def order(trial: Trial) -> tuple[float, ...]:
        return *(one.loss(trial.metrics) for one in (objective, *objectives)), trial.number

    return _gain(objective, min(mine, key=order), min(other, key=order))


def _gain(objective: Objective, trial: Trial, reference: Trial) -> Gain:
    value, compared = (one.metrics[objective.metric] for one in (trial, reference))
    return Gain(objective, value, trial.number, compared, reference.number)


def _with_volumes(comparison: Gains, mine: Sequence[Trial], other: Sequence[Trial]) -> Gains:
    """Add both hypervolumes, as shares of the box between the worst and the best values."""
    everything = [*mine, *other]
    shares: list[list[float]] = []  # (M, N): 0 for the best value of an objective, 1 for the worst
    corner: list[tuple[str, float]] = []
    logarithms: list[str] = []
    objectives = [gain.objective for gain in comparison.gains]
    for objective in objectives:
        values = [trial.metrics[objective.metric] for trial in everything]
        low, high = min(values), max(values)
        best, worst = (low, high) if objective.direction == "minimize" else (high, low)
        scale = math.log if logarithmic(values) else float
        span = scale(worst) - scale(best) or 1.0
        shares.append([(scale(value) - scale(best)) / span for value in values])
        corner.append((objective.metric, worst))
        logarithms += [objective.metric] if scale is math.log else []
    points = list(zip(*shares, strict=True))
    ours, theirs = (
        hypervolume(part, [1.0] * len(objectives)) for part in (points[: len(mine)], points[len(mine) :])
    )
    return replace(comparison, volumes=(ours, theirs), corner=tuple(corner), logarithms=tuple(logarithms))


def _sentence(gain: Gain, against: str) -> str:
    metric, amount = gain.objective.metric, difference(gain.value - gain.reference)
    if gain.objective.direction == "minimize" and gain.value > 0 and gain.reference / gain.value >= 1.2:
        return (
            f"{metric}: {number(gain.value)}, {gain.reference / gain.value:.1f} times less than {against} "
            f"({number(gain.reference)})"
        )
    word = "higher" if gain.objective.direction == "maximize" else "lower"
    return f"{metric}: {number(gain.value)}, {amount} {word} than {against} ({number(gain.reference)})"
