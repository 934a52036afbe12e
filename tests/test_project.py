"""What holds for the project as a whole: who imports whom, what is documented, how it is set up."""

import ast
import importlib
import inspect
import itertools
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import pytest

import retia

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "retia"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = sorted(SRC.rglob("*.py"))
FRONT_DOORS = [
    "retia",
    *sorted(f"retia.{path.parent.name}" for path in SRC.glob("*/__init__.py")),
    *sorted(f"retia.{path.stem}" for path in SRC.glob("*.py") if path.stem[0] != "_"),
]
"""The packages, and the modules that stand beside them."""

EVERYTHING = {door.removeprefix("retia.") for door in FRONT_DOORS}
FOUNDATION = {"errors", "rng", "visible"}
MAY_IMPORT = {
    "errors": set(),
    "rng": set(),
    "visible": set(),
    "space": set(),
    "trial": {"space"},
    "storage": {"trial", "space"},
    "nn": {"space"},
    "graph": {"nn", "space"},
    "cost": {"nn", "trial", "space"},  # its evaluator takes a Run
    "supernet": {"nn", "space"},
    "strategy": {"trial", "space"},
    "execute": {"trial", "space"},
    "predictor": {"strategy", "trial", "space"},
    "evaluate": {"supernet", "cost", "nn", "trial", "space"},
    "oneshot": {"evaluate", "supernet", "cost", "nn", "trial", "space"},
    "hub": {"supernet", "graph", "nn", "space"},
    "study": {"execute", "strategy", "storage", "trial", "space"},
    "benchmark": {"hub", "evaluate", "strategy", "cost", "nn", "trial", "space"},
    "datasets": set(),
    "report": {"study", "storage", "trial", "space"},
    "dashboard": {"study", "storage", "trial", "space"},
    "testing": EVERYTHING - {"retia", "cli", "searching", "report", "dashboard"},
    "searching": EVERYTHING - {"retia", "cli"},
    "cli": EVERYTHING,
    "__main__": EVERYTHING,
    "retia": EVERYTHING - {"cli"},
}
"""What each package may import from below, besides the foundation; the layers are in pyproject.toml."""


@dataclass(frozen=True)
class Import:
    """One imported name: `from {module} import {name}`, or `import {module}`."""

    place: str
    importer: str
    module: str
    name: str | None

    @property
    def imported(self) -> str:
        """The package that is imported: `space` for `retia.space.domain`, `retia` for the root itself."""
        if self.module != "retia":
            return self.module.split(".")[1]
        return self.name if self.name is not None and self.name in EVERYTHING else "retia"


def package_of(file):
    """Return the package or top-level module that a file belongs to; the root's own is `retia`."""
    first = file.relative_to(SRC).parts[0].removesuffix(".py")
    return "retia" if first == "__init__" else first


def imports_of(file):
    """Return every import of retia in a file, wherever it stands, for types or not."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        place = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            found += [Import(place, package_of(file), alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [Import(place, package_of(file), node.module or "", alias.name) for alias in node.names]
    return [one for one in found if one.module.split(".")[0] == "retia"]


def exported(door):
    """Return the public names of a package or module: its `__all__`, or what it defines where it has none."""
    module = importlib.import_module(door)
    defined = [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", None) == door
    ]
    return getattr(module, "__all__", defined)


CROSSING = [one for file in FILES for one in imports_of(file) if one.imported != one.importer]
"""Imports of one package by another."""


def test_packages_import_only_what_their_row_allows():
    wrong = [
        f"{one.place}: '{one.importer}' imports '{one.imported}'"
        for one in CROSSING
        if one.imported not in MAY_IMPORT[one.importer] | FOUNDATION
        or (one.importer, one.imported) == ("rng", "errors")
    ]
    assert not wrong


def test_every_package_has_a_row():
    assert {package_of(file) for file in FILES} <= set(MAY_IMPORT)


def test_packages_are_entered_through_the_front_door():
    wrong = []
    for one in CROSSING:
        if one.module not in FRONT_DOORS:
            wrong.append(
                f"{one.place}: {one.module} is inside another package; import from retia.{one.imported}"
            )
        elif one.name is not None and one.module != "retia" and one.name not in exported(one.module):
            wrong.append(f"{one.place}: {one.module} does not export {one.name}")
    assert not wrong


def test_importing_retia_is_light():
    heavy = {"torch", "torchmetrics", "sklearn", "matplotlib", "sqlalchemy", "rich", "scipy", "pandas"}
    code = "import retia, sys; print(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "retia" in loaded
    assert not loaded & heavy


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_front_door_exports_what_exists(door):
    module, names = importlib.import_module(door), exported(door)
    assert module.__doc__
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(module, name)] == []


def constants_with_docstring():
    """Return the names that are assigned and have a string below them, the docstring of a constant."""
    found = set()
    for file in FILES:
        body = ast.parse(file.read_text()).body
        for statement, below in itertools.pairwise(body):
            if not (
                isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                continue
            targets = (
                statement.targets
                if isinstance(statement, ast.Assign)
                else [getattr(statement, "target", None)]
            )
            found.update(target.id for target in targets if isinstance(target, ast.Name))
    return found


CONSTANTS = constants_with_docstring()


def documented(name, value):
    """Whether an exported name has a docstring that somebody wrote."""
    if isinstance(value, ModuleType) or inspect.isroutine(value):
        return bool(value.__doc__)
    if inspect.isclass(value) and value.__module__.split(".")[0] == "retia":
        text = vars(value).get("__doc__")
        return bool(text) and not text.startswith(f"{value.__name__}(")  # what a dataclass writes by itself
    if isinstance(value, click.Command):
        return bool(value.help)
    return name in CONSTANTS


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_exported_names_are_documented(door):
    module = importlib.import_module(door)
    assert [name for name in exported(door) if not documented(name, getattr(module, name))] == []


def test_the_page_of_names_lists_what_is_exported():
    top, _, packages = (ROOT / "docs/api.md").read_text(encoding="utf-8").partition("## By package")
    assert sorted(re.findall(r"^\| `(\w+)` \|", top, re.MULTILINE)) == sorted(retia.__all__)
    listed = {}
    for paragraph in packages.strip().split("\n\n"):
        door, *names = re.findall(r"`([\w.]+)`", paragraph)
        listed[door] = sorted(names)
    assert listed == {
        door: sorted(exported(door))
        for door in FRONT_DOORS
        if door not in ("retia", "retia.cli", "retia.searching", "retia.visible")
    }


def test_no_file_is_over_400_lines():
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in FILES}
    assert {file: length for file, length in lengths.items() if length > 400} == {}


def test_nothing_is_left_to_do():
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    assert [str(file.relative_to(ROOT)) for file in FILES if marks.search(file.read_text())] == []


def test_every_ignored_rule_has_a_reason():
    section = (
        (ROOT / "pyproject.toml").read_text().split("[tool.ruff.lint]")[1].split("[tool.ruff.lint.flake8")[0]
    )
    lines = [line for line in section.splitlines() if re.match(r'\s*"', line)]
    assert len(lines) >= len(PROJECT["tool"]["ruff"]["lint"]["ignore"])
    assert [line for line in lines if not re.search(r"# .{8,}", line)] == []


def test_every_suppression_in_the_code_names_its_rule():
    bare = re.compile(r"#\s*(noqa(?!: [A-Z]+[0-9]+)|type:\s*ignore|pyright:\s*ignore(?!\[))")
    assert [f"{file.relative_to(ROOT)}" for file in FILES if bare.search(file.read_text())] == []


def test_version_is_the_same_everywhere():
    assert retia.__version__ == PROJECT["project"]["version"]


def test_all_holds_every_extra_but_dev():
    extras = PROJECT["project"]["optional-dependencies"]
    inside = re.fullmatch(r"retia\[([\w,-]+)\]", extras["all"][0])
    assert inside is not None
    assert set(inside[1].split(",")) == set(extras) - {"all", "dev"}


def test_dependencies_have_lower_bounds_only():
    extras = PROJECT["project"]["optional-dependencies"]
    requirements = [*PROJECT["project"]["dependencies"], *extras["dev"], *extras["postgresql"]]
    assert [one for one in requirements if not re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", one)] == []


def python_blocks(page):
    """Return the Python examples of a page, by the line that they start at."""
    text = (ROOT / page).read_text()
    return [
        (text[: match.start()].count("\n") + 1, match[1])
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    ]


@pytest.mark.parametrize(("line", "code"), python_blocks("CONTRIBUTING.md"))
def test_the_blocks_for_contributors_run_or_are_examples(line, code, tmp_path, monkeypatch):
    if example := re.search(r"^python (examples/\w+\.py)$", code, re.MULTILINE):
        assert code == (ROOT / example[1]).read_text(encoding="utf-8")  # tests/test_examples.py runs it
        return
    monkeypatch.chdir(tmp_path)
    names = {"__name__": f"contributing_{line}"}
    exec(compile("\n" * line + code, "CONTRIBUTING.md", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


def test_the_four_kinds_of_extension_are_shown_to_contributors():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = {
        name for name in (ROOT / "examples").glob("extend_*.py") if f"python examples/{name.name}" in text
    }
    assert {path.stem for path in shown} == {
        "extend_elastic_layer",
        "extend_evaluator",
        "extend_one_shot",
        "extend_strategy",
    }
    for path in shown:  # what is added, without its demonstration
        added = path.read_text(encoding="utf-8").partition("def main(")[0]
        assert len([line for line in added.splitlines() if line.strip()]) < 40, path


@pytest.mark.parametrize(
    ("name", "says"), [("TPE", r"Write retia\.strategy\.TPE\."), ("Nothing", r"docs/api\.md lists")]
)
def test_a_name_of_a_package_is_pointed_out(name, says):
    with pytest.raises(AttributeError, match=f"module 'retia' has no attribute '{name}'. *{says}"):
        getattr(retia, name)
