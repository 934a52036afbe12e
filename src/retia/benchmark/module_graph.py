"""The modules of NAS-Bench-101 as graphs: pruning, and a hash that isomorphic modules share."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from retia.errors import ArchitectureError

__all__ = ["INPUT", "OPERATIONS", "OUTPUT", "Module", "module_hash", "prune"]

INPUT, OUTPUT = "input", "output"
"""The labels of the first and the last vertex."""

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The operations of the other vertices, in the authors' order, which the hash depends on."""


@dataclass(frozen=True)
class Module:
    """A directed acyclic graph of V operations.

    Args:
        matrix: Upper triangular (V, V) matrix; a 1 is an edge from the row to the column.
        operations: The V operations, from "input" to "output".

    Raises:
        ArchitectureError: If `matrix` is not an upper triangular (V, V) matrix of 0 and 1, or an operation is
            unknown.
    """

    matrix: tuple[tuple[int, ...], ...]
    operations: tuple[str, ...]

    def __post_init__(self) -> None:
        size = len(self.operations)
        square = len(self.matrix) == size and all(len(row) == size for row in self.matrix)
        if not square or any(
            self.matrix[i][j] not in (0, 1) or (self.matrix[i][j] and j <= i)
            for i in range(size)
            for j in range(size)
        ):
            msg = (
                f"The matrix of a module of {size} operations must be an upper triangular {size} x {size} "
                f"matrix of 0 and 1, got {self.matrix}. Number the vertices so that edges lead to later ones."
            )
            raise ArchitectureError(msg)
        ends = (*self.operations[:1], *self.operations[-1:])
        if size < 2 or ends != (INPUT, OUTPUT) or any(one not in OPERATIONS for one in self.operations[1:-1]):
            msg = (
                f"The operations of a module must be 'input', some of {list(OPERATIONS)}, and 'output', "
                f"got {list(self.operations)}. Name the vertices like this."
            )
            raise ArchitectureError(msg)

    @property
    def edges(self) -> int:
        """The number of edges."""
        return sum(map(sum, self.matrix))


def prune(module: Module) -> Module | None:
    """Return the module without vertices off all paths from input to output; None if no path exists."""
    matrix, size = module.matrix, len(module.operations)
    forward, backward = {0}, {size - 1}
    for vertex in range(1, size):  # every edge leads to a later vertex, so one pass each way suffices
        if any(matrix[source][vertex] and source in forward for source in range(vertex)):
            forward.add(vertex)
    for vertex in range(size - 2, -1, -1):
        if any(matrix[vertex][target] and target in backward for target in range(vertex + 1, size)):
            backward.add(vertex)
    kept = sorted(forward & backward)
    if len(kept) == size:
        return module
    if len(kept) < 2:
        return None
    return Module(
        tuple(tuple(matrix[i][j] for j in kept) for i in kept), tuple(module.operations[i] for i in kept)
    )


def module_hash(module: Module) -> str:
    """Return the hash of a pruned module, 32 hexadecimal digits; isomorphic modules have the same hash.

    Every vertex starts with a hash of its degrees and its operation. As many times as there are vertices,
    it is hashed with the hashes of its neighbours.

    Reference:
        Ying et al., NAS-Bench-101: Towards Reproducible Neural Architecture Search, ICML 2019, section 2.2
        and the function `hash_module` of the authors' code, with equal hashes. Deviation: none.

    >>> module_hash(Module(((0, 1), (0, 0)), ("input", "output")))
    '043721b9c7fe8c5fad811d47d83132ec'
    """
    matrix, size = module.matrix, len(module.operations)
    labels = [-1, *(OPERATIONS.index(one) for one in module.operations[1:-1]), -2]
    sources = [[w for w in range(size) if matrix[w][v]] for v in range(size)]
    targets = [[w for w in range(size) if matrix[v][w]] for v in range(size)]
    hashes = [_md5(str((len(targets[v]), len(sources[v]), labels[v]))) for v in range(size)]
    for _ in range(size):
        hashes = [
            _md5(f"{_joined(hashes, sources[v])}|{_joined(hashes, targets[v])}|{hashes[v]}")
            for v in range(size)
        ]
    return _md5(str(sorted(hashes)))


def _joined(hashes: Sequence[str], vertices: Sequence[int]) -> str:
    return "".join(sorted([hashes[w] for w in vertices]))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
