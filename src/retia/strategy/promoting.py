"""Which trials will not be promoted any more."""

from collections.abc import Sequence

import numpy as np

from retia.trial import History, Trial

__all__ = ["surely_ahead"]


def surely_ahead(history: History, trials: Sequence[Trial]) -> list[int]:
    """Return for each completed trial of a rung how many of the others rank before it, and will whatever
    other trials come.

    With one objective that is its rank. With several the order within a front may change, but what dominates
    a trial stays before it.
    """
    if len(history.objectives) == 1:
        places = {trial.number: place for place, trial in enumerate(history.ranked(trials))}
        return [places[trial.number] for trial in trials]
    good = [trial for trial in trials if history.feasible(trial)]
    losses = np.array([(-trial.reached, *history.losses(trial)) for trial in good]).reshape(
        len(good), 1 + len(history.objectives)
    )
    ahead: dict[int, int] = {}
    for trial, own in zip(good, losses, strict=True):
        farther = losses[:, 0] < own[0]
        dominating = (
            (losses[:, 0] == own[0]) & (losses[:, 1:] <= own[1:]).all(1) & (losses[:, 1:] < own[1:]).any(1)
        )
        ahead[trial.number] = int((farther | dominating).sum())
    for place, trial in enumerate(history.ranked([trial for trial in trials if trial.number not in ahead])):
        ahead[trial.number] = len(good) + place
    return [ahead[trial.number] for trial in trials]
