"""The trials that keep the weights of their models."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

from retia.space import SearchSpace
from retia.study.architecture_function import ArchitectureEvaluator
from retia.trial import WEIGHTS, Buildable, Evaluator, History, Trial, capabilities_of

__all__ = ["KEEP_WEIGHTS", "KeepWeights", "KeptWeights"]

KeepWeights: TypeAlias = Literal["none", "best", "front", "all"]
"""The trials of a study that keep the weights of their models."""

KEEP_WEIGHTS = ("none", "best", "front", "all")


@dataclass
class KeptWeights:
    """The weights on disk, of which it removes those that the study no longer keeps.

    Args:
        policy: "best" keeps the weights of the best trial, "front" those of the Pareto front and of its
            trials' parents. The weights that a running trial may start from are kept as well.
        history: Trials of the study.
    """

    policy: KeepWeights
    history: History
    _present: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self._present = {trial.number for trial in self.history if trial.state in ("completed", "failed")}

    @classmethod
    def of(
        cls, evaluator: Evaluator, space: SearchSpace, policy: KeepWeights, history: History
    ) -> Self | None:
        """Return what removes weights; None if nothing is to be removed.

        Where models inherit weights, all are kept: a strategy may derive an architecture from any trial.
        """
        models = isinstance(space, Buildable) and not isinstance(evaluator, ArchitectureEvaluator)
        kept = policy in ("none", "all") or capabilities_of(evaluator).inherits
        return None if kept or not models else cls(policy, history)

    def settle(self, ended: Trial, running: Iterable[Trial], spent: Collection[int], *, below: float) -> None:
        """Update the weights on disk after a trial has ended.

        Args:
            ended: Trial that has ended.
            running: Running trials.
            spent: Numbers of trials that the strategy no longer promotes.
            below: Fidelity below which the strategy promotes other trials; 0 if it promotes no trials.
        """
        if ended.state in ("completed", "failed"):
            self._present.add(ended.number)
        best = self.history.best
        front = list(self.history.front) if self.policy == "front" else [] if best is None else [best]
        fidelities = {number: self.history[number].fidelity for number in self._present - {*spent}}
        promotable = {
            number for number, fidelity in fidelities.items() if fidelity is not None and fidelity < below
        }
        wanted = {*promotable, *(trial.number for trial in front)}
        wanted.update(
            trial.parent
            for trial in (*running, *(front if self.policy == "front" else ()))
            if trial.parent is not None
        )
        wanted.update(
            before.number for trial in running if (before := self.history.continued(trial)) is not None
        )
        for number in self._present - wanted:
            if (directory := self.history[number].directory) is not None:
                (directory / WEIGHTS).unlink(missing_ok=True)
        self._present &= wanted
