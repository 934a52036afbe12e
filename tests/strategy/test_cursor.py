from retia.space import Integer, SearchSpace
from retia.strategy.views.cursor import Cursor
from retia.trial import History, Objective, Trial

SPACE = SearchSpace({"x": Integer(0, 9)})


def trial(number):
    return Trial(number, SPACE.validate({"x": number}))


def ended(number):
    return trial(number).end("completed", at=1.0, metrics={"y": 1.0})


def test_each_trial_is_read_once_when_it_begins_and_once_when_it_ends():
    history = History((Objective("y", "maximize"),), trials=[trial(0), ended(1)])
    cursor = Cursor(history)
    assert cursor.read() == ([trial(0), ended(1)], [ended(1)])
    assert cursor.running == [0]
    assert cursor.read() == ([], [])
    history.record(trial(3))  # the row of trial 2 was deleted
    history.record(ended(0))
    assert cursor.read() == ([trial(3)], [ended(0)])
    history.record(ended(3))
    assert cursor.read() == ([], [ended(3)])
    assert cursor.running == []
