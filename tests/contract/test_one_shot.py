"""Every one-shot method obeys the laws of one-shot methods."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

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
    OneShot,
    PathSession,
    ProxylessNAS,
    Sandwich,
)
from retia.testing import ONE_SHOT_LAWS, assert_laws
from retia.testing import one_shot as laws

MAKE = {
    "DARTS": lambda: DARTS(warmup_epochs=1),
    "DARTS, second order": lambda: DARTS(unrolled=True),
    "DrNAS": DrNAS,
    "ENAS": lambda: ENAS(samples=2, hidden=8),
    "FBNet": lambda: FBNet(warmup_epochs=1),
    "FairNAS": FairNAS,
    "GDAS": GDAS,
    "OnceForAll": OnceForAll,
    "PCDARTS": lambda: PCDARTS(warmup_epochs=1),
    "ProxylessNAS": ProxylessNAS,
    "SNAS": SNAS,
    "SPOS": SPOS,
    "Sandwich": Sandwich,
}


@pytest.mark.parametrize("law", ONE_SHOT_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("make_method", MAKE.values(), ids=MAKE)
def test_one_shot_method(make_method, law):
    law(make_method)


# --- the suite itself finds what it looks for


class Session(PathSession):
    """A correct session, from which each wrong one below differs in one way."""

    def path(self, item):
        return self.sampler.sample(item.rng)

    def train_batch(self, item):
        self.supernet.activate(self.path(item))
        loss = self.setting.loss(item.batch)
        item.scale(loss).backward()
        return float(loss.detach())


class Forgetful(Session):
    """It counts, and does not keep the count in the checkpoint."""

    def __init__(self, setting):
        super().__init__(setting)
        self.count = 0

    def ranked(self) -> Iterator:
        ranked = list(super().ranked())
        return iter([*ranked[self.count % 6 :], *ranked[: self.count % 6]])

    def train_batch(self, item):
        self.count += 1
        return super().train_batch(item)


class Untaught(Session):
    def train_batch(self, item):
        self.supernet.activate(self.path(item))
        return float(self.setting.loss(item.batch).detach())


class Drawing(Session):
    def path(self, item):
        architectures = sorted(self.supernet.space.enumerate(), key=str)
        return architectures[random.randrange(len(architectures))]


class Repeating(Session):
    def ranked(self):
        for architecture in super().ranked():
            yield architecture
            yield architecture


class Unrestricted(Session):
    def ranked(self):
        return laws._space().enumerate()


class Short(Session):
    def ranked(self):
        ranked = super().ranked()
        return iter([next(ranked), next(ranked)])


class Careless(Session):
    """It says that it learns choices, and does not look at the penalties."""

    def probabilities(self):
        return {"mix": np.array([0.5, 0.5])}


@dataclass(frozen=True, kw_only=True)
class Method(OneShot):
    kind: type = Session

    def session(self, setting):
        return self.kind(setting)


class Learning(Method):
    learns_choices = True


def test_a_correct_method_passes():
    assert_laws(ONE_SHOT_LAWS, Method)


@pytest.mark.parametrize(
    ("kind", "law", "says"),
    [
        (Forgetful, laws.an_interrupted_training_goes_on_to_the_same_end, "ranks otherwise"),
        (Untaught, laws.the_weights_learn, "the losses of the epochs are"),
        (Drawing, laws.the_same_seed_trains_the_same, "reported"),
        (Drawing, laws.global_generators_stay_as_they_are, "a global generator was used"),
        (Repeating, laws.every_architecture_is_ranked_once, "was ranked twice"),
        (Short, laws.every_architecture_is_ranked_once, "these were not ranked"),
        (Unrestricted, laws.restrictions_hold, "it ranked .*tanh"),
    ],
)
def test_a_wrong_method_is_found(kind, law, says, moves_generators):
    with pytest.raises(AssertionError, match=says):
        law(lambda: Method(kind=kind))


def test_a_method_that_ignores_penalties_is_found():
    with pytest.raises(AssertionError, match=r"is 0\.500, with a penalty 0\.500"):
        laws.a_penalty_makes_costs_less_probable(lambda: Learning(kind=Careless))
