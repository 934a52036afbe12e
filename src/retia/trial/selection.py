"""The selection of one trial of a Pareto front."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from retia.errors import StudyError
from retia.trial.objective import Constraint, ConstraintsLike, Objective, constraints_from
from retia.trial.trial import Trial

__all__ = ["pick"]


def pick(
    front: Sequence[Trial],
    objectives: Sequence[Objective],
    *,
    weights: Mapping[str, float] | None = None,
    bounds: ConstraintsLike = None,
) -> Trial:
    """Return one trial of a Pareto front: within bounds, by weights, or at its knee.

    The objectives are scaled over the front to the range from 0 (best) to 1 (worst), and the trial with the
    least weighted sum is returned. The knee is the trial with the least sum at equal weights. With bounds and
    without weights, only objectives without a bound count.

    Args:
        front: Completed trials.
        objectives: Objectives of the study.
        weights: Weight of each objective, at least 0; an objective that is not named has the weight 0.
        bounds: Constraints on any metrics of the trials, such as `"latency_ms <= 5"`.

    Raises:
        StudyError: If `front` is empty, no trial meets `bounds`, a bound is on a metric that the trials lack,
            or `weights` names another metric, or has a negative weight or only weights of 0.

    Reference:
        Das, On Characterizing the "Knee" of the Pareto Curve Based on Normal-Boundary Intersection, 1999.
        Deviation: the knee is one of the trials; the plane passes through the worst values on the front.
    """
    if not front:
        msg = (
            "There is no trial to pick from. Let the study run until a trial completes and meets the "
            "constraints."
        )
        raise StudyError(msg)
    constraints = constraints_from(bounds)
    within = _within(front, constraints)
    bounded = {constraint.metric for constraint in constraints}
    free = {one.metric: 1.0 for one in objectives if one.metric not in bounded}
    equal = free or {one.metric: 1.0 for one in objectives}
    chosen = equal if weights is None else _valid_weights(weights, objectives)
    losses = np.array([[one.loss(trial.metrics) for one in objectives] for trial in front])  # (N, M)
    low, span = losses.min(0), np.ptp(losses, axis=0)
    factors = np.array([chosen.get(one.metric, 0.0) for one in objectives]) / np.where(span > 0, span, 1.0)

    def order(trial: Trial) -> tuple[float, tuple[float, ...], int]:
        own = [one.loss(trial.metrics) for one in objectives]
        return float((np.array(own) - low) @ factors), tuple(own), trial.number

    return min(within, key=order)


def _within(front: Sequence[Trial], constraints: Sequence[Constraint]) -> list[Trial]:
    """Return the trials that meet the constraints, at least one."""
    for constraint in constraints:
        if lacking := next((trial for trial in front if constraint.metric not in trial.metrics), None):
            msg = (
                f"The bound '{constraint}' is on a metric that trial {lacking.number} lacks. "
                f"Bound one of its metrics: {sorted(lacking.metrics)}."
            )
            raise StudyError(msg)
    within = [trial for trial in front if all(one.holds(trial.metrics) for one in constraints)]
    if within:
        return within
    nearest = min(front, key=lambda trial: sum(one.violation(trial.metrics) for one in constraints))
    reached = ", ".join(f"{one.metric} {nearest.metrics[one.metric]:.6g}" for one in constraints)
    msg = (
        f"Not one of the {len(front)} trials meets {' and '.join(map(str, constraints))}. "
        f"The nearest trial has {reached}. Loosen the bound."
    )
    raise StudyError(msg)


def _valid_weights(weights: Mapping[str, float], objectives: Sequence[Objective]) -> Mapping[str, float]:
    """Return the weights, if they are valid."""
    names = [one.metric for one in objectives]
    if foreign := [name for name in weights if name not in names]:
        msg = f"A weight is for one of the objectives {names}, got one for '{foreign[0]}'. Remove it."
        raise StudyError(msg)
    if any(not (weight >= 0 and math.isfinite(weight)) for weight in weights.values()) or not any(
        weights.values()
    ):
        msg = f"Weights are numbers from 0 up, at least one above 0, got {dict(weights)}."
        raise StudyError(msg)
    return weights
