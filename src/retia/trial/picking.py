"""Picking one trial of a Pareto front."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from retia.errors import StudyError
from retia.trial.objective import ConstraintsLike, Objective, constraints_from
from retia.trial.trial import Trial

__all__ = ["pick"]


def pick(
    front: Sequence[Trial],
    objectives: Sequence[Objective],
    *,
    weights: Mapping[str, float] | None = None,
    bounds: ConstraintsLike = None,
) -> Trial:
    """Return one trial of a front: within bounds, by weights, or at its knee.

    Every objective is scaled over the front to lie between 0 (the front's best value) and 1 (its worst). By
    weights the trial with the least weighted sum is picked. The knee is the trial farthest from the plane
    through the ends of the front, towards the ideal point: the least sum of equal weights. With bounds, what
    misses one is left out; then, unless weights are given, what has no bound is what counts: the best trial
    by that objective, or the knee if there are several.

    Args:
        front: The trials to pick from, completed.
        objectives: What is better, and in which direction.
        weights: How much each objective counts, 0 where it is not named.
        bounds: What the trial must meet, such as `"latency_ms <= 5"`; on any metric.

    Raises:
        StudyError: If there is no trial, none is within the bounds, a bound is on a metric that the trials
            lack, or weights are not of the objectives, negative, or all 0.

    Reference:
        Das, On Characterizing the "Knee" of the Pareto Curve Based on Normal-Boundary Intersection, 1999.
        Deviation: of the points that were found, not of the curve; the plane is that through the worst values
        on the front.
    """
    if not front:
        msg = (
            "There is no trial to pick from. Let the study run until a trial completes and meets the "
            "constraints."
        )
        raise StudyError(msg)
    constraints = constraints_from(bounds)
    for constraint in constraints:
        if lacking := next((trial for trial in front if constraint.metric not in trial.metrics), None):
            msg = (
                f"The bound '{constraint}' is on a metric that trial {lacking.number} lacks. "
                f"It has {sorted(lacking.metrics)}."
            )
            raise StudyError(msg)
    within = [trial for trial in front if all(constraint.holds(trial.metrics) for constraint in constraints)]
    if not within:
        nearest = min(
            front, key=lambda trial: sum(constraint.violation(trial.metrics) for constraint in constraints)
        )
        reached = ", ".join(
            f"{constraint.metric} {nearest.metrics[constraint.metric]:.6g}" for constraint in constraints
        )
        msg = (
            f"None of the {len(front)} trials meets {' and '.join(map(str, constraints))}; "
            f"the nearest has {reached}. Loosen the bound."
        )
        raise StudyError(msg)
    bounded = {constraint.metric for constraint in constraints}
    free = {one.metric: 1.0 for one in objectives if one.metric not in bounded}
    chosen = (
        _checked(weights, objectives)
        if weights is not None
        else free or {one.metric: 1.0 for one in objectives}
    )
    losses = np.array([[one.loss(trial.metrics) for one in objectives] for trial in front])  # (N, M)
    low, span = losses.min(0), np.ptp(losses, axis=0)
    factors = np.array([chosen.get(one.metric, 0.0) for one in objectives]) / np.where(span > 0, span, 1.0)

    def order(trial: Trial) -> tuple[float, tuple[float, ...], int]:
        own = [one.loss(trial.metrics) for one in objectives]
        return float((np.array(own) - low) @ factors), tuple(own), trial.number

    return min(within, key=order)


def _checked(weights: Mapping[str, float], objectives: Sequence[Objective]) -> Mapping[str, float]:
    names = [one.metric for one in objectives]
    if foreign := [name for name in weights if name not in names]:
        msg = f"A weight is for one of the objectives {names}, got one for '{foreign[0]}'."
        raise StudyError(msg)
    if any(not (weight >= 0 and math.isfinite(weight)) for weight in weights.values()) or not any(
        weights.values()
    ):
        msg = f"Weights are numbers from 0 up, at least one above 0, got {dict(weights)}."
        raise StudyError(msg)
    return weights
