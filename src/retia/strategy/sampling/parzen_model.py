"""The model of BOHB: one density of the good trials and one of the others."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.requirements import require_number, require_whole
from retia.strategy.sampling.flat_space import FlatSpace
from retia.strategy.sampling.kernel_density import KernelDensity, rows_of
from retia.strategy.sampling.unseen import AnyOf, unseen_proposals
from retia.trial import History, Proposal

__all__ = ["ParzenModel"]


@dataclass
class ParzenModel:
    """Propose architectures with a high ratio of densities, l(x) / g(x).

    l is the kernel density of the best `share` of the trials, g that of all others. Both are over all
    parameters together. Proposals are random until there are two more trials than the densities need.

    Args:
        share: Share of the trials that are good, from 0 to 1; at least one more trial than there are
            parameters is.
        random: Probability that a proposal is random, from 0 to 1.
        candidates: Number of draws from l, of which the one with the highest ratio is proposed.
        widening: Factor on the bandwidths of numbers when drawing from l.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Falkner et al., BOHB, ICML 2018, section 3.2 and algorithm 2. Deviations: those of `KernelDensity`;
        failed and rejected trials count as others; seen or restricted draws are not candidates.
    """

    share: float = 0.15
    random: float = 1 / 3
    candidates: int = 64
    widening: float = 3.0
    _flat: FlatSpace | None = field(default=None, init=False, repr=False, compare=False)
    _key: tuple[History, int] | None = field(default=None, init=False, repr=False, compare=False)
    _densities: "tuple[KernelDensity, KernelDensity] | None" = field(
        default=None, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        require_number(self, "share", least=0, most=1)
        require_number(self, "random", least=0, most=1)
        require_whole(self, candidates=1)
        require_number(self, "widening", above=0)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` unseen architectures, all of them random until there are enough trials."""
        if self._flat is None or self._flat.space is not space:
            self._flat, self._key = FlatSpace(space), None
        flat, key = self._flat, (history, len(history.evaluated) + len(history.unusable))
        if key != self._key:  # the densities stay the same until a trial ends
            self._key, self._densities = key, _densities(flat, history, self.share)
        densities = self._densities

        def draw(proposed: Mapping[Architecture, Proposal]) -> Proposal | None:
            if densities is None or rng.random() < self.random:
                return None
            likely = self._likely(flat, *densities, AnyOf(history, proposed), rng)
            return None if likely is None else Proposal(likely)

        return unseen_proposals(space, history, n, rng, draw)

    def _likely(
        self,
        flat: FlatSpace,
        good: KernelDensity,
        others: KernelDensity,
        seen: Container[Architecture],
        rng: np.random.Generator,
    ) -> Architecture | None:
        """Return the unseen draw from `good` with the greatest ratio; None if all draws are seen."""
        draws = dict.fromkeys(good.sample(rng, widening=self.widening) for _ in range(self.candidates))
        fresh = [one for one in draws if one not in seen and flat.space.allows(one)]
        if not fresh:
            return None
        rows = rows_of(flat, fresh)
        return fresh[int((good.log_density(rows) - others.log_density(rows)).argmax())]


def _densities(flat: FlatSpace, history: History, share: float) -> tuple[KernelDensity, KernelDensity] | None:
    """Return the densities of the good trials and of the others; None while there are too few."""
    least = len(flat.space.parameters) + 1
    bad = history.unusable
    count = len(history.evaluated) + len(bad)
    if count < least + 2 or not flat.columns:
        return None
    rows = rows_of(flat, [trial.architecture for trial in (*history.ranked(history.evaluated), *bad)])
    good = max(least, round(share * count))
    return KernelDensity(flat, rows[:good]), KernelDensity(flat, rows[-max(least, count - good) :])
