"""Simulators that take the reference program's flags, run for the image that they write."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import attrs

from openbragg import InputError, Picture, read_picture

#: Of what a program says, so much of the end is read.
_LAST_BYTES = 4096
_LONGEST_LINE = 300
#: Files in a program's folder: its image, an image that says its shape, and its two streams.
_PHOTONS, _COUNTS, _OUT, _ERR = "photons.bin", "counts.img", "stdout", "stderr"
#: Those that are worth keeping, each with the ending under which it is kept.
KEPT = {_OUT: ".stdout.txt", _ERR: ".stderr.txt", _PHOTONS: ".bin"}


@attrs.frozen(eq=False)
class Run:
    """A program that ran to its end.

    Attributes
    ----------
    picture
        The image it wrote: photons, (slow, fast).
    seconds
        Its runtime on the wall's clock, in seconds.
    messages
        The last lines it wrote to stderr.
    """

    picture: Picture
    seconds: float
    messages: tuple[str, ...]


def run_program(
    command: Sequence[str],
    flags: Sequence[str],
    folder: Path,
    *,
    shape: tuple[int, int] | None = None,
    timeout: float | None = None,
) -> Run:
    """Run a simulator in the present working folder, where its flags find their files, and read its float image.

    After the flags come more, which win: they send the images to `folder`, leave out noise and greymap, and throw away
    the dump of -hkl that the reference program would leave in the working folder.

    Parameters
    ----------
    command
        The program and what belongs to it.
    flags
        Flags as the reference program takes them.
    folder
        An empty folder for what it writes.
    shape
        Pixels (slow, fast) of its image. Default: as the header of its integer image says, else square.
    timeout
        The program is ended when it takes longer, in seconds.

    Raises
    ------
    InputError
        When it cannot be started, fails, takes too long, or writes no image that can be read.
    """
    photons, counts = folder / _PHOTONS, folder / _COUNTS
    named = shlex.join(command)
    own = ["-floatfile", str(photons), "-intfile", str(counts), "-nonoise", "-nopgm"]
    words = [*command, *flags]
    if _names("-hkl", words) and not _names("-dump", words):
        own += ["-dump", os.devnull]
    with (folder / _OUT).open("w+b") as out, (folder / _ERR).open("w+b") as err:
        begin = time.perf_counter()
        status = _run([*words, *own], named, out, err, timeout)
        seconds = time.perf_counter() - begin
        said, messages = _last_lines(out), _last_lines(err)
    if status:
        how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        raise InputError(": ".join([named, how, *(messages or said)[-1:]]))
    if not photons.is_file():
        raise InputError(f"{named}: it wrote no image to the file that -floatfile names")
    try:
        if shape is None and counts.is_file():
            slow, fast = read_picture(counts).pixels.shape
            shape = (slow, fast)
        return Run(read_picture(photons, shape), seconds, tuple(messages))
    except InputError as error:
        raise InputError(f"{named}: {error}") from None


def _names(flag: str, words: list[str]) -> bool:
    """Whether a flag is among the words after the program; the reference takes it with anything around it."""
    return any(flag in word for word in words[1:])


def _run(words: list[str], named: str, out: BinaryIO, err: BinaryIO, timeout: float | None) -> int:
    """Run to the end; a program that is not waited for any longer is ended with all that it started."""
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, process_group=0)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot run {named}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return process.wait(timeout)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise InputError(f"{named}: stopped after {timeout:g} s") from None
        raise


def _last_lines(stream: BinaryIO) -> list[str]:
    """The last lines that are not blank, without what a terminal would obey."""
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LAST_BYTES))
    lines = stream.read().decode("utf-8", errors="replace").splitlines()
    shown = ("".join(letter if letter.isprintable() else " " for letter in line).strip() for line in lines)
    return [line[:_LONGEST_LINE] for line in shown if line]
