"""The records of a search: proposals, trials, objectives, constraints and the history that strategies see."""

from retia.trial.attempt import Attempt, bounded
from retia.trial.buildable import Buildable, WeightKeeping
from retia.trial.capabilities import (
    Capabilities,
    StrategyCapabilities,
    capabilities_of,
    strategy_capabilities_of,
)
from retia.trial.evaluator import CostEvaluator, Evaluator
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
from retia.trial.owner import require_owner, take_folder
from retia.trial.pareto import (
    crowded_order,
    crowding_distance,
    dominates,
    hypervolume,
    nondominated,
    nondominated_ranks,
)
from retia.trial.proposal import Proposal
from retia.trial.run import CHECKPOINT, Parent, Run
from retia.trial.saved_weights import unsaved_is_a_warning
from retia.trial.selection import pick
from retia.trial.settings import as_json, fields_as_json, function_as_json, qualified_name
from retia.trial.trial import STOPPED_STEP, WEIGHTS, Progress, State, Trial

__all__ = [
    "CHECKPOINT",
    "STOPPED_STEP",
    "WEIGHTS",
    "Attempt",
    "Buildable",
    "Capabilities",
    "Constraint",
    "ConstraintsLike",
    "CostEvaluator",
    "Direction",
    "Evaluator",
    "History",
    "Limits",
    "Objective",
    "Parent",
    "Progress",
    "Proposal",
    "Run",
    "State",
    "StrategyCapabilities",
    "Trial",
    "TrialStopped",
    "WeightKeeping",
    "as_json",
    "bounded",
    "capabilities_of",
    "constraints_from",
    "crowded_order",
    "crowding_distance",
    "dominates",
    "fields_as_json",
    "function_as_json",
    "hypervolume",
    "nondominated",
    "nondominated_ranks",
    "objectives_from",
    "pick",
    "qualified_name",
    "reference_point",
    "require_owner",
    "strategy_capabilities_of",
    "take_folder",
    "unsaved_is_a_warning",
]
