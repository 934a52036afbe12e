"""Costs of models: parameters, FLOPs and MACs; and dry runs on the `meta` device."""

from retia.cost.costs import Costs
from retia.cost.count import Count, count, count_parameters
from retia.cost.dry_run import dry_run
from retia.cost.example import Example, ExampleLike
from retia.cost.meta_copy import meta_copy
from retia.cost.module_flops import flops_by_module

__all__ = [
    "Costs",
    "Count",
    "Example",
    "ExampleLike",
    "count",
    "count_parameters",
    "dry_run",
    "flops_by_module",
    "meta_copy",
]
