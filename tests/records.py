"""Runs that are recorded and repeated in the tests' own process."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command_line import Finished, run

MATRIX = "0.02 0 0\n0 0.025 0\n0 0 0.03\n"
_INDICES = range(-3, 4)
TABLE = "".join(f"{h} {k} {l} {30 + h + 2 * k + 3 * l}\n" for h in _INDICES for k in _INDICES for l in _INDICES)
SOURCES = "-10 0 0 1 1e-10\n-10 0.01 0 2 1.1e-10\n"
FILES = {"a.mat": MATRIX, "a.hkl": TABLE, "a.src": SOURCES}
#: A run with files: a crystal from a matrix, its amplitudes, in a small image.
WITH_FILES = ("-mat", "a.mat", "-hkl", "a.hkl", "-N", "4", "-detpixels", "6")
#: Words after those of a small model, or all words where they begin with a crystal from a file.
RUNS = [
    "",
    "-misset random",
    "-misset random --compat nanobragg",
    "-nonoise",
    "-floatfile a.bin",
    "-noisefile a.img -reference_poisson",
    "-pgmfile a.pgm -pngfile a.png -noisepng b.png -intfile a.img -scale 3",
    "-gauss_xtal -fudge 0.7",
    "-pix0_vector 0.1 0.001 -0.001 -detector_rotx 3",
    "-pix0_vector 0.1 0.001 -0.001 --compat pix0-ignored",
    "-xds -ORGX 3 -ORGY 2",
    "-osc 1 -phisteps 3 --compat phi-carryover",
    "-mosaic 2 -mosaic_domains 3 -mosaic_seed -5",
    "-roi 1 2 0 3 -precision double",
    "-xtalsize 0.0001 -oversample 2",
    "-divergence 2 -hdivsteps 3 -dispersion 1 -dispsteps 2",
    "-detector_thick 300 -detector_abs 200 -thicksteps 3 -oversample_thick",
    "-sourcefile a.src",
    "-cell 50 60 70 80 95 100 -pivot sample -twotheta 5",
    "-mask noise.img -nonoise",
    "-img noise.img",
    "-misset_seed 5 -misset random --compat flag-matching -curved_det",
    "-mat a.mat -hkl a.hkl",
    "-trace_pixel 1 2 -trace_pixel 3 0 -trace_log a.log -trace_json a.json -floatfile a.bin",
    "-mat a.mat -hkl a.hkl -N 1 -interpolate --compat nanobragg",
    "-mat a.mat -hkl a.hkl -N 1 -xtalsize 0.00005 --compat interpolation-latch",
]


def done(*words: object) -> Finished:
    finished = run("simulate", *words)
    assert finished.status == 0, finished.err
    return finished


def refused(*words: object, status: int = 1, command: str = "simulate") -> str:
    """The one line of a command that was refused; nothing was written."""
    before = sorted(Path.cwd().rglob("*"))
    finished = run(command, *words)
    assert finished.status == status, finished.err
    assert finished.out == ""
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: ")
    assert sorted(Path.cwd().rglob("*")) == before
    return line.removeprefix("openbragg: error: ")


def notices(finished: Finished) -> list[str]:
    return [line.removeprefix("openbragg: notice: ") for line in finished.complaints()]


def recorded(*words: object) -> dict[str, Any]:
    """The record of a run."""
    done(*words, "--record", "run.json")
    made: dict[str, Any] = json.loads(Path("run.json").read_text())
    return made


def rewrite(change: Callable[[dict[str, Any]], None]) -> None:
    """Change the record."""
    record = json.loads(Path("run.json").read_text())
    change(record)
    Path("run.json").write_text(json.dumps(record))


def written(names: list[str]) -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in names}


def sha256(name: str) -> str:
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


def arguments_of(*words: object) -> list[str]:
    """The arguments of the record of a run."""
    done(*words, "--record", "second.json")
    made: list[str] = json.loads(Path("second.json").read_text())["arguments"]
    return made
