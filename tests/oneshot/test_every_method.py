"""What every method does, by the loop that trains: it finds what is planted, stays within restrictions, and
searches the published spaces.
"""

import dataclasses

import pytest
import torch

from retia.evaluate import Classification
from retia.hub import Darts, NasBench201
from retia.nn import ModelSpace
from retia.oneshot import (
    DARTS,
    ENAS,
    GDAS,
    PCDARTS,
    SNAS,
    SPOS,
    DrNAS,
    FairNAS,
    FBNet,
    OnceForAll,
    ProxylessNAS,
    Sandwich,
)
from retia.trial import Run

EPOCHS = 24

DIFFERENTIABLE = {
    "darts": DARTS(learning_rate=0.05),
    "darts-second-order": DARTS(learning_rate=0.05, unrolled=True),
    "pcdarts": PCDARTS(learning_rate=0.05, warmup_epochs=4),
    "gdas": GDAS(learning_rate=0.05, warmup_epochs=4),
    "snas": SNAS(learning_rate=0.05),
    "proxylessnas": ProxylessNAS(learning_rate=0.05, warmup_epochs=4),
    "drnas": DrNAS(learning_rate=0.05),
    "fbnet": FBNet(learning_rate=0.05, warmup_epochs=4),
}
METHODS = {
    **DIFFERENTIABLE,
    "enas": ENAS(learning_rate=0.05, samples=2, hidden=8),
    "spos": SPOS(),
    "fairnas": FairNAS(),
    "sandwich": Sandwich(),
    "onceforall": OnceForAll(),
}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def first(method, scored):
    """Return what a method ranks first; one that samples without preferences leaves the ranking to the
    supernet.
    """
    if method.learns_choices:
        return next(method.ranked())
    return min(
        method.ranked(), key=lambda architecture: scored(architecture, Run(scored.supernet.space))["loss"]
    )


@each_method
def test_the_candidate_that_fits_is_found(planted, method):
    found = 0
    for seed in range(10):
        scored = method.train(planted.space, planted.evaluator(seed, epochs=EPOCHS), seed=seed)
        found += first(method, scored) == {"shape": planted.answer}
    assert found >= 9


@each_method
def test_what_a_restriction_forbids_is_never_ranked(planted, method):
    space = planted.space.where(lambda a: a["shape"] != planted.answer, "another")
    scored = method.train(space, planted.evaluator(0, epochs=10))
    ranked = list(method.ranked())
    assert sorted(architecture["shape"] for architecture in ranked) == ["linear", "tanh"]
    assert first(method, scored)["shape"] != planted.answer


def images(n=4):
    x = torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(n) % 4


def separable(architecture):
    return sum(isinstance(value, str) and value.startswith("sep") for value in architecture.values()) >= 2


SPACES = {
    "nasbench201": lambda: ModelSpace(NasBench201, channels=4, cells=1, classes=4).where(
        lambda a: "none" not in a.values(), "every edge in use"
    ),
    "darts": lambda: ModelSpace(Darts, width=4, cells=3, classes=4).where(
        separable, "two separable convolutions"
    ),
}


@pytest.mark.parametrize(
    ("name", "space"),
    [*((name, "nasbench201") for name in DIFFERENTIABLE), *((name, "darts") for name in ("pcdarts", "gdas"))],
)
def test_the_published_cells_are_searched_within_restrictions(name, space):
    limited = SPACES[space]()
    method = dataclasses.replace(DIFFERENTIABLE[name], warmup_epochs=0)
    method.train(
        limited, Classification(images(), images(), epochs=1, batch_size=4, lr=0.05, optimizer="sgd")
    )
    best = next(method.ranked())
    assert best in limited
    assert (
        max(likely.max() * len(likely) for likely in method.probabilities().values()) > 1.01
    )  # the weights have moved from where all are alike
