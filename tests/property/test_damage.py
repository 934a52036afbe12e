"""Whatever another program does to the rows of a storage, what is seen is an error of retia, or a study that
runs.
"""

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retia.errors import RetiaError, StorageError
from retia.space import Categorical, Clause, Condition, Integer, Parameter, Real, SearchSpace, Subset
from retia.storage import Database
from retia.strategy import MedianStop, RegularizedEvolution
from retia.study import Study
from retia.trial import Capabilities

SPACE = SearchSpace(
    [
        Parameter("act", Categorical(("relu", "gelu", 3, None))),
        Parameter("width", Integer(1, 9), Condition(((Clause("act", frozenset({"relu", 3})),),))),
        Parameter("slope", Real(0.1, 2.0)),
        Parameter("skips", Subset((1, 2, 3))),
    ]
)


class Score:
    def capabilities(self):
        return Capabilities(settings=lambda: {"epochs": 3})

    def __call__(self, architecture, run):
        for step in (1, 2):
            run.report({"score": architecture["slope"] * step}, step)
        if architecture["skips"] == (2,):
            raise ArithmeticError
        return {"score": architecture["slope"], "size": len(architecture["skips"])}


def made(path):
    return Study(SPACE, Score(), maximize="score", constraints=["size <= 2"], storage=path)


def strategy():
    return MedianStop(RegularizedEvolution(4, 2), min_trials=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("damage") / "study.db"
    made(path).run(strategy(), trials=10)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE trials SET state = 'running', metrics = '{}', ended = NULL WHERE number = 9"
        )
    return path


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["maximize", "integer", "1e999"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
RAW = (
    st.none()
    | st.integers(-5, 2**62)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
JSON_COLUMNS = {"trials": ["architecture", "metrics", "progress", "limits"], "studies": ["header"]}
COLUMNS = {
    "trials": [
        "number",
        "run",
        "state",
        "architecture",
        "key",
        "fidelity",
        "parent",
        "limits",
        "metrics",
        "error",
        "progress",
        "started",
        "ended",
    ],
    "studies": ["name", "uid", "header", "created", "stop_reason"],
    "runs": ["host", "pid", "process_started", "heartbeat", "ended"],
}


def places(value, path=()):
    """Return the paths to every part of a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def changed(value, path, change):
    """Return a JSON value with one part replaced, or removed if `change` is the ellipsis."""
    if not path:
        return None if change is ... else change
    copy = value.copy()
    if len(path) == 1 and change is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], change)
    return copy


def copied(whole, folder):
    """Return a copy in a folder of its own: what failed may still hold the last one open."""
    return Path(shutil.copy(whole, tempfile.mkdtemp(dir=folder)))


def use(path):
    """Read the study in every way, and let it run on."""
    database = Database(path, timeout_s=1.0)
    for _ in (lambda: database.names(), lambda: database.studies()):
        try:
            _()
        except RetiaError:
            pass
    opened = Study.open(path, "study")
    for trial in opened.trials:
        str(trial)
        repr(trial)
        hash(trial)
    _ = (
        opened.history.best,
        opened.pareto,
        opened.top(3),
        opened.baseline_trial,
        str(opened),
        opened.stop_reason,
    )
    study = made(path)
    assert study.run(strategy(), trials=13) == "trials done"
    return study


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_damaged_json_is_an_error_of_ours_or_does_no_harm(data, whole, tmp_path):
    path = copied(whole, tmp_path)
    table = data.draw(st.sampled_from(["trials", "studies"]))
    column = data.draw(st.sampled_from(JSON_COLUMNS[table]))
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute(
            f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY rowid"
        ).fetchall()
        row, text = data.draw(st.sampled_from(rows))
        if data.draw(st.integers(0, 3)):
            value = json.loads(text)
            damaged = json.dumps(
                changed(
                    value, data.draw(st.sampled_from(list(places(value)))), data.draw(JSON | st.just(...))
                )
            )
        else:
            damaged = text[: data.draw(st.integers(0, len(text) - 1))]
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (damaged, row))
    try:
        use(path)
    except RetiaError as error:
        assert "study" in str(error), error


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_damaged_column_is_an_error_of_ours_or_does_no_harm(data, whole, tmp_path):
    path = copied(whole, tmp_path)
    table = data.draw(st.sampled_from(["trials", "studies", "runs"]))
    column = data.draw(st.sampled_from(COLUMNS[table]))
    with closing(sqlite3.connect(path)) as connection, connection:
        row = data.draw(
            st.sampled_from(
                [row for (row,) in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
            )
        )
        try:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (data.draw(RAW), row))
        except (sqlite3.IntegrityError, OverflowError):
            return
    try:
        use(path)
    except RetiaError as error:
        assert str(error).rstrip().endswith(".") or "Name one of" in str(error), error


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "UPDATE studies SET header = '{'",
            r"The header of study 'study' in .*study\.db can't be read: .*Restore the storage from a copy",
        ),
        ("UPDATE studies SET header = 'null'", r"The header of study 'study' in .*study\.db can't be read"),
        (
            "UPDATE studies SET header = json_remove(header, '$.space')",
            r"The header of study 'study' in .* needs name, space.*KeyError: 'space'",
        ),
        (
            "UPDATE studies SET header = json_set(header, '$.seed', 'x')",
            r"The header of study 'study' in .*'x' is not int",
        ),
        (
            "UPDATE studies SET header = json_set(header, '$.space.parameters.act.domain.type', 'fuzzy')",
            r"The header of study 'study' in .*fuzzy",
        ),
        (
            "UPDATE studies SET header = json_set(header, '$.objectives[0][1]', 'sideways')",
            r"The header of study 'study' .*'sideways' is not maximize or minimize",
        ),
        (
            "UPDATE studies SET header = json_set(header, '$.baseline.act', 'swish')",
            r"The header of study 'study' in .* contradicts itself",
        ),
        (
            "UPDATE trials SET state = 'resting' WHERE number = 3",
            r"Trial 3 of study 'study' in .*study\.db can't be read .*'resting'.*Restore or delete the row",
        ),
        (
            "UPDATE trials SET architecture = '[]' WHERE number = 3",
            r"Trial 3 of study 'study' in .*can't be read",
        ),
        (
            "UPDATE trials SET architecture = json_set(architecture, '$.slope', 7.5) WHERE number = 3",
            r"Trial 3 .*does not match its key",
        ),
        (
            "UPDATE trials SET metrics = '{\"score\": [1]}' WHERE number = 3",
            r"Trial 3 of .*\[1\], which is not a number",
        ),
        ("UPDATE trials SET number = 'x' WHERE number = 3", r"Trial 'x' of .*a number is a whole number"),
        (
            "UPDATE trials SET error = CAST(x'ff' AS TEXT) WHERE number = 3",
            r"The storage .*study\.db can't be used",
        ),
        (
            "UPDATE runs SET heartbeat = 'x', ended = NULL",
            r"Run 1 of study 'study' in .*can't be read .*delete the row",
        ),
    ],
)
def test_damage_is_told_with_its_place_and_remedy(statement, says, whole, tmp_path):
    path = copied(whole, tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(StorageError, match=says):
        use(path)


def test_a_damaged_row_may_be_deleted_as_the_error_says(whole, tmp_path):
    path = copied(whole, tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE trials SET state = 'resting' WHERE number = 3")
    with pytest.raises(StorageError, match="delete the row"):
        use(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM trials WHERE number = 3")
    assert 3 not in {trial.number for trial in use(path).trials}
