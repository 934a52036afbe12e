import pytest

from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import GridSearch
from retia.study import CONTROL, Study, architecture_evaluator

POINTS = [
    (0.5, 100.0),
    (0.7, 200.0),
    (0.7, 150.0),
    (0.6, 90.0),
    (0.9, 400.0),
]  # on the front: 1 no; 3, 4, 5 (numbers 2, 3, 4)
SPACE = SearchSpace({"a": Integer(1, 5), "b": Categorical(("x",))})


@pytest.fixture
def searched():
    """Return a function that runs a study over five known points, (accuracy, params) each, in their order;
    None fails.
    """

    def search(points=POINTS, *, against=None, run=GridSearch, trials=None, **options):
        def measure(architecture):
            point = points[architecture["a"] - 1]
            if point is None:
                raise RuntimeError("it broke")
            return dict(zip(("accuracy", "params"), point, strict=True))

        options = {"maximize": "accuracy", "minimize": "params", "name": "known", **options}
        study = Study(SPACE, architecture_evaluator(measure), **options)
        study.run(run(), trials=trials or len(points), failures="ignore")
        if against is not None:
            study.companions[CONTROL] = search(against, **{**options, "name": "known/random"})
        return study

    return search
