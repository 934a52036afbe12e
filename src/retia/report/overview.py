"""The outcome of a study as a JSON object."""

from typing import Any

from retia.report.gains import against_baseline, against_random
from retia.report.one_shot import one_shot_report
from retia.report.records import record
from retia.study import StudyResults

__all__ = ["overview"]


def overview(study: StudyResults) -> dict[str, Any]:
    """Return the outcome of a study as a JSON object, the output of `retia run --json`."""
    history = study.history
    baseline, random, found = against_baseline(study), against_random(study), one_shot_report(study)
    return {
        "name": study.name,
        "storage": study.storage,
        "objectives": [
            {"metric": objective.metric, "direction": objective.direction} for objective in study.objectives
        ],
        "constraints": [str(constraint) for constraint in study.constraints],
        "seed": study.seed,
        "trials": {state: history.count(state) for state in ("running", "completed", "failed", "infeasible")},
        "stop_reason": study.stop_reason,
        "best": None if history.best is None else record(history.best),
        "front": [record(trial) for trial in history.front],
        "against_baseline": None if baseline is None else baseline.to_json(),
        "against_random": None if random is None else random.to_json(),
        "one_shot": None if found is None else found.to_json(),
    }
