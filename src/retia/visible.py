"""Text from users and storages, made safe to show on a terminal or a page."""

import re

__all__ = ["visible", "visible_lines"]

UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that are printable in Python, but default-ignorable in Unicode, and so invisible."""


def visible(text: str) -> str:
    r"""Return a text on one line, with escapes for characters that are invisible or move the cursor.

    These are control characters, direction marks, characters of no width and lone surrogates. The result
    can't be parsed back: a backslash stays as it is.

    >>> visible("width=16 naïve"), visible("a\x1b[2Jb\nc\u202e")
    ('width=16 naïve', 'a\\x1b[2Jb\\nc\\u202e')
    """
    if text.isascii() and text.isprintable():
        return text
    printable = "".join(character if character.isprintable() else _escape(character) for character in text)
    return UNSEEN.sub(lambda found: _escape(found[0]), printable)


def visible_lines(text: str) -> str:
    r"""Return a text of several lines, such as a traceback, with the same escapes; line ends and tabs stay.

    >>> visible_lines("Error:\n\tit broke\r")
    'Error:\n\tit broke\\r'
    """
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
