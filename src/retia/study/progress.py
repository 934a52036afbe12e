"""Functions that yield their metrics, one report a step."""

from collections.abc import Generator
from typing import Any, cast

from retia.study.metrics import as_metrics
from retia.trial import Run

__all__ = ["last_result"]


def last_result(result: Any, run: Run | None) -> Any:
    """Return the result; of a generator what it returns or yields last, as far as the fidelity lets it go,
    reporting all it yields.
    """
    if not isinstance(result, Generator):
        return result
    last, step = None, 0
    while True:
        try:
            last = next(cast("Generator[Any]", result))
        except StopIteration as stop:
            return last if stop.value is None else stop.value
        step += 1
        if run is not None:
            step = max(step, run.resumed_step + 1)
            run.report(as_metrics(last, "A progress report"), step)
            if run.fidelity is not None and step >= round(run.fidelity):
                result.close()
                return last
