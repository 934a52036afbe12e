"""Studies that stand beside another one and say what it was worth."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal

from retia.errors import StudyError
from retia.rng import stream_seed
from retia.space import Architecture
from retia.storage import Database
from retia.strategy import Listed, Random
from retia.study.loop import TRIALS_DONE
from retia.study.stored_evaluator import StoredEvaluator
from retia.trial import Evaluator

if TYPE_CHECKING:
    from retia.study.study import Study

__all__ = ["COMPANIONS", "CONTROL", "RESCORED", "RETRAINED", "Companions", "only_name", "own_names"]

CONTROL = "random"
"""Random search with the study's own evaluator."""
RETRAINED = "retrained"
"""The study's best architectures, judged by its own evaluator."""
RESCORED = "rescored"
"""The architectures of the control, judged as the study's trials are."""
COMPANIONS = (CONTROL, RETRAINED, RESCORED)


def own_names(names: Collection[str]) -> list[str]:
    """Return those of the names in a storage that are no companion of another there.

    >>> own_names(["study", "study/random", "tree/random"])
    ['study', 'tree/random']
    """
    return [
        name
        for name in names
        if not any(
            name.endswith(f"/{kind}") and name.removesuffix(f"/{kind}") in names for kind in COMPANIONS
        )
    ]


def only_name(database: Database, storage: str) -> str:
    """Return the name of the only study in a storage.

    Raises:
        StudyError: If there are several, or none.
    """
    names = own_names(database.names())
    if len(names) != 1:
        msg = f"The storage '{storage}' holds {len(names)} studies: {names}. Say which: name=..."
        raise StudyError(msg)
    return names[0]


class Companions:
    """The companions of a study."""

    def __init__(self, study: "Study") -> None:
        self._study = study
        self._known: dict[str, Study] = {}

    def get(self, kind: str) -> "Study | None":
        """Return a companion, from the storage if it is not known; None if there is none."""
        name, storage = f"{self._study.name}/{kind}", self._study.storage
        if kind not in self._known and storage is not None and name in Database(storage).names():
            self._known[kind] = type(self._study).open(storage, name)
        return self._known.get(kind)

    def set(self, kind: str, companion: "Study") -> "Study":
        """Take up a companion."""
        self._known[kind] = companion
        return companion

    def run_control(self, scored_by: Evaluator, trials: int | None, **how: Any) -> "Study":
        """Run random search, and let the evaluator that scored the study's trials score what it tried, if
        that is another.
        """
        study = self._study
        seconds = self._seconds() if trials is None else None
        how["failures"] = self._failures()
        control = self._made(CONTROL, seed=stream_seed(study.seed, "control"))
        if seconds is None:
            control.run(Random(), trials=trials or _count(study), **how)
        else:
            self._spend(seconds, control, **how)
        known = [trial.architecture for trial in control.trials if trial.state == "completed"]
        if scored_by is not study.evaluator and known:
            self.rejudge(RESCORED, known, evaluator=scored_by, observer=how.get("observer"))
        return control

    def rejudge(
        self,
        kind: str,
        architectures: Sequence[Architecture],
        *,
        evaluator: Evaluator | None = None,
        **how: Any,
    ) -> "Study":
        """Judge the baseline and known architectures, by the study's own evaluator or another one."""
        companion = self._made(kind, **({} if evaluator is None else {"evaluator": evaluator}))
        everything = {companion.baseline, *architectures, *companion.history.architectures}
        how["failures"] = self._failures()
        companion.run(Listed(architectures), trials=len(everything), **how)
        return companion

    def _made(self, kind: str, **changes: Any) -> "Study":
        if (known := self._known.get(kind)) is not None and not isinstance(known.evaluator, StoredEvaluator):
            return known
        study = self._study
        directory = None if study.given_directory is None else study.given_directory / kind
        return self.set(kind, study.replace(name=f"{study.name}/{kind}", directory=directory, **changes))

    def _failures(self) -> Literal["raise", "ignore"]:
        """Return what the failure of a companion's baseline does: nothing if the study went on after that of
        its own.
        """
        baseline = self._study.baseline_trial
        return "ignore" if baseline is not None and baseline.state == "failed" else "raise"

    def _seconds(self) -> float | None:
        """Return how long a search took whose trials are not alike random search's: the preparation, the
        trials and the retraining.
        """
        study, retrained = self._study, self.get(RETRAINED)
        if study.prepared_by is None:
            return _spent(study) if any(trial.fidelity is not None for trial in study.trials) else None
        if retrained is None or not _spent(retrained):
            msg = (
                "Random search is to train models for as long as the search and the training of its "
                f"winners took, but no winner of '{study.name}' "
                f"has been trained. Call study.run_retrained(5) first, or give trials=."
            )
            raise StudyError(msg)
        return sum(step.seconds for step in study.preparation) + _spent(study) + _spent(retrained)

    def _spend(self, seconds: float, control: "Study", **how: Any) -> None:
        """Run random search for a time: as many trials as it allows by what a retrained one took, and then by
        what its own take.
        """
        timed = self.get(RETRAINED)
        while _spent(control) < seconds:
            each = 0.0 if timed is None else _spent(timed) / _count(timed)
            target = max(_count(control) + 1, round(seconds / each) if each else 0)
            if control.run(Random(), trials=target, **how) != TRIALS_DONE:
                break
            timed = control


def _count(study: "Study") -> int:
    return study.history.count("completed") + study.history.count("failed")


def _spent(study: "Study") -> float:
    return sum(trial.seconds or 0.0 for trial in study.trials)
