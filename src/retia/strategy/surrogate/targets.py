"""The targets of predictors: losses without units."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from retia.trial import History, Trial

__all__ = ["normal_scores", "targets_of"]

Numbers = NDArray[np.float64]


def normal_scores(losses: Numbers) -> Numbers:
    """Return the normal quantiles of the ranks of losses, shape (N,); equal losses get equal scores.

    The scores have no unit, and no outliers, such as networks that diverged.

    >>> normal_scores(np.array([3.0, 900.0, 1.0])).round(2).tolist()
    [0.0, 0.97, -0.97]
    """
    _, places, counts = np.unique(losses, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - counts / 2  # the middle of each group of equals
    quantile = NormalDist().inv_cdf
    return np.array([quantile(share) for share in (ranks / len(losses)).tolist()])[places]


def targets_of(history: History, trials: Sequence[Trial], *, warp: bool) -> Numbers:
    """Return the targets of trials that have ended, shape (N, M): losses with mean 0 and deviation 1.

    With `warp`, infeasible trials rank after all feasible ones, by constraint violation, and failed or
    rejected trials rank last. Without it, all of these get the worst feasible loss.

    Args:
        history: The history of the trials.
        trials: N trials.
        warp: Whether to replace losses by their `normal_scores`.
    """
    good = np.array([history.feasible(trial) for trial in trials])
    raw = np.zeros((len(trials), len(history.objectives)))
    raw[good] = np.reshape(
        [history.losses(trial) for trial in trials if history.feasible(trial)], (-1, len(history.objectives))
    )
    if not good.all():
        worst = raw[good].max(0) if good.any() else 0.0
        violations = [np.inf if trial.state == "failed" else history.violation(trial) for trial in trials]
        places = np.unique(np.array(violations)[~good], return_inverse=True)[1] + 1
        raw[~good] = worst + places[:, None] * (1 + np.abs(worst)) * warp
    columns = [normal_scores(column) if warp else column for column in raw.T]
    return np.stack([_standardized(column) for column in columns], axis=1)


def _standardized(column: Numbers) -> Numbers:
    spread = column.std()
    varies = spread > 1e-12 * max(1.0, float(np.abs(column).max()))
    return (column - column.mean()) / (spread if varies else 1.0)
