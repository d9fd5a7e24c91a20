"""A shell for the pages' commands, in which ``openbragg`` and ``python`` start without loading anything.

Most of a small run is the import of torch and of plugins. A server has done it: for each command it forks, takes over
the command's folder, environment, standard streams and words, and runs it. So what runs is the program, in a process of
its own, which finds the plugins anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import attrs

#: Of a command whose server is gone.
_LOST = 70
#: Longest command, in seconds; a page's commands take a second or two.
_TIMEOUT = 300

_CLIENT = """#!{python} -IS
import json, os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
words = [{program!r}, *sys.argv[1:]]
request = json.dumps([words, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(link, [len(request).to_bytes(8, "big")], [0, 1, 2])
link.sendall(request)
status = link.recv(1)
sys.exit(status[0] if status else {lost})
"""


@attrs.frozen
class Finished:
    """A finished script: its exit status, and what it printed to both streams."""

    status: int
    output: str


@attrs.frozen
class Shell:
    """Runs scripts in a folder; `programs` is where ``openbragg``, ``python`` and their like are."""

    programs: Path

    def run(self, script: str, folder: Path, flags: str = "") -> Finished:
        """Run a script that ends at its first failure.

        Parameters
        ----------
        script
            Lines of shell.
        folder
            Where it runs. What it installs goes to the folder ``installed`` there.
        flags
            Words to add to every ``openbragg simulate``.
        """
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))},
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(folder / "installed"),
            "DOCUMENT_FLAGS": flags,
        }
        finished = subprocess.run(
            ["sh", "-e", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT,
            check=False,
        )
        return Finished(finished.returncode, finished.stdout.decode(errors="replace"))


@contextlib.contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A shell whose programs lie in a folder, with a server of its own."""
    # The address of such a socket has a hundred letters at most.
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listener:
        address = str(Path(short) / "server")
        for program in _PROGRAMS:
            client = folder / program
            source = _CLIENT.format(python=sys.executable, address=address, program=program, lost=_LOST)
            client.write_text(source, encoding="utf-8")
            client.chmod(0o755)
        listener.bind(address)
        listener.listen(16)
        server = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            yield Shell(folder)
        finally:
            server.kill()
            server.wait()


def _serve(listener: socket.socket) -> None:
    import torch  # noqa: F401

    import openbragg.cli.simulate
    import openbragg.orchestrator.simulate  # noqa: F401
    from openbragg.orchestrator.finding.registry import load

    load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        link, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(link)
        link.close()


def _answer(link: socket.socket) -> None:
    """Become the command that is asked for."""
    size, streams, _, _ = socket.recv_fds(link, 8, 3)
    remaining, request = int.from_bytes(size, "big"), b""
    while len(request) < remaining:
        request += link.recv(remaining - len(request))
    words, folder, environment = json.loads(request)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    status = 1
    try:
        status = _PROGRAMS[words[0]](words[1:])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    link.sendall(bytes([status & 0xFF]))
    os._exit(status)


def _openbragg(words: list[str]) -> int:
    from openbragg.cli.main import main

    if words and words[0] == "simulate":
        words = [*words, *shlex.split(os.environ.get("DOCUMENT_FLAGS", ""))]
    return main(words)


def _reference(words: list[str]) -> int:
    """In place of the reference program, which is not there: what repeats it."""
    return _openbragg(["simulate", "--compat", "nanobragg", *words])


def _python(words: list[str]) -> int:
    sys.path[0] = ""
    if words[:1] == ["-m"]:
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[:1] == ["-c"]:
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
    else:
        sys.argv = words
        sys.path[0] = str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")
    return 0


def _pip(words: list[str]) -> int:
    """Install a folder of the page for this page alone, with nothing else and from nowhere else."""
    assert words[0] == "install"
    # Building in isolation would fetch the build backend.
    isolation = ["--no-build-isolation"] if find_spec("setuptools") else []
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    target = ["--target", "installed", "--no-deps"]
    return subprocess.run([*pip, *isolation, *target, *words[1:]], check=False).returncode


_PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "openbragg": _openbragg,
    "nanoBragg": _reference,
    "python": _python,
    "python3": _python,
    "pip": _pip,
}

if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
