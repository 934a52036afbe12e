"""Parameter importance: which choices a metric depends on."""

from collections.abc import Sequence

import numpy as np

from retia.errors import StudyError
from retia.study import Study
from retia.trial import Trial

__all__ = ["LEAST", "importance"]

LEAST = 4
"""The fewest completed trials from which importances can be estimated."""


def importance(study: Study, metric: str | None = None) -> dict[str, float]:
    """Return each parameter's share in explaining a metric, the greatest first; the shares add up to 1.

    A random forest predicts the metric from the encoded architectures; a parameter's share is the sum of its
    features' impurity decreases. Where the metric never varies, every share is 0. Few trials give a rough
    picture.

    Args:
        study: The study; its completed trials count. Of several fidelities the greatest counts that at least
            four of them had.
        metric: The metric to explain; the first objective if not given.

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
    """Return the trials of the greatest fidelity of which there are enough; all trials if there is no such
    fidelity.
    """
    for reached in sorted({trial.reached for trial in trials}, reverse=True):
        if len(found := [trial for trial in trials if trial.reached == reached]) >= LEAST:
            return found
    return trials
