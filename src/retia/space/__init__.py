"""What may vary: domains, architectures, expressions, declarations, search spaces. No torch."""

from retia.space.architecture import Architecture
from retia.space.categorical import Categorical
from retia.space.condition import ALWAYS, Clause, Condition
from retia.space.declarations import apply, choice, declare, integer, real, scope, subset
from retia.space.domain import Domain, domain_from_json
from retia.space.exploration import explore
from retia.space.expression import (
    Call,
    Expression,
    Item,
    Operation,
    Reference,
    computable,
    evaluate,
    labels_of,
)
from retia.space.extremes import greatest, least
from retia.space.fitting_trace import fitting_trace
from retia.space.integer import Integer
from retia.space.label import labelled
from retia.space.neighbours import Neighbours
from retia.space.outcomes import condition_where, possible_values, values_of
from retia.space.parameter import Parameter
from retia.space.place import Place
from retia.space.ranking import cheapest
from retia.space.real import Real
from retia.space.recorder import Builder, Recorder, active_recorder
from retia.space.requirement import Requirement, reject, require
from retia.space.restriction import Restriction
from retia.space.search_space import SearchSpace
from retia.space.stray import Stray, as_code, strays_in, strays_of
from retia.space.subset import Subset
from retia.space.symbolic import (
    SymbolicBool,
    SymbolicFloat,
    SymbolicInt,
    SymbolicStr,
    SymbolicTuple,
    concrete,
    expression_of,
    lift,
    symbolic,
)
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
    "Place",
    "Real",
    "Recorder",
    "Reference",
    "Requirement",
    "Restriction",
    "SearchSpace",
    "Stray",
    "Subset",
    "SymbolicBool",
    "SymbolicFloat",
    "SymbolicInt",
    "SymbolicStr",
    "SymbolicTuple",
    "Tracer",
    "Value",
    "active_recorder",
    "apply",
    "as_code",
    "cheapest",
    "choice",
    "computable",
    "concrete",
    "condition_where",
    "declare",
    "domain_from_json",
    "evaluate",
    "explore",
    "expression_of",
    "fitting_trace",
    "freeze",
    "greatest",
    "integer",
    "labelled",
    "labels_of",
    "least",
    "lift",
    "possible_values",
    "real",
    "reject",
    "require",
    "scope",
    "strays_in",
    "strays_of",
    "subset",
    "symbolic",
    "values_of",
]
