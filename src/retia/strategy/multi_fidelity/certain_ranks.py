"""Ranks in a rung that later trials can't improve."""

from collections.abc import Sequence

import numpy as np

from retia.trial import History, Trial

__all__ = ["certain_ranks"]


def certain_ranks(history: History, trials: Sequence[Trial]) -> list[int]:
    """Return for each completed trial the number of trials that rank before it, whatever trials follow.

    With one objective it is the rank. With several the order within a front may change, so only dominating
    trials and those at a higher step are counted.

    Args:
        history: The history of the trials.
        trials: The completed trials of a rung.
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
        further = losses[:, 0] < own[0]
        alike = losses[:, 0] == own[0]
        dominating = alike & (losses[:, 1:] <= own[1:]).all(1) & (losses[:, 1:] < own[1:]).any(1)
        ahead[trial.number] = int((further | dominating).sum())
    for place, trial in enumerate(history.ranked([trial for trial in trials if trial.number not in ahead])):
        ahead[trial.number] = len(good) + place
    return [ahead[trial.number] for trial in trials]
