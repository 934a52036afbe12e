"""Studies that a study is compared with: random search, its winners retrained, random ones rescored.

They are kept in the same storage as `name/random`, `name/retrained` and `name/rescored`, and are read as
`study.control`, `study.retrained` and `study.rescored`.
"""

from collections.abc import Sequence
from typing import Any, Literal

from retia.errors import StudyError
from retia.rng import stream_seed
from retia.space import Architecture
from retia.strategy import Listed, Random
from retia.study.name import CONTROL, RESCORED, RETRAINED
from retia.study.no_result import no_result
from retia.study.results import StudyResults
from retia.study.study import Study
from retia.study.trial_loop import TRIALS_DONE

__all__ = ["run_control", "run_retrained"]


def run_control(study: Study, *, trials: int | None = None, **how: Any) -> Study:
    """Run random search at the same budget as a study, as `study.control`.

    It has the same baseline as trial 0, and another seed. If a supernet scored the study's
    trials, the supernet scores the random architectures as well, as `study.rescored`.

    Args:
        study: The study.
        trials: Number of trials. Default: that of the study; if a supernet scored its trials, or some were
            at a lower fidelity, as many as take the seconds of its preparation, trials and retraining.
        how: `workers`, `executor` and `observer` as in `Study.run`.

    Raises:
        StudyError: If a supernet scored the trials, `trials` is not given and no architecture was retrained;
            or as `Study.run`.
    """
    _require_evaluator(study)
    seconds = _seconds(study) if trials is None else None
    how["failures"] = _failures(study)
    control = _made(study, CONTROL, seed=stream_seed(study.seed, "control"))
    if seconds is None:
        control.run(Random(), trials=trials or _count(study), **how)
    else:
        _spend(seconds, control, study.retrained, **how)
    known = [trial.architecture for trial in control.trials if trial.state == "completed"]
    if study.scored_by is not study.spec.judge and known:
        _evaluate_again(study, RESCORED, known, evaluator=study.scored_by, observer=how.get("observer"))
    return control


def run_retrained(study: Study, k: int, **how: Any) -> Study:
    """Evaluate the `k` best architectures of a study again by its own evaluator, as `study.retrained`.

    After a one-shot search this trains them from scratch; both scores are kept. The baseline is trial 0 there
    too.

    Args:
        study: The study.
        k: Number of architectures.
        how: `workers`, `executor` and `observer` as in `Study.run`.

    Raises:
        StudyError: If the study has no feasible trial, or as `Study.run`.
    """
    _require_evaluator(study)
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = f"'k' must be a whole number of at least 1, got {k!r}. Write run_retrained(study, 5)."
        raise StudyError(msg)
    if not (winners := [trial.architecture for trial in study.top(k)]):
        raise StudyError(no_result(study.name, study.history))
    return _evaluate_again(study, RETRAINED, winners, **how)


def _require_evaluator(study: StudyResults) -> None:
    if not isinstance(study, Study):
        msg = (
            f"The stored study '{study.name}' has no evaluator to compare it with. "
            "Make it from its space and evaluator: retia.Study(space, evaluator, storage=..., name=...)."
        )
        raise StudyError(msg)


def _evaluate_again(study: Study, kind: str, architectures: Sequence[Architecture], **how: Any) -> Study:
    """Evaluate the baseline and known architectures, by the study's own evaluator or `how["evaluator"]`."""
    changes = {"evaluator": how.pop("evaluator")} if "evaluator" in how else {}
    companion = _made(study, kind, **changes)
    everything = {companion.baseline, *architectures, *companion.history.architectures}
    how["failures"] = _failures(study)
    companion.run(Listed(architectures), trials=len(everything), **how)
    return companion


def _made(study: Study, kind: str, **changes: Any) -> Study:
    """Return a companion that can run, and remember it in `study.companions`."""
    known = study.companions.get(kind)
    if isinstance(known, Study):
        return known
    directory = None if study.spec.directory is None else study.spec.directory / kind
    made = study.replace(name=f"{study.name}/{kind}", directory=directory, **changes)
    study.companions[kind] = made
    return made


def _failures(study: Study) -> Literal["raise", "ignore"]:
    """Return "ignore" if the study went on after the failure of its own baseline."""
    baseline = study.baseline_trial
    return "ignore" if baseline is not None and baseline.state == "failed" else "raise"


def _seconds(study: Study) -> float | None:
    """Return the seconds of the preparation, the trials and the retraining of a study.

    None if its trials are as long as those of random search, so that their numbers can be compared.
    """
    if study.prepared_by is None:
        return _spent(study) if any(trial.fidelity is not None for trial in study.trials) else None
    if study.retrained is None or not _spent(study.retrained):
        msg = (
            f"Can't match the budget of '{study.name}': no architecture was retrained, so it is not known "
            "how long the search and the training of its winners take. Call run_retrained(study, 5) first, "
            "or give trials=."
        )
        raise StudyError(msg)
    return sum(step.seconds for step in study.preparation) + _spent(study) + _spent(study.retrained)


def _spend(seconds: float, control: Study, timed: StudyResults | None, **how: Any) -> None:
    """Run random search for a time.

    The number of trials follows from the mean seconds of a trial: first of those of `timed`, of which half
    are run, and then of its own.
    """
    rate, share = (0.0, 1.0) if timed is None else (_spent(timed) / _count(timed), 0.5)
    while (left := seconds - _spent(control)) > 0:
        more = max(1, round(share * left / rate)) if rate else 1
        if control.run(Random(), trials=_count(control) + more, **how) != TRIALS_DONE:
            break
        rate, share = _spent(control) / _count(control), 1.0


def _count(study: StudyResults) -> int:
    return study.history.count("completed") + study.history.count("failed")


def _spent(study: StudyResults) -> float:
    return sum(trial.seconds or 0.0 for trial in study.trials)
