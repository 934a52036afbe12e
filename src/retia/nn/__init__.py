"""Plain PyTorch with choices: layer choices, repeats, cells, and the model space that traces and builds them."""

from retia.nn.cell import Cell, Node, Operations, cell
from retia.nn.factory import Candidates, Factory
from retia.nn.input_choice import Reduction, SelectInputs, input_choice
from retia.nn.layer_choice import layer_choice
from retia.nn.model_space import ModelSpace
from retia.nn.parameter import parameter
from retia.nn.repeat import Depth, repeat
from retia.nn.seeding import seeded

__all__ = [
    "Candidates",
    "Cell",
    "Depth",
    "Factory",
    "ModelSpace",
    "Node",
    "Operations",
    "Reduction",
    "SelectInputs",
    "cell",
    "input_choice",
    "layer_choice",
    "parameter",
    "repeat",
    "seeded",
]
