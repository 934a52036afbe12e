"""Names of studies."""

from collections.abc import Collection

from retia.errors import StudyError

__all__ = ["COMPANIONS", "CONTROL", "RESCORED", "RETRAINED", "check_name", "only_name", "own_names"]

CONTROL = "random"
"""Name of the companion with random search by the study's own evaluator."""
RETRAINED = "retrained"
"""Name of the companion with the study's best architectures, judged by its own evaluator."""
RESCORED = "rescored"
"""Name of the companion with the architectures of the random search, judged as the study's trials are."""
COMPANIONS = (CONTROL, RETRAINED, RESCORED)

LONGEST = 200
"""How many bytes of UTF-8 a name may have: a folder is named after the study, and file systems allow 255."""


def check_name(name: object) -> str:
    """Return the name of a study if it can name a folder.

    After a slash only the names of companion studies can follow, as in "mine/random".

    >>> check_name("resnet, 3rd try")
    'resnet, 3rd try'

    Raises:
        StudyError: If `name` is not text, is empty or longer than `LONGEST` bytes, is "." or "..", begins or
            ends with a space, or holds a slash, a backslash or a character that can't be printed.
    """
    if not isinstance(name, str):
        wrong = f"it is of the type {type(name).__name__}"
    elif not (own := _own(name)):
        wrong = "it is empty"
    elif not own.isprintable():
        wrong = "it holds a character that can't be printed"
    elif "/" in own or "\\" in own:
        wrong = "it holds a slash or a backslash"
    elif own in (".", "..") or own != own.strip():
        wrong = "it is a dot or two, or begins or ends with a space"
    elif (size := len(own.encode())) > LONGEST:
        wrong = f"it has {size} bytes, and {LONGEST} are allowed"
    else:
        return name
    shown = ascii(name) if len(str(name)) <= LONGEST else f"{str(name)[:50]!a}..."
    msg = (
        f"A study can't be named {shown}: {wrong}. Its files go to a folder of that name. "
        "Give another name, such as name='mine'."
    )
    raise StudyError(msg)


def _own(name: str) -> str:
    """Return the name without those of companions at its end."""
    while (parts := name.rpartition("/"))[2] in COMPANIONS and parts[0]:
        name = parts[0]
    return name


def own_names(names: Collection[str]) -> list[str]:
    """Return the names of the studies in a storage that are not a companion of another study there.

    >>> own_names(["study", "study/random", "tree/random"])
    ['study', 'tree/random']
    """
    companions = {f"{name}/{kind}" for name in names for kind in COMPANIONS}
    return [name for name in names if name not in companions]


def only_name(names: Collection[str], storage: str) -> str:
    """Return the name of the only study in a storage.

    Raises:
        StudyError: If there is not exactly one.
    """
    own = own_names(names)
    if not own:
        msg = (
            f"The storage '{storage}' holds no study. Run one with storage={storage!r}, "
            f"or with retia run FILE.py --storage {storage}."
        )
        raise StudyError(msg)
    if len(own) > 1:
        msg = (
            f"The storage '{storage}' holds {len(own)} studies: {', '.join(own)}. "
            f"Name one: name={own[0]!r}, or --name {own[0]}."
        )
        raise StudyError(msg)
    return own[0]
