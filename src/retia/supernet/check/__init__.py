"""Verification: whether every architecture of a supernet computes what its model built alone computes."""

from retia.supernet.check.architectures import starting_architecture
from retia.supernet.check.constants import compare_constants
from retia.supernet.check.outputs import compare_outputs
from retia.supernet.check.structure import Findings, compare_structure

__all__ = ["Findings", "compare_constants", "compare_outputs", "compare_structure", "starting_architecture"]
