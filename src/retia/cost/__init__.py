"""What a model costs: parameters, FLOPs, MACs; and a dry run that costs nothing."""

from retia.cost.costs import Costs
from retia.cost.count import Count, count, count_parameters
from retia.cost.dry_run import dry_run
from retia.cost.example import Example, ExampleLike

__all__ = ["Costs", "Count", "Example", "ExampleLike", "count", "count_parameters", "dry_run"]
