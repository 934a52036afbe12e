"""What a search gained: over its baseline, and over random search at the same budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from retia.report.number import difference, logarithmic, number
from retia.study import Study
from retia.trial import Objective, Trial, hypervolume

__all__ = [
    "Comparison",
    "Gain",
    "against_baseline",
    "against_random",
    "farthest",
    "several_fidelities",
    "spent",
]


@dataclass(frozen=True)
class Gain:
    """One objective, here and there.

    Args:
        objective: The metric and its direction.
        value: The metric of `trial`, the best that the search found.
        trial: The number of that trial.
        reference: The metric that it is compared with.
        reference_trial: The number of the trial that has it.
    """

    objective: Objective
    value: float
    trial: int
    reference: float
    reference_trial: int

    @property
    def gained(self) -> float:
        """By how much the value is better than the reference; negative if it is worse."""
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
class Comparison:
    """A search beside something else.

    Args:
        against: What it is compared with.
        gains: One for each objective for which there is something to compare.
        budget: How many trials of either side count; None where the other side has one only.
        volumes: With several objectives, the hypervolumes of the two fronts, this search's first, as shares
            of the box between the best and the worst of each objective that either side has seen; an
            objective whose values span more than a factor of 20 is measured by its logarithm, as it is drawn.
        corner: The reference point of the hypervolumes: the worst value of each objective, by its metric.
        logarithms: The metrics that the hypervolumes measure by their logarithm.
        at_a_price: Against the baseline with several objectives: the best of each, whatever it costs in the
            others.
    """

    against: str
    gains: tuple[Gain, ...]
    budget: int | None = None
    volumes: tuple[float, float] | None = None
    corner: tuple[tuple[str, float], ...] = ()
    logarithms: tuple[str, ...] = ()
    at_a_price: tuple[Gain, ...] = ()

    def lines(self) -> list[str]:
        """Return the comparison in words, as plain about a loss as about a gain."""
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


def against_baseline(study: Study) -> Comparison | None:
    """Compare with the baseline: for each objective, the best trial that is no worse than the baseline in the
    others.

    Returns:
        None if the study has no completed baseline.
    """
    baseline = study.baseline_trial
    if baseline is None or baseline.state != "completed":
        return None
    history = study.history
    base = history.losses(baseline)
    gains: list[Gain] = []
    for m, objective in enumerate(study.objectives):
        no_worse = [
            trial
            for trial in history.front
            if all(
                ours <= theirs
                for i, (ours, theirs) in enumerate(zip(history.losses(trial), base, strict=True))
                if i != m
            )
        ]
        best = min(
            no_worse, key=lambda trial, m=m: (history.losses(trial)[m], trial.number), default=baseline
        )
        gains.append(
            Gain(
                objective,
                best.metrics[objective.metric],
                best.number,
                baseline.metrics[objective.metric],
                baseline.number,
            )
        )
    extremes = (
        tuple(
            _extreme_gain(objective, study.objectives, history.front, [baseline])
            for objective in study.objectives
        )
        if len(gains) > 1 and history.front
        else ()
    )
    return Comparison("the baseline", tuple(gains), at_a_price=extremes)


def against_random(study: Study) -> Comparison | None:
    """Compare with the random search that the study keeps as its control, each by its first trials, equally
    many.

    Where a supernet scored the trials, those that were retrained are compared with all of the control's,
    whose number follows from the seconds that the search took; where trials had different fidelities, those
    that went the farthest.

    Returns:
        None if there is no control, or either side has no feasible trial.
    """
    control = study.control
    searched = study if study.prepared_by is None else study.retrained
    if control is None or searched is None:
        return None
    ours, theirs = spent(searched), spent(control)
    alike = searched is study and not several_fidelities(study)
    budget = min(len(ours), len(theirs)) if alike else len(theirs)
    mine = farthest(
        [trial for trial in (ours[:budget] if alike else ours) if searched.history.feasible(trial)]
    )
    other = [trial for trial in theirs[:budget] if control.history.feasible(trial)]
    if not mine or not other:
        return None
    gains = tuple(_extreme_gain(objective, study.objectives, mine, other) for objective in study.objectives)
    if len(study.objectives) == 1:
        return Comparison("random search", gains, budget=budget)
    return _with_volumes(Comparison("random search", gains, budget=budget), mine, other)


def several_fidelities(study: Study) -> bool:
    """Whether some trials of a study had less than all fidelity."""
    return any(trial.fidelity is not None for trial in study.trials)


def farthest(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that went the farthest, whose metrics compare."""
    most = max((trial.reached for trial in trials), default=0.0)
    return [trial for trial in trials if trial.reached == most]


def spent(study: Study) -> list[Trial]:
    """Return the trials that used up budget, in order: the completed and the failed; an infeasible one was
    not evaluated.
    """
    return [trial for trial in study.trials if trial.state in ("completed", "failed")]


def _extreme_gain(
    objective: Objective, objectives: Sequence[Objective], mine: Sequence[Trial], other: Sequence[Trial]
) -> Gain:
    """Compare the best trials by one objective; ties go to the other objectives, so that each is on its
    side's front, and then to the earlier trial.
    """

    def order(trial: Trial) -> tuple[float, ...]:
        return *(one.loss(trial.metrics) for one in (objective, *objectives)), trial.number

    best, theirs = (min(trials, key=order) for trials in (mine, other))
    return Gain(
        objective,
        best.metrics[objective.metric],
        best.number,
        theirs.metrics[objective.metric],
        theirs.number,
    )


def _with_volumes(comparison: Comparison, mine: Sequence[Trial], other: Sequence[Trial]) -> Comparison:
    """Add both hypervolumes, as shares of the box between the worst and the best seen."""
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
