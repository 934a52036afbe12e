"""Parameter importance: the influence of the choices on a metric."""

from collections.abc import Sequence

import numpy as np

from retia.errors import StudyError
from retia.study import StudyResults
from retia.trial import Trial

__all__ = ["LEAST", "importance"]

LEAST = 4
"""The minimum number of completed trials for an estimate."""


def importance(study: StudyResults, metric: str | None = None) -> dict[str, float]:
    """Return the importance of each parameter for a metric, the greatest first; the sum is 1.

    A random forest predicts the metric from the encoded architectures. The importance of a parameter is the
    sum of the impurity decreases of its features; it is 0 if the metric is constant. Few trials give a rough
    estimate.

    Args:
        study: The study, whose completed trials are used, at the highest fidelity with at least four trials.
        metric: Name of the metric. Default: the first objective.

    Raises:
        StudyError: If fewer than four trials have completed with the metric.

    Reference:
        Breiman, Random Forests, 2001, section 10; Hutter et al., An Efficient Approach for Assessing
        Hyperparameter Importance, ICML 2014. Deviation: mean decrease in impurity, not functional ANOVA.
    """
    from sklearn.ensemble import RandomForestRegressor

    name = study.objectives[0].metric if metric is None else metric
    completed = [trial for trial in study.trials if trial.state == "completed"]
    known = _alike([trial for trial in completed if name in trial.metrics])
    if completed and not known:
        metrics = sorted({name for trial in completed for name in trial.metrics})
        msg = f"No trial of study '{study.name}' has the metric '{name}'. Take one of {metrics}."
        raise StudyError(msg)
    if len(known) < LEAST:
        msg = (
            f"Parameter importance needs at least {LEAST} completed trials, "
            f"study '{study.name}' has {len(known)} with '{name}'. Run more trials first."
        )
        raise StudyError(msg)
    features = np.stack([study.space.encode(trial.architecture) for trial in known])  # (N, F)
    targets = np.array([trial.metrics[name] for trial in known])  # (N,)
    forest = RandomForestRegressor(n_estimators=100, random_state=0).fit(features, targets)
    shares = dict.fromkeys(study.space.parameters, 0.0)
    for label, share in zip(study.space.feature_labels, forest.feature_importances_, strict=True):
        shares[label] += float(share)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _alike(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Return the trials at the highest fidelity that has enough of them, or all trials."""
    for reached in sorted({trial.reached for trial in trials}, reverse=True):
        if len(found := [trial for trial in trials if trial.reached == reached]) >= LEAST:
            return found
    return trials
