import json
import sys
from pathlib import Path

import pytest

from retia.cli.user_code import UserCodeError, load_file, require_parameters, user_code
from retia.errors import SpaceError, StudyError


def test_an_error_of_the_file_is_shown_as_its_own_traceback(retia, write):
    write("broken.py", "def helper():\n    return 1 / 0\n\n\nhelper()\n")
    lines = retia("run", "broken.py", code=1).stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith('broken.py", line 5, in <module>')
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert not any("user_code.py" in line or "importlib" in line for line in lines)


def test_a_syntax_error_shows_the_line(retia, write):
    write("broken.py", "x = (\n")
    error = retia("run", "broken.py", code=1).stderr
    assert 'broken.py", line 1' in error
    assert "SyntaxError: '(' was never closed" in error


def test_an_error_in_main_is_the_users_own(retia, write):
    write("broken.py", "def main():\n    return {}['missing']\n")
    lines = retia("run", "broken.py", code=1).stderr.splitlines()
    assert lines[1].endswith('broken.py", line 2, in main')
    assert lines[-1] == "KeyError: 'missing'"


def test_an_error_of_retia_is_one_message_with_the_line_that_led_to_it(retia, write):
    write("broken.py", "import retia\n\nspace = retia.SearchSpace({'a': retia.Categorical(())})\n")
    error = retia("check", "broken.py", code=1).stderr
    assert error == (
        "SpaceError: A choice needs at least one value, but the list is empty. Give it values: [16, "
        "32].\n(from broken.py, line 3)\n"
    )


def test_the_folder_of_the_file_is_importable_and_main_guards_do_not_run(write, folder):
    (folder / "sub").mkdir()
    write("sub/part.py", "value = 3\n")
    write("sub/whole.py", "from part import value\n\nif __name__ == '__main__':\n    raise SystemExit(9)\n")
    loaded = load_file(Path("sub/whole.py"))
    assert loaded.get("value") == 3
    assert loaded.get("nothing") is None
    assert sys.modules["whole"] is loaded.module


def test_a_file_named_like_a_loaded_module_does_not_take_its_place(write, folder):
    write("json.py", "value = 3\n")
    loaded = load_file(Path("json.py"))
    assert loaded.module.__name__ == "json_file"
    assert sys.modules["json"] is json


def test_a_file_that_raises_leaves_no_module(write, folder):
    write("broken.py", "raise OSError('mine')\n")
    with pytest.raises(UserCodeError, match="OSError: mine"):
        load_file(Path("broken.py"))
    assert "broken" not in sys.modules


def test_a_file_must_be_python(folder):
    (folder / "study.txt").write_text("text")
    with pytest.raises(StudyError, match=r"is not a Python file\. Give a file whose name ends in \.py"):
        load_file(Path("study.txt"))


def test_an_exit_of_the_file_passes(retia, write):
    write("leaves.py", "raise SystemExit(7)\n")
    retia("run", "leaves.py", code=7)


def test_retia_errors_and_interrupts_pass(tmp_path):
    with pytest.raises(SpaceError), user_code(tmp_path / "file.py"):
        raise SpaceError("mine")
    with pytest.raises(KeyboardInterrupt), user_code(tmp_path / "file.py"):
        raise KeyboardInterrupt


def test_options_are_checked_against_the_signature(tmp_path):
    def function(positional, /, named, *rest, only=1):
        del positional, named, rest, only

    require_parameters(function, {"named": 1, "only": 2}, tmp_path)
    with pytest.raises(StudyError, match=r"no parameter 'positional'; it has named, only"):
        require_parameters(function, {"positional": 1}, tmp_path)
