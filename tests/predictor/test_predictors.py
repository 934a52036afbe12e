"""What every predictor keeps, and what each is known for."""

import numpy as np
import pytest
from scipy.sparse import issparse

from retia.errors import SpaceError
from retia.predictor import (
    GaussianProcess,
    GradientBoosting,
    NeuralEnsemble,
    OneHot,
    Paths,
    RandomForest,
    WeisfeilerLehman,
)
from retia.predictor.gaussian_process import _Rows
from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Integer, Parameter, Real, SearchSpace, Subset

CONVOLUTION = Condition(((Clause("op", frozenset({"conv"})),),))
MIXED = SearchSpace(
    [
        Parameter("op", Categorical(("skip", "conv"))),
        Parameter("kernel", Integer(1, 9), CONVOLUTION),
        Parameter("rate", Real(1e-4, 1e-1, log=True)),
        Parameter("parts", Subset(tuple("abc"))),
    ]
)
LETTERS = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(6)})
PREDICTORS = {
    "GaussianProcess": GaussianProcess(),
    "GradientBoosting": GradientBoosting(),
    "NeuralEnsemble": NeuralEnsemble(layers=3),
    "RandomForest": RandomForest(),
}


def sampled(space, count, seed=0):
    return [space.sample(stream(seed, i)) for i in range(count)]


def additive(architectures):
    """A loss that is the sum of what each letter costs."""
    return np.array(
        [sum("abcde".index(value) for value in one.values()) for one in architectures], dtype=float
    )


every_predictor = pytest.mark.parametrize("predictor", PREDICTORS.values(), ids=PREDICTORS)


@every_predictor
def test_the_same_arguments_give_the_same_fit(predictor):
    some = sampled(MIXED, 12)
    losses = np.arange(12.0)
    one, two = (
        predictor.fit(MIXED, some, losses, stream(3)).predict(sampled(MIXED, 5, seed=1)) for _ in range(2)
    )
    assert one[0].tolist() == two[0].tolist()
    assert one[1].tolist() == two[1].tolist()


@every_predictor
@pytest.mark.parametrize(
    ("architectures", "losses"),
    [
        (sampled(MIXED, 1), [2.0]),
        (sampled(MIXED, 3), [2.0, 2.0, 2.0]),
        (sampled(MIXED, 1) * 3, [1.0, 2.0, 3.0]),
    ],
    ids=["one", "equal losses", "one three times"],
)
def test_it_learns_from_next_to_nothing(predictor, architectures, losses):
    mean, std = predictor.fit(MIXED, architectures, np.array(losses), stream(0)).predict(
        sampled(MIXED, 4, seed=1)
    )
    assert mean.shape == std.shape == (4,)
    assert np.isfinite(mean).all()
    assert (std >= 0).all()
    if len(set(losses)) == 1:
        assert mean == pytest.approx(2.0, abs=0.5)


@every_predictor
def test_it_ranks_what_it_has_not_seen(predictor):
    train, test = sampled(LETTERS, 100), sampled(LETTERS, 100, seed=1)
    mean, std = predictor.fit(LETTERS, train, additive(train), stream(0)).predict(test)
    assert np.corrcoef(mean, additive(test))[0, 1] > 0.8
    # In the units of the losses, and as far off as it says, about.
    assert np.abs(mean - additive(test)).mean() < 2
    assert 0.1 < std.mean() < 5


@every_predictor
def test_it_is_surer_of_what_it_has_seen(predictor):
    train, test = sampled(LETTERS, 60), sampled(LETTERS, 60, seed=1)
    fitted = predictor.fit(LETTERS, train, additive(train), stream(0))
    assert fitted.predict(train)[1].mean() < fitted.predict(test)[1].mean()


def test_a_gaussian_process_is_the_textbook_s():
    """The mean and the variance, from the covariances by hand."""
    train, test = sampled(LETTERS, 10), sampled(LETTERS, 4, seed=1)
    losses = additive(train)
    fitted = GaussianProcess(OneHot()).fit(LETTERS, train, losses, stream(0))
    kernel = lambda a, b: np.exp(-np.array([[LETTERS.distance(x, y) for y in b] for x in a]) / fitted.length)
    covariance = kernel(train, train)
    noise = fitted.inverse.T @ fitted.inverse @ np.eye(10)  # the inverse of the covariance with the noise
    noise = np.linalg.inv(noise) - covariance
    assert noise == pytest.approx(np.eye(10) * noise[0, 0], abs=1e-8)
    assert noise[0, 0] > 0
    inverse = np.linalg.inv(covariance + noise)
    mean, std = fitted.predict(test)
    assert mean == pytest.approx(losses.mean() + kernel(test, train) @ inverse @ (losses - losses.mean()))
    scale = (losses - losses.mean()) @ inverse @ (losses - losses.mean()) / 10
    assert std**2 == pytest.approx(
        scale * (1 - np.einsum("ij,jk,ik->i", kernel(test, train), inverse, kernel(test, train))), abs=1e-8
    )


def test_a_gaussian_process_finds_the_noise():
    train = sampled(LETTERS, 150)
    noisy = additive(train) + np.random.default_rng(0).normal(0, 5, 150)

    def noise(losses):
        fitted = GaussianProcess(OneHot()).fit(LETTERS, train, losses, stream(0))
        return np.linalg.inv(fitted.inverse.T @ fitted.inverse)[0, 0] - 1

    assert noise(noisy) > 0.2 > 0.02 > noise(additive(train))


def test_a_gaussian_process_keeps_the_best_of_many():
    some = sampled(LETTERS, 60)
    losses = additive(some)
    fitted = GaussianProcess(OneHot(), most=20).fit(LETTERS, some, losses, stream(0))
    assert fitted.rows._features.shape[0] == 20
    kept = {tuple(row) for row in fitted.rows._features.tolist()}
    best = [some[i] for i in np.argsort(losses, kind="stable")[:10]]
    assert all(tuple(LETTERS.encode(one).tolist()) in kept for one in best)


def test_neural_members_are_trained_apart():
    """One member alone learns what it learns among others of its kind; five are of five opinions."""
    some = sampled(LETTERS, 40)
    fitted = NeuralEnsemble(layers=2, epochs=20).fit(LETTERS, some, additive(some), stream(0))
    weights = fitted.layers[0][0]
    assert weights.shape[0] == 5
    assert len({tuple(member.flatten().tolist()) for member in weights}) == 5


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: GaussianProcess(most=1),
            "'most' of GaussianProcess must be an integer of at least 2, got 1",
        ),
        (lambda: RandomForest(trees=0), "'trees' of RandomForest must be an integer of at least 1, got 0"),
        (
            lambda: RandomForest(share=1.5),
            "'share' of RandomForest must be a number > 0 and <= 1, got 1.5",
        ),
        (
            lambda: GradientBoosting(depth=2.5),
            "'depth' of GradientBoosting must be an integer of at least 1, got 2.5",
        ),
        (lambda: GradientBoosting(rate=0), "'rate' of GradientBoosting must be a number > 0, got 0"),
        (
            lambda: NeuralEnsemble(members=0),
            "'members' of NeuralEnsemble must be an integer of at least 1, got 0",
        ),
        (
            lambda: NeuralEnsemble(rate=float("nan")),
            "'rate' of NeuralEnsemble must be a number > 0, got nan",
        ),
        (lambda: Paths(longest=0), "'longest' of Paths must be an integer of at least 1, got 0"),
        (
            lambda: WeisfeilerLehman(rounds=-1),
            "'rounds' of WeisfeilerLehman must be an integer of at least 0, got -1",
        ),
        (
            lambda: GaussianProcess(OneHot),
            "'encoding' of GaussianProcess must be an object with a method fit.*got <class",
        ),
        (
            lambda: RandomForest("paths"),
            "'encoding' of RandomForest must be an object with a method fit.*got 'paths'",
        ),
    ],
)
def test_settings_are_checked(make, says):
    with pytest.raises(SpaceError, match=says):
        make()


@pytest.mark.parametrize("encoding", [WeisfeilerLehman(), OneHot()], ids=["sparse", "dense"])
def test_distances_are_those_of_the_encoding_however_sparse_it_is(encoding):
    space = SearchSpace(
        {
            f"edge/{node}<-{source}": Categorical(("none", "conv", "pool"))
            for node in range(1, 9)
            for source in range(node)
        }
    )
    train, test = sampled(space, 40), sampled(space, 7, seed=1)
    fitted = GaussianProcess(encoding).fit(space, train, np.arange(40.0), stream(0))
    encode = encoding.fit(space, train)
    expected = 0.5 * ((encode(train)[:, None] - encode(test)[None]) ** 2).sum(-1)
    assert fitted.rows.squared_distances(_Rows(encode(test))) == pytest.approx(expected)
    assert issparse(fitted.rows._features) == (encoding == WeisfeilerLehman())
