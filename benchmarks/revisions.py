"""Another git revision of the project, checked out for as long as it is needed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openbragg.errors import InputError, shown

ROOT = Path(__file__).resolve().parents[1]


def commit_of(revision: str) -> str:
    """The full name of a revision's commit.

    Raises
    ------
    InputError
        When git does not know it.
    """
    name = f"{revision}^{{commit}}"
    finished = _git("rev-parse", "--verify", "--quiet", "--end-of-options", name)
    if finished.returncode or not finished.stdout.strip():
        raise InputError(f"--revision: git knows no commit {shown(revision)}")
    return finished.stdout.strip()


def here() -> dict[str, str | bool | None]:
    """The commit of this checkout, and whether files differ from it; None where git does not say."""
    commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    if commit.returncode or changed.returncode:
        return {"commit": None, "changed": None}
    return {"commit": commit.stdout.strip(), "changed": bool(changed.stdout.strip())}


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """A worktree of a commit in a temporary folder, gone afterwards.

    Raises
    ------
    InputError
        When git refuses.
    """
    with tempfile.TemporaryDirectory(prefix="openbragg_") as name:
        folder = Path(name) / "checkout"
        finished = _git("worktree", "add", "--detach", "--quiet", str(folder), commit)
        if finished.returncode:
            said = [line for line in finished.stderr.splitlines() if line.strip()]
            raise InputError(f"git cannot check out {commit}: {(said or ['it does not say why'])[-1]}")
        try:
            yield folder
        finally:
            _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"cannot run git: {error.strerror or error}") from None
