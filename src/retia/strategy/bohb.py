"""Bayesian optimization and Hyperband."""

from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace
from retia.strategy.columns import Columns
from retia.strategy.hyperband import Hyperband
from retia.strategy.kernel_density import KernelDensity, rows_of
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.trial import History, Proposal, StrategyCapabilities

__all__ = ["BOHB", "ParzenModel"]


@dataclass
class ParzenModel:
    """Propose what is likely among the good trials and unlikely among the others, by one density of all
    parameters for each.

    Args:
        share: Which share of the trials is good; at least one more than there are parameters are.
        random: Which share of the proposals is random.
        candidates: How many draws from the good the best is chosen of.
        widening: How much wider than the density of the good it is sampled, in the numbers.

    Raises:
        SpaceError: If a number is out of its range.

    Reference:
        Falkner et al., BOHB, ICML 2018, section 3.2 and algorithm 2. Deviations: as of `KernelDensity`;
        failed and rejected trials are among the others; draws that are known, or break a restriction, are not
        candidates.
    """

    share: float = 0.15
    random: float = 1 / 3
    candidates: int = 64
    widening: float = 3.0
    _columns: Columns | None = field(default=None, init=False, repr=False, compare=False)
    _key: tuple[History, int] | None = field(default=None, init=False, repr=False, compare=False)
    _densities: "tuple[KernelDensity, KernelDensity] | None" = field(
        default=None, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        for name in ("share", "random"):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"'{name}' is a share from 0 to 1, got {getattr(self, name)}."
                raise SpaceError(msg)
        if self.candidates < 1 or not self.widening > 0:
            msg = (
                "Sampling needs at least one candidate and a positive widening, "
                f"got candidates={self.candidates}, widening={self.widening}."
            )
            raise SpaceError(msg)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` new architectures that are promising, some of them random; all random until there are
        enough trials.
        """
        if self._columns is None or self._columns.space is not space:
            self._columns, self._key = Columns(space), None
        key = (history, len(history.evaluated) + len(history.unusable))
        if key != self._key:  # the densities stay the same until a trial has ended
            self._key, self._densities = key, _densities(self._columns, history, self.share)
        densities = self._densities
        drawn: dict[Architecture, None] = {}
        for _ in range(n):
            seen = AnyOf(history, drawn)
            chosen = None
            if densities is not None and rng.random() >= self.random:
                chosen = self._likely(self._columns, *densities, seen, rng)
            if chosen is None and (chosen := sample_unseen(space, seen, rng)) is None:
                break
            drawn[chosen] = None
        return [Proposal(architecture) for architecture in drawn]

    def _likely(
        self,
        columns: Columns,
        good: KernelDensity,
        others: KernelDensity,
        seen: Container[Architecture],
        rng: np.random.Generator,
    ) -> Architecture | None:
        """Return the draw from the good whose ratio of densities is the greatest; None if none is new."""
        draws = dict.fromkeys(good.sample(rng, widening=self.widening) for _ in range(self.candidates))
        fresh = [one for one in draws if one not in seen and columns.space.allows(one)]
        if not fresh:
            return None
        rows = rows_of(columns, fresh)
        return fresh[int((good.log_density(rows) - others.log_density(rows)).argmax())]


@dataclass
class BOHB:
    """Hyperband, whose new architectures come from a density model of the highest fidelity that has enough
    results.

    Like `TPE`, the model tells the good trials from the others by two densities. Needs no extra.

    Args:
        fidelities: What a trial may cost, growing, in whatever the evaluator counts (epochs); the last is
            all, and its trials have the fidelity None, like those of any other strategy.
        eta: One in so many is promoted; as many as the fidelities grow by, if not given, so that all rungs
            cost about the same.
        model: What proposes new architectures.

    Raises:
        SpaceError: If the fidelities are not at least two growing positive numbers, or `eta` is not above 1.

    Reference:
        Falkner et al., BOHB: Robust and Efficient Hyperparameter Optimization at Scale, ICML 2018, algorithm
        2. Deviations: those of `Hyperband` and `ParzenModel`; with several workers a rung waits, where the
            authors begin the next bracket meanwhile.
    """

    fidelities: Sequence[float] = field(kw_only=True)
    eta: float | None = field(default=None, kw_only=True)
    model: ParzenModel = field(default_factory=ParzenModel, kw_only=True)
    _hyperband: Hyperband = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._hyperband = Hyperband(self.model, fidelities=self.fidelities, eta=self.eta)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return new architectures until the bracket is full, then promotions; fewer than `n`, or none, while
        a rung is running.
        """
        return self._hyperband.propose(space, history, n, rng)

    def capabilities(self) -> StrategyCapabilities:
        """Return the fidelities, and which trials are not promoted any more."""
        return self._hyperband.capabilities()

    def spent(self, history: History, left: int) -> Collection[int]:
        """Return what has been promoted, and what was not when its rung ended."""
        return self._hyperband.spent(history, left)


def _densities(
    columns: Columns, history: History, share: float
) -> tuple[KernelDensity, KernelDensity] | None:
    """Return the densities of the good trials and of the others; None while there are too few."""
    least = len(columns.space.parameters) + 1
    bad = history.unusable
    count = len(history.evaluated) + len(bad)
    if count < least + 2 or not len(columns.all):
        return None
    rows = rows_of(columns, [trial.architecture for trial in (*history.ranked(history.evaluated), *bad)])
    good = max(least, round(share * count))
    return KernelDensity(columns, rows[:good]), KernelDensity(columns, rows[-max(least, count - good) :])
