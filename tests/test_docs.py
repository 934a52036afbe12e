"""The pages of the guide: their Python blocks run in order, in one namespace, and their commands are commands."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from retia.cli import main

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("strategies", "benchmarks")


def run_page(name):
    """Run the blocks of a page, and return what they have defined."""
    page = DOCS / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert len(blocks) == text.count("```python") > 3
    names = {"__name__": f"{name}_page"}
    for block in blocks:
        line = text[: block.start(1)].count("\n")  # so that a traceback names the line of the page
        exec(compile("\n" * line + block[1], str(page), "exec"), names)
    return names


def test_the_page_of_strategies(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run_page("strategies")
    assert names["study"].best.metrics["valid_accuracy"] > 90  # the strategy of one's own, on the table
    assert names["best_small"].metrics["params"] <= 2000
    out = capsys.readouterr().out
    assert "None, 3)]" in out or re.search(r"\(\d, None, [1-9]\)", out)  # a promoted trial, with its parent
    assert "on the front" in out


def test_the_page_of_benchmarks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run_page("benchmarks")
    assert len(names["mine"]) == 128
    assert names["comparison"].standings["local"].final.mean < names["comparison"].standings["random"].final.mean
    assert "Friedman: p = " in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_short(page):
    assert len((DOCS / f"{page}.md").read_text(encoding="utf-8").splitlines()) <= 160


def test_the_commands_of_the_pages_take_these_options():
    commands = []
    for page in PAGES:
        fenced = (DOCS / f"{page}.md").read_text(encoding="utf-8").split("```")[1::2]
        plain = [block.replace("\\\n", " ") for block in fenced if block.startswith("\n")]
        commands += [shlex.split(line, comments=True) for block in plain for line in block.splitlines() if line]
    assert len(commands) == 5
    for command in commands:
        assert command[:2] == ["retia", "bench"]
        shown = CliRunner().invoke(main, ["bench", *(["build"] if "build" in command else []), "--help"]).output
        options = [word for word in command if word.startswith("--")]
        assert options
        assert [option for option in options if not re.search(rf"{option}\b", shown)] == []
