"""The multi-fidelity strategies, and MedianStop, obey the laws of `Strategy`."""

import pytest

from retia.strategy import (
    ASHA,
    BOHB,
    TPE,
    Hyperband,
    LocalSearch,
    MedianStop,
    ParzenModel,
    Random,
    RegularizedEvolution,
    SuccessiveHalving,
)
from retia.testing import STRATEGY_LAWS

MAKE = {
    "ASHA": lambda: ASHA(Random(), fidelities=(1, 3, 9)),
    "ASHA, evolution": lambda: ASHA(
        RegularizedEvolution(population=8, tournament=3), fidelities=(1, 3, 9), eta=2
    ),
    "ASHA, local search": lambda: ASHA(LocalSearch(starts=3), fidelities=(1, 3, 9)),
    "BOHB": lambda: BOHB(fidelities=(1, 3, 9)),
    "Hyperband": lambda: Hyperband(Random(), fidelities=(1, 3, 9)),
    "Hyperband, evolution": lambda: Hyperband(
        RegularizedEvolution(population=8, tournament=3), fidelities=(1, 2), enough=3
    ),
    "Hyperband, local search": lambda: Hyperband(
        LocalSearch(starts=3, move="best"), fidelities=(1, 3, 9), enough=2
    ),
    "MedianStop": lambda: MedianStop(RegularizedEvolution(population=8, tournament=3), min_trials=2),
    "MedianStop, ASHA": lambda: MedianStop(ASHA(Random(), fidelities=(1, 3, 9)), min_trials=2),
    "ParzenModel": ParzenModel,
    "SuccessiveHalving": lambda: SuccessiveHalving(Random(), fidelities=(1, 3, 9)),
    "SuccessiveHalving, TPE": lambda: SuccessiveHalving(TPE(startup=4), fidelities=(1, 3), entries=5),
}


@pytest.mark.parametrize("law", STRATEGY_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("make_strategy", MAKE.values(), ids=MAKE)
def test_strategy(make_strategy, law):
    law(make_strategy)
