"""The figures of RESULTS.md whose sources have changed since they were measured, as git knows it.

    python benchmarks/stale.py

Each part of RESULTS.md begins with a line such as

    *Measured at commit 1a2b3c4; sources: benchmarks/workers.py, src/retia/execute.*

which holds up to the next such line. Write down the commit that was checked out when the script ran. A figure
is named here if `git diff` finds changes in its sources since that commit, committed or not; whether they
matter to it is for a person to say.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
MARK = re.compile(r"^\*Measured at commit ([0-9a-f]{7,40}); sources: (.+)\.\*$")


@dataclass(frozen=True)
class Mark:
    """What a part of RESULTS.md was measured at, and what its figures depend on."""

    section: str
    line: int
    commit: str
    sources: tuple[str, ...]


def marks(text: str) -> list[Mark]:
    """Return the marks of a page, in their order."""
    found: list[Mark] = []
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            section = line.lstrip("# ")
        elif match := MARK.match(line):
            found.append(Mark(section, number, match[1], tuple(match[2].split(", "))))
    return found


def git(*arguments: str) -> str | None:
    """Return what git answers, or None if it refuses."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def state(mark: Mark) -> str:
    """Return what has become of the sources of a mark since its commit."""
    if git("cat-file", "-e", f"{mark.commit}^{{commit}}") is None:
        return "unknown: the commit is not in this clone (git fetch --unshallow gets the whole history)"
    changed = (git("diff", "--name-only", mark.commit, "--", *mark.sources) or "").split()
    if not changed:
        return "as measured"
    return (
        f"stale: {len(changed)} of its files changed, "
        f"{', '.join(changed[:3])}{', ...' if len(changed) > 3 else ''}"
    )


def main() -> None:
    for mark in marks(RESULTS.read_text(encoding="utf-8")):
        print(f"{mark.section}, line {mark.line}, {mark.commit}: {state(mark)}")


if __name__ == "__main__":
    main()
