"""A study's files are its own."""

import shutil

import pytest

from retia.errors import StorageError, StudyError
from retia.space import Integer, SearchSpace
from retia.storage import Database
from retia.strategy import Random
from retia.study import Study, architecture_evaluator, run_control
from retia.trial import WEIGHTS


class Built:
    """What a space builds that loads a text as weights."""

    def __init__(self, text):
        self.text = text


class Space(SearchSpace):
    def build(self, architecture, **_):
        raise NotImplementedError

    def load(self, architecture, path, **_):
        return Built(path.read_text())


SPACE = Space({"a": Integer(1, 99)})


def keeping(tag):
    @architecture_evaluator
    def judge(architecture):
        return {"score": architecture["a"]}

    class Keeping:
        def __call__(self, architecture, run):
            run.directory.mkdir(parents=True, exist_ok=True)
            (run.directory / WEIGHTS).write_text(f"{tag} {architecture['a']}")
            return judge(architecture, run)

    return Keeping()


def searched(tag, **options):
    study = Study(SPACE, keeping(tag), maximize="score", keep_weights="all", **options)
    study.run(Random(), trials=3)
    return study


@pytest.mark.parametrize(
    ("first", "second"),
    [("exp-0.1", "exp-0.2"), ("a.db", "a.sqlite"), ("a", "a.db"), ("a.db", "a.db.old")],
)
def test_two_storages_share_no_folder(first, second, tmp_path):
    one, two = (searched(name, storage=tmp_path / name) for name in (first, second))
    assert one.directory == tmp_path / f"{first}.files" / "study"
    for study, tag in ((one, first), (two, second)):
        assert [trial.load().text for trial in study.trials] == [
            f"{tag} {trial.architecture['a']}" for trial in study.trials
        ]


def test_the_spellings_of_a_file_share_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    spellings = [
        "study.db",
        "~/study.db",
        "sqlite:///study.db",
        "sqlite:///~/study.db",
        f"sqlite:///{tmp_path}/study.db",
        tmp_path / "study.db",
    ]
    assert {Database(one).files for one in spellings} == {tmp_path / "study.db.files"}
    searched("home", storage="~/study.db")
    assert {path.name for path in tmp_path.iterdir()} == {"study.db", "study.db.files"}


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("postgresql://me:secret@host/studies", "host+5432+studies"),
        ("postgres://you:se/cr@host:5432/studies", "host+5432+studies"),
        ("postgresql+psycopg://me@host:5433/studies", "host+5433+studies"),
        ("postgresql://me@other/studies", "other+5432+studies"),
        ("postgresql://me@host/more", "host+5432+more"),
        ("postgresql://me@/studies?host=/run/pg&port=7", "%2Frun%2Fpg+7+studies"),
        ("postgresql://[::1]:99/a%2Fb", "%5B%3A%3A1%5D+99+a%2Fb"),
        ("postgresql://me@host/", "host+5432+me"),
        ("postgresql:///..", "localhost+5432+.."),
    ],
)
def test_databases_of_servers_are_told_apart_without_the_password(url, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Database(url).files == tmp_path / "retia-files" / folder


def test_a_storage_that_was_made_again_does_not_take_the_old_files(tmp_path):
    old = searched("old", storage=tmp_path / "study.db")
    (tmp_path / "study.db").unlink()
    made_again = Study(SPACE, keeping("new"), maximize="score", storage=tmp_path / "study.db")
    another = r"The folder .*study\.db\.files/study holds the files of another study .* the storage was deleted and made again .* Move the folder away"
    with pytest.raises(StudyError, match=another):
        made_again.run(Random(), trials=3)
    with pytest.raises(StudyError, match=another):
        _ = made_again.preparation
    shutil.rmtree(old.directory)
    made_again.run(Random(), trials=3)
    with pytest.raises(StudyError, match=another):
        old.trials[0].load()
    assert made_again.trials[1].load().text.startswith("new")


def test_a_given_folder_is_one_studys(tmp_path):
    first = searched("first", storage=tmp_path / "1.db", directory=tmp_path / "files")
    for storage in (tmp_path / "2.db", None):
        with pytest.raises(StudyError, match=r"The folder .*files holds the files of another study"):
            searched("second", storage=storage, directory=tmp_path / "files")
    assert first.trials[2].load().text == f"first {first.trials[2].architecture['a']}"
    resumed = Study(
        SPACE, keeping("first"), maximize="score", storage=tmp_path / "1.db", directory=tmp_path / "files"
    )
    assert resumed.run(Random(), trials=4) == "trials done"


def test_studies_and_companions_of_one_storage_have_folders_of_their_own(tmp_path):
    study = searched("s", storage=tmp_path / "study.db")
    run_control(study, trials=3)
    other = searched("o", storage=tmp_path / "study.db", name="other")
    folders = [one.directory for one in (study, study.control, other)]
    assert len({(folder / "study-id").read_text() for folder in folders}) == 3
    assert Study.open(tmp_path / "study.db", "study/random").directory == study.directory / "random"


def test_a_moved_storage_keeps_its_files(tmp_path):
    searched("s", storage=tmp_path / "study.db")
    (tmp_path / "moved").mkdir()
    for name in ("study.db", "study.db.files"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    moved = Study(SPACE, keeping("s"), maximize="score", storage=tmp_path / "moved" / "study.db")
    assert moved.trials[2].load().text == f"s {moved.trials[2].architecture['a']}"


def test_a_mark_that_can_not_be_read_is_an_error(tmp_path):
    study = searched("s", storage=tmp_path / "study.db")
    (study.directory / "study-id").unlink()
    (study.directory / "study-id").mkdir()
    with pytest.raises(
        StudyError,
        match=r"The file .*study-id tells which study the folder belongs to, and can't be read .* or remove it",
    ):
        study.trials[0].load()


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StudyError,
        match=r"can't hold the study's files \(.*\)\. Make it writable, or give another folder: directory=",
    ):
        searched("s", storage=tmp_path / "study.db", directory=tmp_path / "file" / "below")


# --- names

WRONG = [
    ("", "it is empty"),
    ("../../x", "a slash or a backslash"),
    ("..", "a dot or two"),
    (".", "a dot or two"),
    ("/etc/x", "a slash or a backslash"),
    ("a/b", "a slash or a backslash"),
    ("a/00001", "a slash or a backslash"),
    ("../random", "a dot or two"),
    ("/random", "a slash or a backslash"),
    ("a\\b", "a slash or a backslash"),
    ("a\0b", "can't be printed"),
    ("a\x1b[2J", "can't be printed"),
    ("a\nb", "can't be printed"),
    ("a\ud800", "can't be printed"),
    ("\u202egnp", "can't be printed"),
    (" a", "begins or ends with a space"),
    ("a" * 300, "it has 300 bytes, and 200 are allowed"),
    ("é" * 101, "it has 202 bytes, and 200 are allowed"),
    (3, "of the type int"),
    (None, "of the type NoneType"),
    (b"a", "of the type bytes"),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_a_name_that_leaves_the_folder_is_refused(name, wrong, tmp_path):
    message = rf"A study can't be named .*{wrong}.*\. Give another name"
    with pytest.raises(StudyError, match=message) as caught:
        Study(SPACE, keeping("s"), maximize="score", storage=tmp_path / "study.db", name=name)
    assert str(caught.value).isprintable()
    if name is not None:
        with pytest.raises(StudyError, match=message):
            Study.open(tmp_path / "study.db", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "résumé, 3rd try (b)",
        "实验",
        "x" * 200,
        "a.b",
        "..a",
        "~",
        "random",
        "study/random",
        "study/retrained",
    ],
)
def test_other_names_are_fine(name, tmp_path):
    study = searched("s", storage=tmp_path / "study.db", name=name)
    assert study.directory.resolve().is_relative_to((tmp_path / "study.db.files").resolve())
    assert Study.open(tmp_path / "study.db", name).name == name
    with pytest.raises(StorageError, match="There is no study 'nobody'"):
        Study.open(tmp_path / "study.db", "nobody")
