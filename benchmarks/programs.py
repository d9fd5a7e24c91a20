"""The programs that are measured, and the command lines that a case becomes."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import attrs

from benchmarks.cases import FULL_SUM, IMPORT, ONE_TABLE, REFERENCE, Case, Part, SkippedError
from benchmarks.processes import STDOUT, run
from openbragg.errors import InputError, shown

OURS = "openbragg"
CPU = "cpu"
IMAGE, TIMINGS = "floatimage.bin", "timings.json"
#: A run of one pixel costs what a program does beside its sum.
_ONE_PIXEL = ("-roi", "0", "0", "0", "0")
_MAIN = "from openbragg.cli.main import main; main()"
#: Folders of a checkout that hold import packages.
_ROOTS = ("core", "conventions", "plugins", "noise", "tracers")


@attrs.frozen
class Program:
    """A program that renders images.

    Attributes
    ----------
    name
        In reports.
    command
        What starts it.
    environment
        Variables that it needs.
    flags
        The flags that its help lists; None for the reference program, whose flags are known.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(factory=dict)
    flags: frozenset[str] | None = None


@attrs.frozen
class Contestant:
    """One of the commands that a case compares.

    Attributes
    ----------
    name
        In reports.
    command, environment
        What is run.
    image
        Whether it writes one.
    timings
        Whether it writes its own timings.
    beside
        A command that does all that is not the sum; for programs without timings.
    scale
        How many times its kernel counts, see `benchmarks.cases.Case.part`.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    image: bool = True
    timings: bool = False
    beside: tuple[str, ...] | None = None
    scale: float = 1.0


def reference_program(path: Path) -> Program:
    """The reference program.

    Raises
    ------
    InputError
        When it is not there or cannot be run.
    """
    if not path.is_file():
        raise InputError(f"--reference: there is no program {shown(str(path))}")
    if not os.access(path, os.X_OK):
        raise InputError(f"--reference: {shown(str(path))} is not executable")
    return Program(REFERENCE, (str(path.resolve()),))


def checkout_program(name: str, root: Path) -> Program:
    """The program of a checkout, in this Python; it is asked which flags it has, and where it was loaded from.

    Raises
    ------
    InputError
        When it cannot be run, or is not the checkout's.
    """
    roots = [root / folder for folder in _ROOTS if (root / folder).is_dir()]
    packages = {package.name: package for place in roots for package in place.iterdir() if _is_package(package)}
    # First on the path: it wins over what is installed.
    environment = {"PYTHONPATH": os.pathsep.join(map(str, roots))}
    code = f"import importlib.util as u\nfor n in {sorted(packages)!r}: print(n, u.find_spec(n).origin)"
    for line in _said((sys.executable, "-c", code), environment).splitlines():
        package, _, origin = line.partition(" ")
        if not Path(origin).is_relative_to(packages[package]):
            raise InputError(f"{name}: {package} would be loaded from {origin}, not from {packages[package]}")
    command = (sys.executable, "-c", _MAIN)
    said = _said((*command, "simulate", "--help"), environment)
    if "--help all" in said:
        said = _said((*command, "simulate", "--help", "all"), environment)
    return Program(name, command, environment, frozenset(re.findall(r"--[a-z][a-z0-9-]*", said)))


def contestants(case: Case, programs: list[Program], threads: int, device: str = CPU) -> list[Contestant]:
    """The commands of a case: ours first, then the other programs, then what the case wants beside.

    Raises
    ------
    SkippedError
        When this program lacks a flag of the case.
    """
    made = []
    for program in programs:
        if program.flags is None and not case.needs_reference:
            continue
        lacking = [word for word in case.own if word.startswith("--") and word not in (program.flags or ())]
        if lacking and program.name == OURS:
            raise SkippedError(f"this program has no {lacking[0]}")
        if program.flags is None or not lacking:
            part = case.part if program.flags is None else None
            made.append(_contestant(program.name, program, case, case.own, threads, device, part))
    ours = programs[0]
    for name in case.beside:
        if name == IMPORT:
            command = (sys.executable, "-c", "import torch")
            made.append(Contestant(IMPORT, command, _environment(ours, threads), image=False))
        elif name in (FULL_SUM, ONE_TABLE):
            flags, part = (case.full, case.part) if name == FULL_SUM else ((), None)
            made.append(_contestant(name, ours, case, flags, threads, device, part))
    return made


def _contestant(
    name: str,
    program: Program,
    case: Case,
    own: tuple[str, ...],
    threads: int,
    device: str,
    part: Part | None = None,
) -> Contestant:
    environment = _environment(program, threads)
    flags, scale = ((), 1.0) if part is None else (part.flags(), part.scale())
    # Without names for its files, a program writes all of its own but the noise, whose cost is no part of a case.
    if program.flags is None:
        command = (*program.command, *case.arguments, *case.stand_in, "-nonoise", *flags)
        return Contestant(name, command, environment, beside=(*command, *_ONE_PIXEL), scale=scale)
    command = (*program.command, "simulate", *case.arguments, "-nonoise", "--compat", "nanobragg", *own, *flags)
    chosen = {"--engine": "compiled", "--threads": str(threads), "--precision": case.precision}
    if device != CPU:
        chosen["--device"] = device
    command += tuple(word for flag, value in chosen.items() if flag in program.flags for word in (flag, value))
    if "--timings" in program.flags:
        return Contestant(name, (*command, "--timings", TIMINGS), environment, timings=True, scale=scale)
    return Contestant(name, command, environment, beside=(*command, *_ONE_PIXEL))


def _environment(program: Program, threads: int) -> dict[str, str]:
    return {**program.environment, "OMP_NUM_THREADS": str(threads)}


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()


def _said(command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """What a command prints."""
    with tempfile.TemporaryDirectory(prefix="openbragg_") as name:
        try:
            run(command, Path(name), environment, timeout=120.0)
        except InputError as error:
            raise InputError(f"{shlex.join(command[-2:])}: {error}") from None
        return (Path(name) / STDOUT).read_text(encoding="utf-8", errors="replace")
