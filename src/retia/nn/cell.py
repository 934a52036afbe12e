"""Cells: small graphs of operations, as in NASNet and DARTS."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from retia.errors import SpaceError
from retia.nn.factory import Candidates, Factory, construct
from retia.nn.loose_ends import loose_ends
from retia.nn.node import ElasticNode, Node, node_of_distinct_inputs, node_of_free_inputs
from retia.space import labelled, scope

__all__ = ["Cell", "Operations", "cell"]

Operations: TypeAlias = "Candidates | Callable[[int, int], Candidates]"
"""Candidates of every edge, or a function of node and predecessor that returns those of one edge."""


class Cell(nn.Module):
    """A graph of nodes over some inputs; the outputs of the nodes are concatenated.

    Attributes:
        outputs: Number of concatenated nodes. The cell has `outputs` times the channels of a node.
    """

    def __init__(
        self,
        preprocess: Sequence[nn.Module],
        nodes: Sequence[nn.Module],
        concat: Sequence[int],
        postprocess: nn.Module,
        *,
        outputs: int,
        dim: int,
    ) -> None:
        super().__init__()
        self.preprocess = nn.ModuleList(preprocess)
        self.nodes = nn.ModuleList(nodes)
        self.postprocess = postprocess
        self.concat = concat
        self.outputs = outputs
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        """Compute the nodes in order, concatenate them along `dim`, and apply the postprocessor.

        Raises:
            SpaceError: If the number of tensors differs from the number of inputs.
        """
        if len(inputs) != len(self.preprocess) or any(isinstance(one, list | tuple) for one in inputs):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            count = len(self.preprocess)
            got = ", ".join(type(one).__name__ for one in inputs) or "nothing"
            msg = (
                f"This cell is called with {count} tensors as separate arguments, got {got}. "
                f"Write cell({', '.join('ab'[:count]) if count < 3 else '*inputs'}), not cell([...])."
            )
            raise SpaceError(msg)
        states = [step(x) for step, x in zip(self.preprocess, inputs, strict=True)]
        for node in self.nodes:
            states.append(node(states))
        offset = len(inputs)
        return self.postprocess(torch.cat([states[offset + i] for i in self.concat], self.dim))


@labelled("cell('cell', [nn.Identity, lambda: nn.Conv2d(16, 16, 3, padding=1)])")
def cell(
    label: str,
    operations: Operations = (),
    *,
    nodes: int = 4,
    inputs: int = 2,
    operations_per_node: int = 2,
    distinct: bool = True,
    concat: Literal["all", "loose"] = "all",
    preprocess: Sequence[Factory] | None = None,
    postprocess: Callable[[int], nn.Module] | nn.Module | None = None,
    dim: int = 1,
) -> Cell:
    """Search a cell whose nodes sum operations on the cell's inputs and on preceding nodes.

    Cells with the same label in the same scope share their choices, so that a network stacks one cell.

    Args:
        label: Name of the cell, unique in its scope; its parameters are named `label/node/...`. A label
            that starts with "/" is shared by all scopes: `repeat("body", lambda i: cell("/c", ...), 4)`.
        operations: Candidates for every edge, as for `layer_choice`; or a function
            `(node, predecessor) -> candidates`. Predecessors 0 to `inputs - 1` are the cell's inputs.
        nodes: Number of nodes.
        inputs: Number of tensors that the cell is called with.
        operations_per_node: Number of operations that a node sums, at most one per predecessor if `distinct`.
        distinct: Whether the predecessors of a node's operations are distinct (DARTS): `label/node/inputs` is
            their set, and `label/node/op/predecessor` the operation on each. Otherwise (NASNet) operation `i`
            has the parameters `label/node/input/i` and `label/node/op/i`, and its order counts.
        concat: "all" concatenates all nodes; "loose" concatenates nodes that no other node uses.
        preprocess: Factories of the modules applied to the inputs, one per input. Default: identity.
        postprocess: Function of the number of concatenated nodes that makes the module applied to them, or a
            module, which is copied. Default: identity.
        dim: Dimension of the concatenation.

    Raises:
        SpaceError: If `nodes`, `inputs` or `operations_per_node` is below 1, `concat` is unknown, or
            `preprocess` has another length than `inputs`.

    References:
        Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, CVPR 2018, section 3.
        Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, section 2.1.
    """
    _validate(label, nodes, inputs, operations_per_node, concat, preprocess)
    steps = _preprocessors(label, inputs, preprocess)
    make = node_of_distinct_inputs if distinct else node_of_free_inputs
    built: list[Node | ElasticNode] = []
    for node in range(nodes):
        candidates = partial(operations, node) if callable(operations) else lambda _: operations
        with scope(label), scope(str(node)):
            built.append(make(inputs + node, operations_per_node, candidates))
    used = tuple(node.inputs for node in built)
    ends, outputs = (tuple(range(nodes)), nodes) if concat == "all" else loose_ends(inputs, used)
    last = _postprocessor(label, outputs, postprocess)
    return Cell(steps, built, ends, last, outputs=outputs, dim=dim)


def _validate(
    label: str,
    nodes: int,
    inputs: int,
    operations_per_node: int,
    concat: str,
    preprocess: Sequence[Factory] | None,
) -> None:
    if min(nodes, inputs, operations_per_node) < 1:
        counts = f"nodes={nodes}, inputs={inputs}, operations_per_node={operations_per_node}"
        msg = f"The cell '{label}' needs at least one node, input and operation per node, got {counts}."
        raise SpaceError(msg)
    if concat not in ("all", "loose"):
        msg = f"The concat of the cell '{label}' is 'all' or 'loose', got {concat!r}."
        raise SpaceError(msg)
    if preprocess is not None and len(preprocess) != inputs:
        msg = (
            f"The cell '{label}' has {inputs} inputs and needs as many preprocessors, got {len(preprocess)}."
        )
        raise SpaceError(msg)


def _preprocessors(label: str, inputs: int, preprocess: Sequence[Factory] | None) -> list[nn.Module]:
    modules: list[nn.Module] = []
    for i, factory in enumerate(preprocess or [nn.Identity] * inputs):
        with scope(label), scope("preprocess"), scope(str(i)):
            modules.append(construct(f"{label}/preprocess", i, factory))
    return modules


def _postprocessor(
    label: str, outputs: int, postprocess: Callable[[int], nn.Module] | nn.Module | None
) -> nn.Module:
    if postprocess is None:
        return nn.Identity()
    factory = postprocess if isinstance(postprocess, nn.Module) else partial(postprocess, outputs)
    with scope(label), scope("postprocess"):
        return construct(label, "postprocess", factory)
