from retia.space import Integer, SearchSpace
from retia.strategy import GridSearch
from retia.study import Study, architecture_evaluator, defined_by


@architecture_evaluator
def judge(architecture):
    return {"accuracy": float(architecture["a"])}


def studied(name):
    return Study(SearchSpace({"a": Integer(1, 3)}), judge, maximize="accuracy", name=name)


def test_the_first_study_that_is_run_is_returned_and_has_not_run():
    reached = []

    def code():
        studied("made, not run")
        try:
            studied("first").run(GridSearch(), trials=2)
        except Exception:
            reached.append("caught")
        studied("second").run(GridSearch(), trials=2)

    study = defined_by(code)
    assert study.name == "first"
    assert (study.trials, reached) == ([], [])
    assert study.run(GridSearch(), trials=2) == "trials done"  # outside it runs


def test_code_that_runs_no_study_defines_none():
    assert defined_by(lambda: studied("made")) is None
