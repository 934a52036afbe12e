import pytest

from retia.visible import visible, visible_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("width/0=16 naïve 漢字 é ↑", "width/0=16 naïve 漢字 é ↑"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("over\rwritten\n", r"over\rwritten\n"),
        ("a\u202eb\u2066c\u2069", r"a\u202eb\u2066c\u2069"),
        ("a\u200bb\u2060c\ufeffd", r"a\u200bb\u2060c\ufeffd"),
        ("a\u115f\u3164\ufe0f\U000e0101", r"a\u115f\u3164\ufe0f\U000e0101"),
        ("\udcff\ud800", r"\udcff\ud800"),
        ("a\u2028b\u00a0c", r"a\u2028b\xa0c"),
        (r"C:\new", r"C:\new"),
        ("", ""),
    ],
)
def test_what_is_not_seen_is_escaped_and_all_else_stays(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_several_lines_keep_their_ends_and_tabs():
    assert (
        visible_lines("Traceback:\r\n\tx\u2028\n\x1b]0;t\x07") == "Traceback:\\r\n\tx\\u2028\n\\x1b]0;t\\x07"
    )
