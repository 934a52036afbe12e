"""The address of a storage."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from retia.errors import StorageError
from retia.storage import Database
from retia.testing.storage import example_header


@pytest.mark.parametrize("form", ["{0}", "sqlite:///{0}", "path"])
def test_a_file_has_several_spellings(form: str, tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d.db"
    database = Database(path if form == "path" else form.format(path))
    database.open(example_header()).close(None)
    assert path.exists()
    assert str(database) == str(path)
    assert Database(path).names() == ["example"]


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///study.db")
    monkeypatch.chdir("/")
    assert str(database) == str(tmp_path / "study.db")


def test_a_password_is_not_shown() -> None:
    assert (
        repr(Database("postgresql+psycopg://me:se/cret@host:5432/db"))
        == "Database('postgresql+psycopg://me:***@host:5432/db')"
    )
    assert str(Database("postgres://host/db")) == "postgresql+psycopg://host/db"


@pytest.mark.parametrize("url", ["mysql://me:secret@host/db", "postgresql+asyncpg://host/db", "http://host"])
def test_an_unknown_scheme_is_rejected(url: str) -> None:
    with pytest.raises(StorageError, match=r"starts with 'sqlite:///' or 'postgresql://', got ") as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_a_missing_slash_is_reported() -> None:
    with pytest.raises(
        StorageError,
        match=r"three slashes before a path, got 'sqlite://study.db'. Write 'sqlite:///study.db'",
    ):
        Database("sqlite://study.db")


@pytest.mark.parametrize("storage", ["sqlite://", "sqlite:///", "sqlite:///:memory:", ":memory:", ""])
def test_a_database_in_memory_is_rejected(storage: str) -> None:
    with pytest.raises(StorageError, match=r"must be a file or a PostgreSQL URL, got .* leave out storage"):
        Database(storage)


def test_the_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"study.db must be in an existing directory, but .*missing is not a directory"
    ):
        Database(tmp_path / "missing" / "study.db").open(example_header())


def test_a_directory_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"is a directory. Name a file in it: .*study.db"):
        Database(tmp_path).open(example_header())


def test_reading_creates_no_file(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    for read in (Database(path).names, Database(path).studies, lambda: Database(path).load("example")):
        with pytest.raises(StorageError, match=r"There is no storage .*study.db"):
            read()
    with pytest.raises(StorageError, match=r"There is no storage .*study.db"):
        Database(path).amend(example_header())
    assert not path.exists()


@pytest.mark.parametrize("locked", ["directory", "file"])
def test_a_path_without_permission_is_rejected(
    locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study.db"
    Database(path).open(example_header()).close(None)
    forbidden = tmp_path if locked == "directory" else path
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda place, mode, **kwargs: Path(place) != forbidden and access(place, mode, **kwargs)
    )
    with pytest.raises(
        StorageError, match=f"can't be written: there is no permission to write {forbidden}\\. "
    ):
        Database(path).open(example_header())
    assert Database(path).names() == ["example"]


def test_a_missing_driver_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        StorageError,
        match=r"needs the PostgreSQL driver psycopg, which is not installed. Install it: pip install 'retia\[postgresql\]'",
    ):
        Database("postgresql://localhost/db").names()


def test_a_server_that_is_not_there_is_reported() -> None:
    pytest.importorskip("psycopg", reason="needs the PostgreSQL driver")
    with pytest.raises(StorageError, match=r"can't be used \(.*Check that the server runs") as caught:
        Database("postgresql://me:secret@127.0.0.1:1/db").names()
    assert "secret" not in str(caught.value)


def test_the_import_is_light() -> None:
    import subprocess

    code = (
        "import sys, retia.storage as s; s.Database('x.db'); print([m for m in ('sqlalchemy', 'torch', "
        "'psycopg') if m in sys.modules])"
    )
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
