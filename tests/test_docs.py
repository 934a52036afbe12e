"""The pages of the guide: their Python blocks run in order, in one namespace, and their commands are
commands.
"""

import ast
import inspect
import re
import shlex
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import retia
from retia.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PROSE = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("src/**/*.md")]
DEFAULT = re.compile(r"`(\w+)\(([^`]+)\)` by default")
PAGES = ("search_spaces", "evaluators", "strategies", "benchmarks")


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
    assert (
        names["comparison"].standings["local"].final.mean < names["comparison"].standings["random"].final.mean
    )
    assert "Friedman test: p = " in capsys.readouterr().out


def test_the_page_of_evaluators(tmp_path, monkeypatch, moves_generators):
    monkeypatch.chdir(tmp_path)
    names = run_page("evaluators")
    assert {len(names[study].trials) for study in ("own", "study", "tuned")} == {2}
    assert any(trial.fidelity is None and trial.parent is not None for trial in names["promoted"].trials)


def test_the_errors_of_the_page_of_evaluators_are_raised_somewhere():
    table = (DOCS / "evaluators.md").read_text(encoding="utf-8").rpartition("## Common errors")[2]
    messages = re.findall(r'^\| "(.+?)" \|', table, re.MULTILINE)
    paths = [*(ROOT / "src/retia/evaluate").rglob("*.py"), ROOT / "src/retia/nn/batch.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in paths)
    source = re.sub(r'"\n\s*f?"', "", source)  # strings that go on in the next line
    assert len(messages) == table.count('\n| "') > 5
    assert [message for message in messages if message not in source] == []


def test_the_metrics_that_the_page_of_evaluators_lists_are_those_of_the_presets():
    (row,) = re.findall(
        r"^\| metrics \| (.+) \|$", (DOCS / "evaluators.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    listed = [set(re.findall(r"`(\w+)`", cell)) - {"bytes_per_token"} for cell in row.split(" | ")]
    x, tokens = torch.ones(4, 2), torch.arange(9)
    made = [
        retia.Training(x, x, loss=lambda outputs, batch: outputs.mean()),
        retia.Classification((x, tokens[:4]), (x, tokens[:4])),
        retia.Regression((x, x), (x, x)),
        retia.LanguageModeling(tokens, tokens, context=2, bytes_per_token=1),
    ]
    assert [set(training.metric_names) for training in made] == listed


def outcome(attempt):
    """Return what the table of Python's control flow says of an attempt: "error" for an error of the space or
    the supernet, or "yes".
    """
    try:
        attempt()
    except (retia.SpaceError, retia.SupernetError):
        return "error"
    return "yes"


class Divide(nn.Module):
    def __init__(self, divisor):
        super().__init__()
        self.divisor = divisor

    def forward(self, x):
        return x / self.divisor


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


CONTROL_FLOW = re.findall(
    r"^\| `(.+?)`.*? \| (yes|error) \| (yes|error) \| (yes|error) \|$",
    (DOCS / "search_spaces.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_the_page_of_search_spaces(tmp_path, monkeypatch, moves_generators):
    monkeypatch.chdir(tmp_path)
    names = run_page("search_spaces")
    assert [len(names["labels"](make)) for make in (names["scoped"], names["branching"])] == [2, 2]
    assert len(CONTROL_FLOW) == 17


@pytest.mark.parametrize(("code", "builds", "explored", "supernet"), CONTROL_FLOW)
def test_the_table_of_control_flow(code, builds, explored, supernet):
    def make():
        width = retia.choice("width", [8, 16])
        return nn.Sequential(nn.Linear(4, width), eval(code, {**globals(), "width": width}))

    def build_all(space):
        for architecture in space.enumerate():
            space.build(architecture, seed=0).eval()(torch.ones(2, 4))

    def share():
        shared = retia.Supernet(retia.ModelSpace(make), example=torch.ones(2, 4), seed=0).eval()
        for architecture in retia.ModelSpace(make).enumerate():
            shared.activate(architecture)
            assert torch.allclose(shared(torch.ones(2, 4)), shared.subnet().eval()(torch.ones(2, 4)))

    found = [
        outcome(lambda: build_all(retia.ModelSpace(make))),
        outcome(lambda: build_all(retia.ModelSpace(make, explore=True))),
        outcome(share),
    ]
    assert found == [builds, explored, supernet]


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_short(page):
    assert len((DOCS / f"{page}.md").read_text(encoding="utf-8").splitlines()) <= 260


def test_the_commands_of_the_pages_take_these_options():
    commands = []
    for page in PAGES:
        fenced = (DOCS / f"{page}.md").read_text(encoding="utf-8").split("```")[1::2]
        plain = [block.replace("\\\n", " ") for block in fenced if block.startswith("\n")]
        commands += [
            shlex.split(line, comments=True) for block in plain for line in block.splitlines() if line
        ]
    assert len(commands) == 5
    for command in commands:
        assert command[:2] == ["retia", "bench"]
        shown = (
            CliRunner().invoke(main, ["bench", *(["build"] if "build" in command else []), "--help"]).output
        )
        options = [word for word in command if word.startswith("--")]
        assert options
        assert [option for option in options if not re.search(rf"{option}\b", shown)] == []


def stated_defaults(text):
    """Return the defaults that a text states as "`Name(argument=value)` by default": (name, argument, value)
    each.
    """
    calls = [ast.parse(f"{name}({arguments})", mode="eval").body for name, arguments in DEFAULT.findall(text)]
    return [
        (call.func.id, keyword.arg, ast.literal_eval(keyword.value))
        for call in calls
        for keyword in call.keywords
    ]


def loose_defaults(text):
    """Return where a text states a default in another form, which no test would compare with the code."""
    prose = DEFAULT.sub("", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return re.findall(
        r".{0,40}(?:by default|defaults? (?:is|are|to|of)\b|\bif not given|\bunless given).{0,20}", prose
    )


def named(name):
    """Return what a page calls by its bare name: from the top of retia, or from the package that has it."""
    packages = (
        retia,
        retia.strategy,
        retia.oneshot,
        retia.predictor,
        retia.evaluate,
        retia.study,
        retia.supernet,
    )
    return next(getattr(package, name) for package in packages if name in package.__all__)


def test_defaults_in_prose_are_those_of_the_code():
    stated = {path.name: stated_defaults(path.read_text(encoding="utf-8")) for path in PROSE}
    assert ("RegularizedEvolution", "population", 20) in stated["strategies.md"]
    for page, defaults in stated.items():
        for name, argument, value in defaults:
            assert inspect.signature(named(name)).parameters[argument].default == value, (
                f"{page}: {name}({argument}={value!r})"
            )


def test_every_default_in_prose_has_the_form_that_is_compared():
    assert loose_defaults("They are 20 (50 by default).") != []
    assert loose_defaults("There are 50, `RegularizedEvolution(population=50)` by default.") == []
    assert {
        path.name: found for path in PROSE if (found := loose_defaults(path.read_text(encoding="utf-8")))
    } == {}


def test_the_demo_is_as_large_as_the_readme_says():
    (trains,) = re.findall(
        r"The demo trains (\d+) architectures for accuracy and for size, and (\d+) at random",
        (ROOT / "README.md").read_text(encoding="utf-8"),
    )
    (trials,) = [option.default for option in main.commands["demo"].params if option.name == "trials"]
    assert trains == (str(trials), str(trials))


def test_the_strategy_of_a_search_that_names_none_is_the_one_that_the_guide_says():
    (chosen,) = re.findall(r"`(\w+)` \(the default\)", (DOCS / "strategies.md").read_text(encoding="utf-8"))
    space = retia.SearchSpace({label: retia.Integer(1, 9) for label in "abc"})

    @retia.architecture_evaluator
    def total(architecture):
        return {"total": sum(architecture.values())}

    def found(*strategy):
        return [
            trial.architecture
            for trial in retia.search(
                space, total, *strategy, trials=40, maximize="total", progress=False
            ).trials
        ]

    assert found() == found(named(chosen)())
    assert found() != found(retia.Random())
