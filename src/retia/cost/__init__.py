"""What a model costs: parameters, FLOPs, MACs; and a dry run that costs nothing."""

from retia.cost.by_module import flops_by_module
from retia.cost.costs import Costs
from retia.cost.count import Count, count, count_parameters
from retia.cost.dry_run import dry_run
from retia.cost.example import Example, ExampleLike
from retia.cost.on_meta import on_meta

__all__ = [
    "Costs",
    "Count",
    "Example",
    "ExampleLike",
    "count",
    "count_parameters",
    "dry_run",
    "flops_by_module",
    "on_meta",
]
