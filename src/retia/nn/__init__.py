"""Choices between modules, and the model space that traces and builds a constructor with choices."""

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
from retia.nn.cell import Cell, cell
from retia.nn.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from retia.nn.elastic_sequential import ElasticSequential
from retia.nn.factory import Candidates
from retia.nn.garbage_collection import gc_paused
from retia.nn.input_choice import SelectInputs, input_choice
from retia.nn.layer_choice import layer_choice
from retia.nn.mixed_layer import MixedLayer
from retia.nn.mixture import Mixture, WeightedSum, weighted, weighted_sum
from retia.nn.model_space import ModelSpace
from retia.nn.node import ElasticNode, Node
from retia.nn.random_state import seeded
from retia.nn.repeat import repeat
from retia.nn.resumption import Resumption, misfit_of, remove_unfinished
from retia.nn.shape_error import is_shape_error
from retia.nn.switch import Switch
from retia.nn.tensor_file import read_tensors, write_tensors, write_weights
from retia.nn.tensor_parameter import tensor_parameter

__all__ = [
    "Batch",
    "Candidates",
    "Cell",
    "ElasticNode",
    "ElasticSequential",
    "MixedLayer",
    "Mixture",
    "ModelSpace",
    "Nest",
    "Node",
    "Resumption",
    "SelectInputs",
    "Switch",
    "WeightedSum",
    "arguments",
    "cell",
    "gc_paused",
    "input_choice",
    "inputs_of",
    "is_shape_error",
    "layer_choice",
    "load_checkpoint",
    "map_tensors",
    "misfit_of",
    "move",
    "read_checkpoint",
    "read_tensors",
    "remove_unfinished",
    "repeat",
    "run_on",
    "sample_count",
    "save_checkpoint",
    "seeded",
    "targets_of",
    "tensor_parameter",
    "tensors_of",
    "weighted",
    "weighted_sum",
    "with_inputs",
    "write_tensors",
    "write_weights",
]
