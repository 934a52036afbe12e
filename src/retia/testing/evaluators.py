"""The laws of `Evaluator`, for any implementation.

Each law is a function of `make_evaluator`, which makes a new instance with the same arguments each time, and
of a space that the evaluator can judge:

    @pytest.mark.parametrize("law", EVALUATOR_LAWS, ids=lambda law: law.__name__)
    def test_evaluator(law):
        law(lambda: MyEvaluator(epochs=1), ModelSpace(Net))

`assert_laws(EVALUATOR_LAWS, make_evaluator, space)` checks all. A function such as `fit(model)` is adapted.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import cloudpickle

from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.strategy import Random
from retia.study import Study, as_evaluator
from retia.trial import Evaluator, Run, capabilities_of

__all__ = ["EVALUATOR_LAWS", "EvaluatorLaw", "MakeEvaluator"]

MakeEvaluator: TypeAlias = Callable[[], Any]
"""Makes a new evaluator, or returns a function that is adapted as one."""
EvaluatorLaw: TypeAlias = Callable[[MakeEvaluator, SearchSpace], None]
"""Raises AssertionError if an evaluator breaks the law on a space."""

MEASURED = ("_seconds", "_ms")
"""Units in names of metrics that are measured times, which differ from run to run."""


def metrics_are_finite_numbers(make_evaluator: MakeEvaluator, space: SearchSpace) -> None:
    """An evaluation returns at least one metric, and each is a finite number."""
    for architecture in _architectures(make_evaluator, space):
        metrics = _metrics(make_evaluator(), space, architecture)
        assert metrics, f"{dict(architecture)} has no metrics"
        for name, value in metrics.items():
            assert isinstance(name, str), f"the name of a metric is a string, got {name!r}"
            assert math.isfinite(value), f"'{name}' of {dict(architecture)} is {value}"


def the_same_trial_gives_the_same_metrics(make_evaluator: MakeEvaluator, space: SearchSpace) -> None:
    """The same architecture and seed give the same metrics, whatever the evaluator has judged before."""
    architectures = _architectures(make_evaluator, space)
    lived = make_evaluator()
    for architecture in (*architectures, *reversed(architectures)):
        found, fresh = (
            _deterministic(_metrics(one, space, architecture)) for one in (lived, make_evaluator())
        )
        assert found == fresh, f"{dict(architecture)} has the metrics {found}, by a new instance {fresh}"


def capabilities_are_true(make_evaluator: MakeEvaluator, space: SearchSpace) -> None:
    """The metrics, costs and settings are those that `capabilities()` names."""
    evaluator = as_evaluator(make_evaluator())
    abilities = capabilities_of(evaluator)
    architecture = _architectures(make_evaluator, space)[0]
    costs: set[str] = set()
    if abilities.costs is not None:
        costs = set(abilities.costs(architecture, Run(_searched(evaluator, space))))
        assert costs == set(abilities.costs.metrics), (
            f"the costs are {sorted(costs)}, and their evaluator names {sorted(abilities.costs.metrics)}"
        )
    if abilities.metrics is not None:
        found = set(_metrics(evaluator, space, architecture))
        assert found - costs == set(abilities.metrics) - costs, (
            f"it returned the metrics {sorted(found - costs)}, and names {sorted(abilities.metrics)}"
        )
    assert abilities.full_fidelity is None or abilities.full_fidelity > 0, (
        f"the full fidelity is above 0, got {abilities.full_fidelity}"
    )
    first, second = (_settings(make_evaluator()) for _ in range(2))
    assert first == second, f"the same arguments have the settings {first} and {second}"


def it_travels_to_a_worker(make_evaluator: MakeEvaluator, space: SearchSpace) -> None:
    """An unpickled copy, as a worker process gets it, gives the same metrics, also after an evaluation."""
    evaluator = as_evaluator(make_evaluator())
    (architecture, *_) = _architectures(make_evaluator, space)
    expected = _deterministic(_metrics(evaluator, space, architecture))
    copy = cloudpickle.loads(cloudpickle.dumps(evaluator))
    found = _deterministic(_metrics(copy, space, architecture))
    assert found == expected, f"a copy gives the metrics {found} instead of {expected}"


def a_study_of_it_ends(make_evaluator: MakeEvaluator, space: SearchSpace) -> None:
    """A study of a few trials completes."""
    (architecture, *_) = _architectures(make_evaluator, space)
    metric = next(iter(_metrics(make_evaluator(), space, architecture)))
    study = Study(space, make_evaluator(), maximize=metric)
    reason = study.run(Random(), trials=3)
    assert reason in ("trials done", "search space exhausted"), f"it stopped: {reason}"
    assert study.history.count("completed"), "no trial was completed"


EVALUATOR_LAWS: tuple[EvaluatorLaw, ...] = (
    metrics_are_finite_numbers,
    the_same_trial_gives_the_same_metrics,
    capabilities_are_true,
    it_travels_to_a_worker,
    a_study_of_it_ends,
)
"""What holds for every evaluator."""


def _architectures(make_evaluator: MakeEvaluator, space: SearchSpace) -> list[Architecture]:
    """Return the default and two random architectures, with the searched settings of the evaluator."""
    searched = _searched(make_evaluator(), space)
    rng = stream(0, "evaluator laws")
    return [searched.default(), *(searched.sample(rng) for _ in range(2))]


def _metrics(evaluator: Any, space: SearchSpace, architecture: Architecture) -> dict[str, float]:
    """Evaluate as a study does: with the trial's seed, for torch as well."""
    judge: Evaluator = as_evaluator(evaluator)
    run = Run(_searched(evaluator, space), seed=1)
    with space.seeded(run.seed):
        return {name: float(value) for name, value in judge(architecture, run).items()}


def _searched(evaluator: Any, space: SearchSpace) -> SearchSpace:
    """Return the space with the settings of an evaluator that are searched."""
    return space.extend(capabilities_of(as_evaluator(evaluator)).parameters)


def _deterministic(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not any(unit in name for unit in MEASURED)}


def _settings(evaluator: Any) -> str:
    settings = capabilities_of(as_evaluator(evaluator)).settings
    return json.dumps(settings and settings())
