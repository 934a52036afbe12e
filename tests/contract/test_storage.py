"""Every record obeys the laws of `StudyRecord`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from retia.storage import Database, MemoryRecord
from retia.testing.storage import RECORD_LAWS, SHARED_RECORD_LAWS, OpenRecord, RecordLaw, example_header


@pytest.fixture
def open_postgresql(request: pytest.FixtureRequest) -> Iterator[OpenRecord]:
    """Open records in an empty database: the one that RETIA_TEST_POSTGRESQL names, or one of a server that
    the tests start.
    """
    url: str = os.environ.get("RETIA_TEST_POSTGRESQL") or request.getfixturevalue("postgresql").url
    import sqlalchemy as sa

    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS trials, runs, studies, retia_schema"))
    yield lambda: Database(url).open(example_header())
    engine.dispose()


@pytest.mark.parametrize("law", RECORD_LAWS, ids=lambda law: law.__name__)
def test_memory(law: RecordLaw) -> None:
    law(lambda: MemoryRecord(example_header()))


@pytest.mark.parametrize("law", RECORD_LAWS + SHARED_RECORD_LAWS, ids=lambda law: law.__name__)
def test_sqlite(law: RecordLaw, tmp_path: Path) -> None:
    law(lambda: Database(tmp_path / "study.db").open(example_header()))


@pytest.mark.parametrize("law", RECORD_LAWS + SHARED_RECORD_LAWS, ids=lambda law: law.__name__)
def test_postgresql(law: RecordLaw, open_postgresql: OpenRecord) -> None:
    law(open_postgresql)
