"""Add a strategy: mutate one of the best trials.

python examples/extend_strategy.py
"""

from dataclasses import dataclass

import retia
from retia.strategy import unseen_mutant, unseen_proposals
from retia.trial import Proposal


@dataclass(frozen=True)
class Elite:
    """Mutate one of the `size` best trials; with probability `explore`, draw an unseen architecture."""

    size: int = 5
    explore: float = 0.2

    def propose(self, space, history, n, rng):
        best = history.top(self.size)

        def draw(proposals):  # None: a random architecture
            if not best or rng.random() < self.explore:
                return None
            parent = best[int(rng.integers(len(best)))]
            child = unseen_mutant(space, history, parent.architecture, rng)
            return None if child is None else Proposal(child, parent=parent.number)

        return unseen_proposals(space, history, n, rng, draw)


@retia.architecture_evaluator
def height(architecture):
    return {"height": -abs(architecture["x"] - 9) - abs(architecture["y"] - 2) - abs(architecture["z"] - 14)}


def main(seed=0):
    space = retia.SearchSpace({label: retia.Integer(0, 15) for label in "xyz"})  # 4,096 points
    return retia.search(space, height, Elite(), trials=300, maximize="height", seed=seed)


if __name__ == "__main__":
    print(main().best)
