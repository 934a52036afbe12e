"""The data and metrics of a preset."""

from collections.abc import Callable, Mapping

from torchmetrics import Metric

from retia.errors import EvaluationError
from retia.evaluate.data import Data, LoadedData, TensorData, as_data
from retia.evaluate.requirements import require_inputs
from retia.nn import Batch, Nest

__all__ = ["preset_data", "preset_metrics"]

_Metric = Metric | Callable[[], Metric]


def preset_data(
    inputs: Callable[[Batch], Nest], train: Data, valid: Data, test: Data | None
) -> dict[str, TensorData | LoadedData]:
    """Return the data by field of `Training`, without `test` if it is None.

    Raises:
        EvaluationError: If the data or the inputs of its first batch have no valid form.
    """
    data = {"train": as_data("train", train), "valid": as_data("valid", valid)}
    if test is not None:
        data["test"] = as_data("test", test)
    for name, one in data.items():
        require_inputs(name, inputs(one.first()))
    return data


def preset_metrics(
    preset: str, supplied: Mapping[str, _Metric], further: Mapping[str, _Metric] | None
) -> dict[str, _Metric]:
    """Return the metrics that a preset supplies, and the user's further ones.

    Raises:
        EvaluationError: If the name of a further metric is one that the preset supplies.
    """
    if clash := {*supplied} & {*(further or {})}:
        msg = (
            f"{preset} supplies {sorted(clash)} itself, so a metric in 'metrics' needs another name. "
            "Rename it."
        )
        raise EvaluationError(msg)
    return {**supplied, **(further or {})}
