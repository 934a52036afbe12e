import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from retia.errors import SpaceError, StudyError
from retia.predictor import BANANAS
from retia.rng import stream
from retia.space import Architecture, Categorical, Integer, Real, SearchSpace, Subset
from retia.strategy import PredictorGuided, normal_scores, targets_of
from retia.strategy.surrogate.acquisition import acquire, expected_improvement, scalarize
from retia.study import Study, architecture_evaluator
from retia.trial import Constraint, History, Objective, Trial

SPACE = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(6)})


class Linear:
    """Ridge regression on the one-hot encoding, as sure of everything; it counts its fits."""

    def __init__(self, std=0.1):
        self.std = std
        self.fits = []

    def fit(self, space, architectures, losses, rng):
        self.fits.append((list(architectures), losses.copy(), rng.random()))
        features = np.array([space.encode(one) for one in architectures])
        weights = np.linalg.solve(
            features.T @ features + 0.1 * np.eye(features.shape[1]), features.T @ losses
        )
        std = self.std

        class Fitted:
            def predict(self, some):
                return np.array([space.encode(one) for one in some]) @ weights, np.full(len(some), std)

        return Fitted()


def history_of(scores, *, constraints=(), space=SPACE, seed=0):
    """Completed trials of random architectures with these scores; None is a failed one, a string one that was
    rejected for its size.
    """
    history = History([Objective("score", "maximize")], constraints)
    for number, score in enumerate(scores):
        trial = Trial(number, space.sample(stream(seed, number)))
        if score is None:
            trial = trial.end("failed", at=1, error="boom")
        elif isinstance(score, str):
            trial = trial.end("infeasible", at=1, metrics={"size": float(score)})
        else:
            trial = trial.end("completed", at=1, metrics={"score": float(score), "size": 0.0})
        history.record(trial)
    return history


# --- acquisition


def test_normal_scores_are_the_quantiles_of_the_ranks_whatever_the_losses():
    assert normal_scores(np.array([1, 2, 3, 1e9])).tolist() == normal_scores(np.array([-5, 0, 1, 2])).tolist()
    assert normal_scores(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(
        [-1.1503, -0.3186, 0.3186, 1.1503], abs=1e-4
    )  # at 1/8, 3/8, 5/8, 7/8
    assert normal_scores(np.array([7.0, 7.0, 7.0])).tolist() == [0, 0, 0]
    assert normal_scores(np.array([1.0, 2.0, 2.0, 3.0]))[1:3].tolist() == [0, 0]


def test_expected_improvement_is_the_mean_of_what_is_gained():
    drawn = np.random.default_rng(0).normal(1.0, 0.5, 400_000)
    assert expected_improvement(np.array([1.0]), np.array([0.5]), 0.8)[0] == pytest.approx(
        np.maximum(0.8 - drawn, 0).mean(), abs=2e-3
    )
    # Without uncertainty it is the difference, if that is a gain.
    assert expected_improvement(np.array([0.2, 0.9]), np.zeros(2), 0.5) == pytest.approx([0.3, 0.0])


def test_scalarization_is_the_augmented_chebyshev_distance():
    assert scalarize(np.array([3.0, 2.0]), np.array([0.5, 0.5]), np.array([1.0, 1.0])) == pytest.approx(
        1.0 + 0.05 * 1.5
    )


def test_the_bound_prefers_the_unknown_and_thompson_sampling_tries_it_now_and_then():
    mean, std, seen = np.array([[0.0], [0.1]]), np.array([[0.0], [0.3]]), np.array([[0.0]])
    assert acquire("bound", mean, std, seen, bound=1.0, rng=stream(0)).argmax() == 1
    assert acquire("bound", mean, std, seen, bound=0.0, rng=stream(0)).argmax() == 0
    assert acquire("improvement", mean, std, seen, bound=1.0, rng=stream(0)).argmax() == 1
    tried = np.mean(
        [acquire("thompson", mean, std, seen, bound=1.0, rng=stream(0, i)).argmax() for i in range(2000)]
    )
    assert tried == pytest.approx(0.369, abs=0.03)  # P(N(0.1, 0.3) < 0)


@pytest.mark.parametrize("kind", ["improvement", "thompson", "bound"])
def test_of_two_objectives_what_is_dominated_is_never_worth_the_most(kind):
    mean, std = np.array([[0.0, 1.0], [1.0, 0.0], [1.1, 1.1]]), np.full((3, 2), 1e-6)
    chosen = {
        int(acquire(kind, mean, std, np.array([[2.0, 2.0]]) + mean, bound=1.0, rng=stream(0, i)).argmax())
        for i in range(40)
    }
    assert chosen == {0, 1}


# --- what is learnt


def test_bad_trials_are_worse_than_all_others():
    history = history_of([5, None, "12", 1, "30"], constraints=[Constraint("size", upper=10)])
    targets = targets_of(history, list(history), warp=True)[:, 0]
    assert np.argsort(targets).tolist() == [
        0,
        3,
        2,
        4,
        1,
    ]  # the best, the worst, a little and much too large, failed
    assert targets.mean() == pytest.approx(0)
    assert targets.std() == pytest.approx(1)
    plain = targets_of(history, list(history), warp=False)[:, 0]
    assert plain[[1, 2, 3, 4]].tolist() == [plain[3]] * 4
    assert plain[0] < plain[3]


def test_equal_losses_teach_nothing():
    assert targets_of(history_of([3, 3, 3]), list(history_of([3, 3, 3])), warp=False).tolist() == [[0]] * 3


def test_nothing_good_is_no_error():
    history = history_of([None, None, "12"], constraints=[Constraint("size", upper=10)])
    assert np.isfinite(targets_of(history, list(history), warp=True)).all()


def test_the_predictor_is_fitted_once_for_each_step_of_the_history():
    predictor = Linear()
    strategy = PredictorGuided(predictor, initial=4, refit=3)
    for count in range(4, 12):
        history = history_of(range(count))
        for attempt in range(2):
            strategy.propose(SPACE, history, 1, stream(0, count, attempt))
    assert [len(architectures) for architectures, _, _ in predictor.fits] == [4, 7, 10]


def test_a_long_history_is_fitted_to_in_longer_steps():
    predictor = Linear()
    strategy = PredictorGuided(predictor, mutants=5, randoms=5)
    history = history_of(range(1000))
    for _ in range(20):
        (proposal,) = strategy.propose(SPACE, history, 1, stream(0, len(history)))
        history.record(
            Trial(len(history), proposal.architecture).end(
                "completed", at=1, metrics={"score": 0.0, "size": 0.0}
            )
        )
    assert len(predictor.fits) <= 6


def test_the_random_numbers_of_a_fit_are_those_of_the_history_and_not_of_the_call():
    first, second = Linear(), Linear()
    PredictorGuided(first).propose(SPACE, history_of(range(20)), 1, stream(0))
    PredictorGuided(second).propose(SPACE, history_of(range(20)), 1, stream(1))
    assert first.fits[0][2] == second.fits[0][2]


# --- what is proposed


def test_random_ones_come_first_and_running_trials_count():
    predictor = Linear()
    history = history_of([1, 2])
    history.record(Trial(2, SPACE.sample(stream(9))))
    proposals = PredictorGuided(predictor, initial=6).propose(SPACE, history, 2, stream(0))
    assert [one.parent for one in proposals] == [None, None]
    assert not predictor.fits
    assert (
        len(PredictorGuided(predictor, initial=4).propose(SPACE, history, 3, stream(0))) == 3
    )  # one random, two guided
    assert len(predictor.fits) == 1


def test_the_best_predicted_candidate_is_proposed_and_names_its_parent():
    history = history_of(range(20))
    proposals = PredictorGuided(Linear(), parents=1, randoms=0).propose(SPACE, history, 3, stream(0))
    assert [one.parent for one in proposals] == [19] * 3
    best = history[19].architecture
    for one in proposals:
        assert one.architecture not in history
        assert sum(one.architecture[label] != best[label] for label in best) == 1


def test_where_all_mutants_are_known_it_walks_on():
    space = SearchSpace({"x": Integer(0, 30)})
    history = History([Objective("score", "maximize")])
    for number, x in enumerate(range(25)):
        history.record(
            Trial(number, space.validate({"x": x})).end("completed", at=1, metrics={"score": float(x)})
        )
    (proposal,) = PredictorGuided(Linear(), randoms=0, parents=1).propose(space, history, 1, stream(0))
    assert proposal.architecture["x"] > 24


@pytest.mark.parametrize("acquisition", ["improvement", "thompson", "bound"])
def test_it_finds_the_optimum_of_a_smooth_landscape_where_chance_does_not(acquisition):
    """Of 15,625 architectures, with 60 trials; the losses are additive, as the predictor believes."""

    @architecture_evaluator
    def matches(architecture):
        return {
            "score": sum(
                value == letter for value, letter in zip(architecture.values(), "cabbed", strict=True)
            )
        }

    study = Study(SPACE, matches, maximize="score")
    study.run(PredictorGuided(Linear(), acquisition=acquisition), trials=60)
    assert "".join(study.best.architecture.values()) == "cabbed"


def test_it_serves_a_mixed_space_with_a_restriction():
    space = SearchSpace(
        {
            "x": Real(0, 1),
            "n": Integer(1, 100),
            "s": Subset(tuple("abcd"), least=1),
            "c": Categorical(("u", "v")),
        }
    )
    space = space.where(lambda one: one["n"] > 20 or one["c"] == "u", "many, or u")

    @architecture_evaluator
    def score(architecture):
        return {
            "score": -((architecture["x"] - 0.3) ** 2)
            - (architecture["n"] / 100)
            + len(architecture["s"])
            - (architecture["c"] == "u")
        }

    study = Study(space, score, maximize="score")
    study.run(PredictorGuided(Linear()), trials=60)
    assert study.best.architecture["s"] == tuple("abcd")
    assert study.best.architecture["c"] == "v"
    assert study.best.architecture["n"] < 30


def test_several_objectives_spread_over_the_front():
    @architecture_evaluator
    def score(architecture):
        values = list(architecture.values())
        return {"a": values.count("a"), "b": values.count("b")}

    study = Study(SPACE, score, maximize=["a", "b"])
    study.run(PredictorGuided(Linear()), trials=80)
    # The front is the seven ways to share six places.
    assert (
        len(
            {
                (trial.metrics["a"], trial.metrics["b"])
                for trial in study.pareto
                if sum(trial.metrics.values()) == 6
            }
        )
        >= 5
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            {"acquisition": "luck"},
            r"'acquisition' of PredictorGuided must be one of \['improvement', 'thompson', 'bound'\], got 'luck'",
        ),
        ({"initial": 0}, "'initial' of PredictorGuided must be an integer of at least 1, got 0"),
        ({"bound": -1}, "'bound' of PredictorGuided must be a number >= 0, got -1"),
        ({"mutants": 0, "randoms": 0}, "needs candidates, got mutants=0 and randoms=0"),
    ],
)
def test_arguments_are_checked(arguments, says):
    with pytest.raises(SpaceError, match=says):
        PredictorGuided(Linear(), **arguments)


@pytest.mark.parametrize(
    ("predictor", "says"),
    [
        (Linear, "must be an object with a method fit.*got <class"),
        (None, "must be an object with a method fit.*got None"),
        (
            RandomForestRegressor(),
            r"calls fit\(space, architectures, losses, rng\) of its predictor, but RandomForestRegressor has fit\(X, y",
        ),
    ],
)
@pytest.mark.parametrize("guided", [PredictorGuided, BANANAS])
def test_what_is_no_predictor_is_refused(guided, predictor, says):
    with pytest.raises(StudyError, match=f"(?s){guided.__name__}.*{says}"):
        guided(predictor)


@pytest.mark.parametrize(
    ("predict", "says"),
    [
        (
            lambda some: np.zeros(len(some)),
            r"Says must predict means .* for \d+ architectures.*predicted \(\d+,\)\. Without an uncertainty",
        ),
        (lambda some: (np.zeros(len(some)), None), r"predicted \(\d+,\)\. Without"),
        (
            lambda some: (np.zeros(len(some)), np.full(len(some), np.nan)),
            r"\(\d+,\) and \(\d+,\), not finite\.",
        ),
        (
            lambda some: (np.zeros((len(some), 1)), np.zeros((len(some), 1))),
            r"predicted \(\d+, 1\) and \(\d+, 1\)",
        ),
    ],
)
def test_a_predictor_says_how_far_off_it_may_be(predict, says):
    class Says(Linear):
        def fit(self, space, architectures, losses, rng):
            return self

        def predict(self, some):
            return predict(some)

    with pytest.raises(StudyError, match=f"(?s){says}"):
        PredictorGuided(Says(), initial=1).propose(SPACE, history_of([1, 2, 3]), 1, stream(0))


@pytest.mark.parametrize("warp", [True, False])
def test_what_was_rejected_is_learnt_as_a_finite_loss_that_is_the_worst(warp):
    values = [{"x": i} for i in range(5)]
    trials = [
        Trial(0, Architecture(values[0]), "completed", {"y": 3.0, "params": 1.0}),
        Trial(1, Architecture(values[1]), "completed", {"y": 1.0, "params": 1.0}),
        Trial(2, Architecture(values[2]), "infeasible", {"params": 1e12}),
        Trial(3, Architecture(values[3]), "infeasible", error="shapes do not fit"),
        Trial(4, Architecture(values[4]), "failed", error="boom"),
    ]
    history = History((Objective("y", "minimize"),), (Constraint("params", upper=2),), trials)
    targets = targets_of(history, trials, warp=warp)[:, 0]
    assert np.isfinite(targets).all()
    assert targets[3] == targets[4] == targets.max()
    assert targets[1] == targets.min()
    assert targets[3] > targets[2] or not warp
