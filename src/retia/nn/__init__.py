"""Plain PyTorch with choices: layer choices, repeats, cells, and the model space that traces and builds
them.
"""

from retia.nn.batch import (
    Batch,
    Nest,
    arguments,
    inputs_of,
    map_tensors,
    move,
    run_on,
    sample_count,
    targets_of,
    tensors_of,
    with_inputs,
)
from retia.nn.cell import Cell, ElasticNode, Node, Operations, cell
from retia.nn.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from retia.nn.collection import uncollected
from retia.nn.elastic_sequential import ElasticSequential
from retia.nn.factory import Candidates, Factory
from retia.nn.input_choice import Reduction, SelectInputs, input_choice
from retia.nn.layer_choice import layer_choice
from retia.nn.misfit import is_misfit
from retia.nn.mixed_layer import MixedLayer
from retia.nn.mixture import Mixture, WeightedSum, weighted, weighted_sum
from retia.nn.model_space import ModelSpace
from retia.nn.parameter import parameter
from retia.nn.repeat import Depth, repeat
from retia.nn.resumption import Resumption, misfit_of, remove_unfinished
from retia.nn.seeding import seeded
from retia.nn.switch import Switch
from retia.nn.tensor_file import read_tensors, write_tensors, write_weights

__all__ = [
    "Batch",
    "Candidates",
    "Cell",
    "Depth",
    "ElasticNode",
    "ElasticSequential",
    "Factory",
    "MixedLayer",
    "Mixture",
    "ModelSpace",
    "Nest",
    "Node",
    "Operations",
    "Reduction",
    "Resumption",
    "SelectInputs",
    "Switch",
    "WeightedSum",
    "arguments",
    "cell",
    "input_choice",
    "inputs_of",
    "is_misfit",
    "layer_choice",
    "load_checkpoint",
    "map_tensors",
    "misfit_of",
    "move",
    "parameter",
    "read_checkpoint",
    "read_tensors",
    "remove_unfinished",
    "repeat",
    "run_on",
    "sample_count",
    "save_checkpoint",
    "seeded",
    "targets_of",
    "tensors_of",
    "uncollected",
    "weighted",
    "weighted_sum",
    "with_inputs",
    "write_tensors",
    "write_weights",
]
