"""Tabular benchmarks as spaces and evaluators, and comparisons of strategies on a simulated clock."""

from retia.benchmark.benchmark import Benchmark, Entry, TableCosts, TableEvaluator
from retia.benchmark.compact_table import compact
from retia.benchmark.comparison import Comparison, compare
from retia.benchmark.digits import digits, digits_space
from retia.benchmark.index import Grid, Index, Listing
from retia.benchmark.nasbench101 import nasbench101, nasbench101_architecture, nasbench101_module
from retia.benchmark.nasbench_macro import nasbench_macro
from retia.benchmark.natsbench import nasbench201, natsbench
from retia.benchmark.operator_latency import (
    OnceForAllOperators,
    OperatorLatency,
    once_for_all_latency,
    read_operators,
)
from retia.benchmark.records import ColumnRecords, Contents, Records
from retia.benchmark.seed_run import SeedRun
from retia.benchmark.simulation import Simulated, simulate
from retia.benchmark.standing import Spread, Standing
from retia.benchmark.statistics import Band, CriticalDifference, average_ranks, band, critical_difference
from retia.benchmark.table import read_table, table_of, write_table

__all__ = [
    "Band",
    "Benchmark",
    "ColumnRecords",
    "Comparison",
    "Contents",
    "CriticalDifference",
    "Entry",
    "Grid",
    "Index",
    "Listing",
    "OnceForAllOperators",
    "OperatorLatency",
    "Records",
    "SeedRun",
    "Simulated",
    "Spread",
    "Standing",
    "TableCosts",
    "TableEvaluator",
    "average_ranks",
    "band",
    "compact",
    "compare",
    "critical_difference",
    "digits",
    "digits_space",
    "nasbench101",
    "nasbench101_architecture",
    "nasbench101_module",
    "nasbench201",
    "nasbench_macro",
    "natsbench",
    "once_for_all_latency",
    "read_operators",
    "read_table",
    "simulate",
    "table_of",
    "write_table",
]
