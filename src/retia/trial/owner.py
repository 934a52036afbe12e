"""The mark that says which study the files in a folder belong to."""

from pathlib import Path

from retia.errors import StudyError

__all__ = ["require_owner", "take_folder"]

MARK = "study-id"
"""The file in a study's folder that holds the study's id."""


def require_owner(folder: Path, study: str) -> None:
    """Raise an error if the files in a folder belong to another study.

    Args:
        folder: Folder of a study's files; it need not exist.
        study: Id of the study.

    Raises:
        StudyError: If they belong to a study with another id, or the mark can't be read.
    """
    try:
        owner = (folder / MARK).read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        msg = (
            f"The file {folder / MARK} tells which study the folder belongs to, "
            f"and can't be read ({error}). Make it readable, or remove it."
        )
        raise StudyError(msg) from error
    if owner not in ("", study):
        msg = (
            f"The folder {folder} holds the files of another study (id {owner}; "
            f"this study has the id {study}). Two studies share the folder, or the "
            "storage was deleted and made again while the folder stayed. Move the folder away, "
            "or remove it, or use another storage, name or directory=."
        )
        raise StudyError(msg)


def take_folder(folder: Path, study: str) -> None:
    """Make a folder for a study's files and mark it with the study's id.

    Raises:
        StudyError: If the folder holds the files of another study, or can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_owner(folder, study)
        mark = folder / MARK
        if not mark.exists() or not mark.stat().st_size:
            mark.write_text(f"{study}\n", encoding="utf-8")
    except OSError as error:
        msg = (
            f"The folder {folder} can't hold the study's files ({type(error).__name__}: {error}). "
            "Make it writable, or give another folder: directory=."
        )
        raise StudyError(msg) from error
    require_owner(folder, study)  # another study may have marked it at the same moment
