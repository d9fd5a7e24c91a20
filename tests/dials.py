"""DIALS, where it is installed: its commands, and its Python for scripts that import it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

#: Run in DIALS's Python before a script: of what it imports, and how it answers.
_PREAMBLE = "import json, sys\nimport numpy as np\nfrom dxtbx.model.experiment_list import ExperimentListFactory\n"
#: Seconds after which a program of DIALS hangs; on a busy machine it takes a while to load.
_PATIENCE = 300


def dials_python() -> str:
    """The Python that has DIALS; the test is skipped where there is none."""
    found = shutil.which("dials.python")
    if found is not None:
        return found
    command = shutil.which("dials.import")
    if command is None:
        pytest.skip("DIALS is not installed: there is no dials.import on the PATH")
    first = Path(command).read_bytes().partition(b"\n")[0].decode(errors="replace")
    if not first.startswith("#!") or "python" not in first:
        pytest.skip(f"{command} does not say which Python it runs in")
    return first.removeprefix("#!").strip()


def environment() -> dict[str, str]:
    """Of programs that are not in the tests' own virtual environment, but read HDF5 with its filters."""
    import hdf5plugin

    others = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**others, "HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}


def ask(script: str, *words: object, folder: Path) -> Any:
    """What a script prints as JSON, run in DIALS's Python in a folder."""
    command = [*dials_python().split(), "-c", _PREAMBLE + script, *map(str, words)]
    return json.loads(_run(command, folder).splitlines()[-1])


def dials(*words: object, folder: Path) -> str:
    """What a command of DIALS prints."""
    dials_python()
    return _run([str(word) for word in words], folder)


def _run(command: list[str], folder: Path) -> str:
    finished = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    assert finished.returncode == 0, f"{command}: {finished.stdout[-2000:]} {finished.stderr[-2000:]}"
    return finished.stdout
