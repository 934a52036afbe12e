"""What a proposal costs does not grow with the history: the steps of the interpreter and the memory are
counted, not the time.
"""

import sys
import tracemalloc

import numpy as np
import pytest

from retia.rng import stream
from retia.space import Categorical, SearchSpace
from retia.strategy import (
    ASHA,
    CMAES,
    NSGA2,
    Fallback,
    Filtered,
    Hyperband,
    LocalSearch,
    MedianStop,
    NetworkMorphism,
    Prior,
    Random,
    RegularizedEvolution,
    Screened,
    SuccessiveHalving,
    WarmStarted,
)
from retia.trial import Constraint, History, Objective, Trial

SPACE = SearchSpace({f"op{i}": Categorical(tuple("abcdef")) for i in range(12)})
FIDELITIES = (1, 3, 9)
FEW, MANY = 200, 2_000

MAKE = {
    "random": Random,
    "evolution": RegularizedEvolution,
    "nsga2": NSGA2,
    "local search": LocalSearch,
    "local search, best": lambda: LocalSearch(move="best"),
    "network morphism": NetworkMorphism,
    "cma-es": CMAES,
    "asha": lambda: ASHA(Random(), fidelities=FIDELITIES),
    "halving": lambda: SuccessiveHalving(Random(), fidelities=FIDELITIES),
    "hyperband": lambda: Hyperband(Random(), fidelities=FIDELITIES),
    "median stop": lambda: MedianStop(Random()),
    "screened": lambda: Screened(Random(), len),
    "filtered": lambda: Filtered(Random(), lambda one: one["op0"] != "a"),
    "prior": lambda: Prior(Random(), {"*": lambda _: 1.0}),
    "warm-started": lambda: WarmStarted(Random(), [SPACE.default()]),
    "fallback": lambda: Fallback(Random()),
}
MULTI_FIDELITY = ("asha", "halving", "hyperband")


def trial(number, architecture, metrics, *, fidelity=None, parent=None, state="completed"):
    progress = ({"y": metrics.get("y", 0.0), "step": 1.0},)
    return Trial(number, architecture, state, metrics, fidelity, parent, progress=progress)


def history_of(count, *, objectives, fidelity, state):
    constraints = [Constraint("params", upper=1)] if state == "infeasible" else []
    history = History([Objective(name, "minimize") for name in ("y", "z")[:objectives]], constraints)
    rng = np.random.default_rng(0)
    for number in range(count):
        metrics = (
            {"params": 2 + rng.random()} if state == "infeasible" else {"y": rng.random(), "z": rng.random()}
        )
        history.record(trial(number, SPACE.sample(rng), metrics, fidelity=fidelity, state=state))
    return history


def cost_of(call):
    """Return how many bytecode instructions a call takes, and how many bytes it allocates at most."""
    steps = 0

    def trace(frame, event, argument):
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    tracemalloc.start()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return steps, peak


def cost_of_proposals(make, count, n, **options):
    """Return the median cost of some calls that follow the first, which may read the history."""
    history, strategy = history_of(count, **options), make()
    strategy.propose(SPACE, history, n, stream(0))
    costs = []
    for i in range(5):
        proposals = []
        costs.append(
            cost_of(
                lambda i=i, into=proposals: into.extend(strategy.propose(SPACE, history, n, stream(1, i)))
            )
        )
        for one in proposals:
            metrics = {"params": 2.5} if options["state"] == "infeasible" else {"y": 0.5 + i / 100, "z": 0.5}
            history.record(
                trial(
                    len(history),
                    one.architecture,
                    metrics,
                    fidelity=one.fidelity,
                    parent=one.parent,
                    state=options["state"],
                )
            )
    return np.median(costs, axis=0)


@pytest.mark.parametrize(
    ("objectives", "state", "n"),
    [(1, "completed", 1), (1, "completed", 4), (2, "completed", 1), (1, "infeasible", 1)],
    ids=["one objective", "four proposals", "two objectives", "infeasible"],
)
@pytest.mark.parametrize("name", MAKE)
def test_a_proposal_costs_no_more_after_ten_times_as_many_trials(name, objectives, state, n):
    if name == "asha" and objectives > 1:
        pytest.skip("the crowding in a rung depends on all of its trials")
    options = {
        "objectives": objectives,
        "state": state,
        "fidelity": FIDELITIES[0] if name in MULTI_FIDELITY else None,
    }
    few, many = (cost_of_proposals(MAKE[name], count, n, **options) for count in (FEW, MANY))
    assert all(many <= 2.5 * few + (500, 20_000)), (few, many)
