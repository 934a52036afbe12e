"""The figures of benchmarks/RESULTS.md say what they were measured at, and the ratios of the quick benchmarks
are found in it.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import stale

TEXT = stale.RESULTS.read_text(encoding="utf-8")


def parts(text):
    """Return the headings, and what stands between each and the next."""
    found = re.split(r"^#+ (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


@pytest.mark.parametrize(
    "heading",
    [heading for heading in parts(TEXT) if heading not in ("Results", "Strategies on NAS-Bench-201")],
)
def test_every_part_begins_with_what_it_was_measured_at(heading):
    assert stale.MARK.match(parts(TEXT)[heading].strip().splitlines()[0])


def test_parts_without_a_mark_have_no_table():
    assert "\n|" not in parts(TEXT)["Results"] + parts(TEXT)["Strategies on NAS-Bench-201"]


def test_every_source_is_there():
    marks = stale.marks(TEXT)
    assert len(marks) == TEXT.count("*Measured at commit")
    assert [
        (mark.line, source) for mark in marks for source in mark.sources if not (ROOT / source).exists()
    ] == []


@pytest.fixture
def repository(tmp_path, monkeypatch):
    def git(*arguments):
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@y.z", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    monkeypatch.setattr(stale, "ROOT", tmp_path)
    git("init", "--quiet")
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text("x = 1\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "measured")
    return tmp_path, git("rev-parse", "--short=8", "HEAD")


def test_a_part_is_stale_once_one_of_its_sources_has_changed(repository):
    folder, commit = repository
    text = (
        f"## One\n\n*Measured at commit {commit}; sources: one.py.*\n\n## Both\n\n*Measured at commit "
        f"{commit}; sources: one.py, two.py.*\n"
    )
    one, both = stale.marks(text)
    assert (one.section, one.line, both.sources) == ("One", 3, ("one.py", "two.py"))
    assert [stale.state(mark) for mark in (one, both)] == ["as measured"] * 2
    (folder / "two.py").write_text("x = 2\n")
    assert [stale.state(mark) for mark in (one, both)] == [
        "as measured",
        "stale: 1 of its files changed, two.py",
    ]


def test_a_commit_that_the_clone_lacks_is_said(repository):
    assert stale.state(stale.Mark("One", 1, "1234567", ("one.py",))).startswith(
        "unknown: the commit is not in this clone"
    )


def test_the_script_ends_well_whatever_it_finds():
    done = subprocess.run([sys.executable, stale.__file__], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(stale.marks(TEXT))


def test_ratios_are_looked_up_in_the_tables():
    quick = pytest.importorskip("quick", reason="the quick benchmarks compare with Optuna")
    for section, column, *cells in (
        (
            "Overhead of the search",
            "wall, against Optuna RandomSampler",
            "in memory",
            "2,000",
            "retia Random",
        ),
        ("Workers", "gain", "Processes(2), with start and end"),
        ("Building", "ratio", "README network", "meta"),
        ("Supernets", "ratio", "mobilenetv3", "smallest"),
        ("A step of the one-shot methods", "ratio", "GDAS"),
    ):
        assert re.fullmatch(r"\d+(\.\d+)?x?", quick.recorded(section, column, *cells))
    with pytest.raises(
        LookupError, match=r"no row \('nobody',\) with a column 'gain' in its section 'Workers'"
    ):
        quick.recorded("Workers", "gain", "nobody")
