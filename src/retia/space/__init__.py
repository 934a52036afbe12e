"""What may vary: domains, architectures, expressions, declarations, search spaces. Knows no torch."""

from retia.space.architecture import Architecture
from retia.space.categorical import Categorical
from retia.space.condition import ALWAYS, Clause, Condition
from retia.space.deciding import condition_where, values_of
from retia.space.declare import apply, choice, declare, integer, real, scope, subset
from retia.space.domain import Domain, domain_from_json
from retia.space.explore import explore
from retia.space.expression import Call, Expression, Item, Operation, Reference, evaluate, labels_of
from retia.space.extremes import greatest, least
from retia.space.integer import Integer
from retia.space.neighbours import Neighbours
from retia.space.parameter import Parameter
from retia.space.ranking import cheapest
from retia.space.real import Real
from retia.space.recorder import Builder, Recorder, active_recorder
from retia.space.restriction import Restriction
from retia.space.search_space import SearchSpace
from retia.space.subset import Subset
from retia.space.symbolic import SymbolicFloat, SymbolicInt, SymbolicStr, SymbolicTuple, concrete, expression_of, lift, symbolic
from retia.space.tracer import Tracer
from retia.space.value import Value, freeze

__all__ = [
    "ALWAYS",
    "Architecture",
    "Builder",
    "Call",
    "Categorical",
    "Clause",
    "Condition",
    "Domain",
    "Expression",
    "Integer",
    "Item",
    "Neighbours",
    "Operation",
    "Parameter",
    "Real",
    "Recorder",
    "Reference",
    "Restriction",
    "SearchSpace",
    "Subset",
    "SymbolicFloat",
    "SymbolicInt",
    "SymbolicStr",
    "SymbolicTuple",
    "Tracer",
    "Value",
    "active_recorder",
    "apply",
    "cheapest",
    "choice",
    "concrete",
    "condition_where",
    "declare",
    "domain_from_json",
    "evaluate",
    "explore",
    "expression_of",
    "freeze",
    "greatest",
    "integer",
    "labels_of",
    "least",
    "lift",
    "real",
    "scope",
    "subset",
    "symbolic",
    "values_of",
]
