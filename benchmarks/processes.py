"""A child process run to its end: how long it took, and the most memory that it held."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import InputError

#: Names of the files with what a child says, in its working folder.
STDOUT, STDERR = "stdout.txt", "stderr.txt"
_LONGEST_LINE = 300
_LAST_BYTES = 4096


@attrs.frozen
class Finished:
    """A child that succeeded.

    Attributes
    ----------
    seconds
        On the wall's clock, from its start to its end.
    peak_memory
        In bytes. What this process held when it started the child counts too, so that it had better be little.
    work
        Seconds of all cores.
    """

    seconds: float
    peak_memory: int
    work: float


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], *, timeout: float | None = None
) -> Finished:
    """Run a program in a folder, where what it says goes to files.

    Raises
    ------
    InputError
        When it cannot be started, fails or takes longer than `timeout` seconds; with the last line it wrote.
    """
    named = shlex.join(command[:2])
    with (folder / STDOUT).open("wb") as out, (folder / STDERR).open("wb") as err:
        begin = time.perf_counter()
        try:
            child = subprocess.Popen(
                list(command),
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
            )
        except OSError as error:
            raise InputError(f"cannot run {named}: {error.strerror or error}") from None
        late = threading.Event()
        timer = threading.Timer(timeout, _end, (child.pid, late)) if timeout is not None else None
        if timer is not None:
            timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            _end(child.pid)
            child.wait()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        seconds = time.perf_counter() - begin
        # Popen did not see the child end, and would wait for it.
        child.returncode = os.waitstatus_to_exitcode(status)
    if late.is_set():
        raise InputError(f"{named}: stopped after {timeout:g} s")
    if child.returncode:
        how = f"exit status {child.returncode}" if child.returncode > 0 else f"ended by signal {-child.returncode}"
        raise InputError(": ".join([named, how, *(_last_line(folder / STDERR) or _last_line(folder / STDOUT))]))
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Finished(seconds, memory, usage.ru_utime + usage.ru_stime)


def printed(
    program: str,
    words: Sequence[object],
    python: Sequence[str],
    environment: Mapping[str, str],
    threads: int,
    timeout: float | None,
) -> dict[str, Any]:
    """Run a file of this folder as a program of its own, with so many threads; the JSON that it prints.

    Raises
    ------
    InputError
        When it fails.
    """
    with tempfile.TemporaryDirectory(prefix="openbragg_") as folder:
        # -P keeps this folder, whose modules are named like others, off the path.
        command = (*python, "-P", str(Path(program).resolve()), *map(str, words))
        run(command, Path(folder), {**environment, "OMP_NUM_THREADS": str(threads)}, timeout=timeout)
        content: dict[str, Any] = json.loads((Path(folder) / STDOUT).read_text(encoding="utf-8"))
        return content


def _end(pid: int, late: threading.Event | None = None) -> None:
    """End a child with all that it started."""
    if late is not None:
        late.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _last_line(file: Path) -> list[str]:
    with file.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LAST_BYTES))
        lines = stream.read().decode("utf-8", errors="replace").splitlines()
    return [line.strip()[:_LONGEST_LINE] for line in lines if line.strip()][-1:]
