"""The records of a search: proposals, trials, objectives, constraints and the history that strategies see."""

from retia.trial.attempt import Attempt, bounded
from retia.trial.history import History
from retia.trial.limits import Limits, TrialStopped
from retia.trial.objective import (
    Constraint,
    ConstraintsLike,
    Direction,
    Objective,
    constraints_from,
    objectives_from,
    reference_point,
)
from retia.trial.owner import check_owner, take_folder
from retia.trial.pareto import (
    crowded_order,
    crowding_distance,
    dominates,
    hypervolume,
    nondominated,
    nondominated_ranks,
)
from retia.trial.picking import pick
from retia.trial.proposal import Proposal
from retia.trial.run import CHECKPOINT, Parent, Run
from retia.trial.trial import STOPPED_STEP, WEIGHTS, Progress, State, Trial

__all__ = [
    "CHECKPOINT",
    "STOPPED_STEP",
    "WEIGHTS",
    "Attempt",
    "Constraint",
    "ConstraintsLike",
    "Direction",
    "History",
    "Limits",
    "Objective",
    "Parent",
    "Progress",
    "Proposal",
    "Run",
    "State",
    "Trial",
    "TrialStopped",
    "bounded",
    "check_owner",
    "constraints_from",
    "crowded_order",
    "crowding_distance",
    "dominates",
    "hypervolume",
    "nondominated",
    "nondominated_ranks",
    "objectives_from",
    "pick",
    "reference_point",
    "take_folder",
]
