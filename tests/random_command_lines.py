"""Command lines of ``openbragg simulate`` by topics, as people put them together, and what must hold of each.

``python tests/random_command_lines.py --number 3000 --seed 1`` runs so many, and prints those that break a promise: a
run ends with the status 0, 1 or 2 and no traceback; one that is refused says so in one line and leaves its folder as it
was; one that succeeds has written what it says, and its record repeats it to the last byte.

Flags are those of the composed command, sorted into topics by the class that declares them. A line takes some of the
topics, of each a few flags that belong together, and values around those that people use; some of its words then go
wrong, as in typing.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import re
import shlex
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import click
import numpy as np

import openbragg.orchestrator.rendering
from command_line import run, simulate_command
from document_inputs import make_inputs
from openbragg.cli.compose import FlagOption
from openbragg.cli.registry import load_registry
from openbragg.errors import OpenBraggError
from openbragg.orchestrator.resolving.quirks import ALL, QUIRKS
from openbragg.roles import ROLES

#: Seconds in which a run has to end, and terms of a sum that are summed; longer sums are right, but tell no more.
_LONGEST, _MOST_TERMS = 60, 200_000
#: How many lines are put together with care, and how often such a one tries for a value that its flag takes.
_CAREFUL, _TRIES = 0.75, 30

#: Topics: the classes whose flags belong to each, and how many lines of ten speak of it.
_TOPICS: dict[str, tuple[int, tuple[str, ...]]] = {
    "geometry": (
        4,
        (
            "ConventionChoice",
            "Custom",
            "DetectorChoice",
            "GeometryFile",
            "CameraFile",
            "PresetChoice",
            "CrystFel",
            "Expt",
        ),
    ),
    "detector": (6, ("Detector",)),
    "beam": (5, ("Beam",)),
    "crystal": (4, ("Crystal", "CrystalChoices", "GaussStar")),
    "mosaic": (3, ("Normal", "Anisotropic", "Listed")),
    "factors": (3, ("HklTable", "ModelFile", "ReflectionFile")),
    "scan": (4, ("Scan",)),
    "series": (3, ("SeriesChoice",)),
    "sampling": (4, ("Sampling",)),
    "truth": (4, ("DialsExperiments", "PredictedReflectionsFile", "Traces")),
    "record": (3, ("Provenance",)),
    "backgrounds": (3, ("BackgroundChoice", "Air", "Ice", "Table", "Uniform", "Water")),
    "noise": (4, ("NoiseChoice", "DetectorNoise")),
    "images": (6, ("MiniCbf", "NXmx", "Pgm", "Png", "Raw", "Smv", "Tiff")),
    "computing": (2, ("Computation", "Output", "Timing", "Printout", "WithoutEffect")),
}

#: Files of a working folder that are read, by the flag that reads them.
_HKL = "".join(f"{h} {k} {l} {10 + 3 * h + k * l}\n" for h in range(-3, 4) for k in range(-3, 4) for l in range(-2, 3))
_XDS = (
    "DETECTOR= PILATUS\nNX= 7 NY= 6 QX= 0.2 QY= 0.2 ORGX= 3.5 ORGY= 3\nDETECTOR_DISTANCE= 70\nX-RAY_WAVELENGTH= 1.03\n"
)
_GEOM = "photon_energy = 9000\nclen = 0.08\nres = 5000\np/min_fs = 0\np/max_fs = 6\np/min_ss = 0\np/max_ss = 5\n"
_GEOM += "p/corner_x = -3\np/corner_y = -3\np/fs = +1.0x\np/ss = +1.0y\n"
_READ: dict[str, dict[str, str]] = {
    "-hkl": {"table.hkl": _HKL, "bad.hkl": "1 2 3 4\n1 2 x 5\n", "blank.hkl": "\n"},
    "-mat": {"m.mat": "0.02 0.001 0\n0 0.025 0\n0.001 0 0.03\n", "short.mat": "0.02 0\n"},
    "-sourcefile": {"two.src": "-10 0 0.001 2 1.1e-10\n-10 0.003\n", "odd.src": "a b c\n"},
    "-geometry": {"XDS.INP": _XDS, "one.geom": _GEOM, "odd.geom": "p/fs = sideways\n"},
    "-stol": {"air.stol": "0 2.57\n0.1 2.5\n0.6 1\n", "down.stol": "0.5 2\n0.1 1\n"},
    "-4stol": {"air.stol": "", "gone.stol": "\n"},
    "-Q": {"air.stol": ""},
    "-dump": {"kept.dump": "", "bad.dump": "1 2 3\n"},
    "-img": {"camera.img": "", "bad.img": "{\nHEADER_BYTES= 512;\nSIZE1=\n}\n"},
    "-mosaic_rotations": {
        "turns.json": "[[[1,0,0],[0,1,0],[0,0,1]],[[0,-1,0],[1,0,0],[0,0,1]]]",
        "odd.json": "[[1,2]]",
    },
    "-mask": {"shade.img": "", "bad.img": ""},
}
#: How names of files begin that cannot be read.
_BAD = ("bad", "blank", "odd", "down", "gone", "short")
#: Names of files that are written: plain ones, some in folders, and where nothing can be written.
_WRITTEN = ("a", "b", "c", "d", "inner/e", "f##", "./g")
_NOWHERE = ("/dev/full", "nosuch/h", ".", "table.hkl/i", "inner", "x" * 300)
_ENDS = {
    "DialsExperiments": ".expt",
    "PredictedReflectionsFile": ".refl",
    "MiniCbf": ".cbf",
    "NXmx": ".nxs",
    "Pgm": ".pgm",
    "Png": ".png",
    "Raw": ".bin",
    "Smv": ".img",
    "Tiff": ".tif",
    "Traces": ".json",
}
#: What people give to a flag, by its first spelling or its unit: the least and the most of a number.
_SPANS: dict[str, tuple[float, float]] = {
    "-detsize": (0.2, 1.0),
    "-pixel": (0.05, 0.3),
    "-distance": (20.0, 400.0),
    "-close_distance": (20.0, 400.0),
    "-lambda": (0.5, 3.0),
    "-energy": (5000.0, 20000.0),
    "-fluence": (1e18, 1e26),
    "-flux": (1e9, 1e13),
    "-exposure": (0.01, 10.0),
    "-beamsize": (0.001, 0.1),
    "-N": (1.0, 12.0),
    "-xtalsize": (1e-6, 4e-5),
    "-cell": (8.0, 150.0),
    "-osc": (0.01, 2.0),
    "-phistep": (0.05, 1.0),
    "-N_offdiagonal": (-0.5, 0.5),
    "-gauss_star_width": (0.001, 0.02),
    "-mosaic": (0.01, 1.0),
    "-mosaic_anisotropic": (0.01, 1.0),
    "-dmin": (1.0, 20.0),
    "-polar": (-1.0, 1.0),
    "-cull": (1e-6, 0.1),
    "-fudge": (0.3, 3.0),
    "-png_percentile": (1.0, 100.0),
    "-saturation": (10.0, 1e6),
    "-twotheta": (-60.0, 60.0),
    "deg": (-180.0, 180.0),
    "mm": (0.01, 2.0),
    "mrad": (0.1, 3.0),
    "pixels": (0.0, 9.0),
    "%": (0.1, 10.0),
    "um": (5.0, 500.0),
    "": (0.0, 3.0),
}
_LIKE = {"-Na": "-N", "-Nb": "-N", "-Nc": "-N", "-xtal_x": "-xtalsize", "-xtal_y": "-xtalsize", "-xtal_z": "-xtalsize"}
_LIKE |= {"-detsize_f": "-detsize", "-detsize_s": "-detsize"}
#: Slips: numbers that are none, too large, of another sign, of another locale, or a flag where a value should stand.
_SLIPS = ("", "0", "-1", "nan", "inf", "1e999", "-1e30", "1e-30", "1,5", "O", "0.1mm", "-", "--", "-N", "1e18", "ü")
_WORDS = {
    "-engine": ("auto", "eager"),  # compiling takes half a minute
    "-device": ("cpu", "cpu", "cpu", "cuda:7"),
    "-images": ("1", "2", "3", "4", "0"),
    "-trace_select": ("phi=0", "mosaic=0", "source=0", "layer=all", "phi=9"),
    "-from": ("run.json", "run.json", "XDS.INP", "nosuch.json"),
    "-nxmx_start_time": ("2026-01-31T12:00:00Z", "now"),
    "-tiff_bits": ("16", "32", "8"),
    "-detector": ("pilatus-100k", "eiger-500k", "nosuch"),
}
#: What is said of a plugin that fails.
_OWN_FAULT = re.compile(r"openbragg: error: the .* \(openbragg[\w.]*\): \w+\(\): ")
_AXES = ("1 0 0", "0 1 0", "0 0 1", "-1 0 0", "0 0 -1", "0.6 0.8 0", "0 -0.8 0.6", "0 0 0")


class _LaboriousError(Exception):
    """A long sum."""


class _EndlessError(BaseException):
    """A run that does not end; no clause of the program may hold it back."""


@attrs.frozen
class Fault:
    """A command line that breaks a promise: its number, its words, and how."""

    number: int
    words: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.number}: openbragg simulate {shlex.join(self.words)}\n    {self.reason}"


@attrs.frozen
class Generator:
    """Draws command lines; equal seeds and numbers give equal lines."""

    seed: int

    def line(self, number: int) -> list[str]:
        """The words of a line after ``openbragg simulate``."""
        draw = random.Random(f"{self.seed} {number}")
        careful = draw.random() < _CAREFUL
        talked = [name for name, (often, _) in _TOPICS.items() if draw.random() * 10 < often]
        parts = []
        for name in talked:
            parts += _SENSIBLE[name](draw) if careful and name in _SENSIBLE else _some(draw, name, careful)
        parts.append(_start(draw, careful, known=any(part[1:] in (["1abc.pdb"], ["merged.mtz"]) for part in parts)))
        # What describes the crystal need not come first.
        draw.shuffle(parts)
        line = [word for part in parts for word in part]
        if careful:
            return _with_names_of_their_own(line)
        if draw.random() < 0.3 and line:
            line[draw.randrange(len(line))] = draw.choice(_SLIPS)
        if draw.random() < 0.1 and len(line) > 1:
            del line[draw.randrange(len(line))]
        return line


def _start(draw: random.Random, careful: bool, known: bool) -> list[str]:
    """A small crystal, unless it is known, before a small detector; of a careless line some of it may be missing."""
    cell = draw.choice(["-cell 50", "-cell 40 50 60 90 90 90", "-cell 30 45 60 80 95 110", "-mat m.mat"])
    parts = [
        *([] if known else [cell, draw.choice(["-default_F 100", "-hkl table.hkl", "-hkl table.hkl -default_F 3"])]),
        draw.choice(["-N 5", "-N 2", "-Na 2 -Nb 4 -Nc 7", "-N 11", "-N 1"]),
        draw.choice(["-detpixels 5", "-detpixels_x 5 -detpixels_y 6", "-detpixels_x 6 -detpixels_y 9", "-detpixels 8"]),
        draw.choice(["-oversample 1", "-oversample 2", "-oversample 1", ""]),
    ]
    return [word for part in parts if careful or draw.random() > 0.1 for word in part.split()]


def _some(draw: random.Random, topic: str, careful: bool) -> list[list[str]]:
    """Some of the options of a topic, most of them of one class."""
    owners = [owner for owner in _TOPICS[topic][1] if owner in _by_owner()]
    first = draw.choice(owners)
    near, all_of_it = _by_owner()[first], [option for owner in owners for option in _by_owner()[owner]]
    count = draw.choice([1, 1, 2, 2, 3, 5])
    return [_spoken(draw, draw.choice(near if draw.random() < 0.8 else all_of_it), careful) for _ in range(count)]


def _of(draw: random.Random, owner: str, most: int) -> list[list[str]]:
    """Up to so many options of a class, each once."""
    known = _by_owner()[owner]
    return [_spoken(draw, option, True) for option in draw.sample(known, draw.randint(0, min(most, len(known))))]


def _geometry(draw: random.Random) -> list[list[str]]:
    kind = draw.randrange(6)
    if kind == 0:
        return [["-geometry", "XDS.INP"]]
    if kind == 1:
        return [["-geometry", "one.geom"], *_of(draw, "CrystFel", 1)]
    if kind == 2:
        return [["-img", "camera.img"]]
    if kind == 3:
        return [
            ["-detector", draw.choice(["pilatus-100k", "jungfrau-500k", "eiger-500k"])],
            ["-roi", "5", "9", "3", "7"],
        ]
    return _of(draw, draw.choice(["Custom", "ConventionChoice"]), 3)


def _crystal(draw: random.Random) -> list[list[str]]:
    shape = draw.choice(["-gauss_xtal", "-tophat_spots", "-round_xtal", "--square-xtal", "-lattice_shape gauss", ""])
    return [shape.split(), *_of(draw, "Crystal", 3)]


def _factors(draw: random.Random) -> list[list[str]]:
    file, owner = draw.choice([("1abc.pdb", "ModelFile"), ("merged.mtz", "ReflectionFile"), ("table.hkl", "HklTable")])
    if owner == "HklTable":
        return _of(draw, owner, 2)
    # A cell that is not theirs is refused.
    return [["-hkl", file], *_of(draw, owner, 1)]


def _series(draw: random.Random) -> list[list[str]]:
    many = ["-images", str(draw.randint(1, 4)), "-osc", draw.choice(["0", "0.1", "0.5", "1"])]
    return [many, *_of(draw, "SeriesChoice", 1)] if draw.random() < 0.2 else [many, *draw.choice([[], [["-restart"]]])]


def _truth(draw: random.Random) -> list[list[str]]:
    said = [*_of(draw, "DialsExperiments", 1), *_of(draw, "PredictedReflectionsFile", 1)]
    if draw.random() < 0.4:
        pixel = ["-trace_pixel", str(draw.randint(0, 4)), str(draw.randint(0, 4))]
        said.append(pixel)
        said += _of(draw, "Traces", 2)
    return said


def _record(draw: random.Random) -> list[list[str]]:
    repeated = draw.random() < 0.3
    said = [["-from", "run.json", *draw.choice([[], ["-force"]])]] if repeated else []
    return [*said, ["-record", _output(draw, "Provenance", True)]]


def _backgrounds(draw: random.Random) -> list[list[str]]:
    said = [["-background", draw.choice(["air", "ice", "uniform", "water"])]] if draw.random() < 0.3 else []
    for owner in draw.sample(["Air", "Ice", "Uniform", "Water"], draw.randint(0, 2)):
        said += _of(draw, owner, 2)
    if draw.random() < 0.3:
        said += [[draw.choice(["-stol", "-4stol", "-Q"]), "air.stol"], ["-thick", "0.2"]]
    return said


def _noise(draw: random.Random) -> list[list[str]]:
    model = draw.choice(["-noise poisson", "-nonoise", "-reference_poisson", "-noise detector", "-noise detector"])
    return [model.split(), *(_of(draw, "DetectorNoise", 4) if model.endswith("detector") else [])]


#: Topics whose flags hang together.
_SENSIBLE: dict[str, Callable[[random.Random], list[list[str]]]] = {
    "geometry": _geometry,
    "crystal": _crystal,
    "factors": _factors,
    "series": _series,
    "truth": _truth,
    "record": _record,
    "backgrounds": _backgrounds,
    "noise": _noise,
}


def _with_names_of_their_own(line: list[str]) -> list[str]:
    """A line in which no two files that are written have one name."""
    seen: set[str] = set()
    made = []
    for word in line:
        own = word
        while own.startswith(tuple(_WRITTEN)) and "." in own and own.rpartition(".")[0] in seen:
            own = f"{own.rpartition('.')[0]}i.{own.rpartition('.')[2]}"
        if own.rpartition(".")[0] in _WRITTEN or own != word:
            seen.add(own.rpartition(".")[0])
        made.append(own)
    return made


def options() -> list[click.Option]:
    """All options of the composed command."""
    return [option for section in simulate_command().sections for option in section.options]


@cache
def _by_owner() -> dict[str, list[click.Option]]:
    """Options by the name of the class that declares them; those of classes in no topic stand beside some other's."""
    listed = {owner for _, owners in _TOPICS.values() for owner in owners}
    found: dict[str, list[click.Option]] = {}
    for option in options():
        owner = option.flag.owner.__name__ if isinstance(option, FlagOption) else ""
        found.setdefault(owner if owner in listed else _place(option), []).append(option)
    return found


def _place(option: click.Option) -> str:
    """A listed class beside which an option may stand that no topic names."""
    hook = next((found.role.hook for found in _plugins() if option.opts[0] in found.spellings()), "")
    return {
        "geometry_conventions": "ConventionChoice",
        "structure_factors": "HklTable",
        "lattice_shapes": "CrystalChoices",
        "backgrounds": "BackgroundChoice",
        "noise_models": "NoiseChoice",
        "image_formats": "Raw",
        "truth_formats": "DialsExperiments",
        "geometry_readers": "GeometryFile",
    }.get(hook, "Computation")


@cache
def _plugins() -> tuple[Any, ...]:
    return load_registry(()).found


def _spoken(draw: random.Random, option: click.Option, careful: bool) -> list[str]:
    """An option by one of its names, with its values; careful ones are what its declaration allows."""
    name = draw.choice(option.opts)
    if not isinstance(option, FlagOption) or option.flag.constant is not None:
        return [name]
    for _ in range(_TRIES):
        values = _values(draw, option, careful)
        try:
            option.flag.value(values)
        except OpenBraggError:
            if not careful:
                break
        else:
            break
    return [name, *values]


def _values(draw: random.Random, option: FlagOption, careful: bool) -> list[str]:
    fewest, most = option.flag.length
    first = option.flag.spellings[0]
    if first == "-roi":
        left, top = draw.randint(0, 3), draw.randint(0, 3)
        return [*map(str, (left, left + draw.randint(0 if careful else -1, 1), top, top + draw.randint(0, 1)))]
    if first == "-cell":
        return [*(f"{draw.uniform(*_SPANS['-cell']):.4g}" for _ in range(3)), "90", "90", f"{draw.randint(60, 120)}"]
    if first == "-misset" and draw.random() < 0.4:
        return ["random"]
    if most == 3 and first.endswith(("_vector", "_axis")):
        return draw.choice(_AXES).split()
    count = most if careful or draw.random() < 0.9 else draw.randint(fewest, most)
    return [_value(draw, option, careful) for _ in range(count)]


def _value(draw: random.Random, option: FlagOption, careful: bool) -> str:
    """A value of an option."""
    flag, spec = option.flag, option.flag.spec
    first = flag.spellings[0]
    if not careful and draw.random() < 0.1:
        return draw.choice(_SLIPS)
    if first in _WORDS:
        return draw.choice(_WORDS[first])
    if _names_for(first):
        return draw.choice(_names_for(first))
    if first == "-compat":
        return draw.choice([ALL, *(quirk.name for quirk in QUIRKS)])
    if spec.rule is not None and spec.rule.words:
        return draw.choice(spec.rule.words)
    if first in _READ or spec.input:
        return _input(draw, first, careful)
    if spec.output or first == "-record":
        return _output(draw, flag.owner.__name__, careful)
    if spec.type not in (int, float):
        return draw.choice(["random", "x", "FP"])
    least, most = _SPANS.get(first, _SPANS.get(_LIKE.get(first, flag.unit), _SPANS[""]))
    if flag.unit == "cells":
        return str(draw.randint(1, 12))
    if spec.type is int:
        return str(draw.choice([1, 2, 3, 5, 0])) if not first.startswith("-detpixels") else str(draw.randint(1, 9))
    if least > 0.0 and draw.random() < 0.5:
        return f"{least * (most / least) ** draw.random():.4g}"
    return draw.choice([f"{draw.uniform(least, most):.4g}", f"{round(draw.uniform(least, most))}", f"{least:g}"])


@cache
def _names_for(flag: str) -> tuple[str, ...]:
    """Names of plugins that a flag chooses from."""
    flags = {role.hook: role.flag for role in ROLES} | {"tracers": "-tracer"}
    return tuple(found.name for found in _plugins() if flags[found.role.hook] == flag)


def _input(draw: random.Random, flag: str, careful: bool) -> str:
    if flag in _READ and (careful or draw.random() < 0.6):
        return draw.choice([name for name in sorted(_READ[flag]) if not (careful and name.startswith(_BAD))])
    return draw.choice(
        [*(name for files in _READ.values() for name in files), "nosuch", "inner", "/dev/null", "run.json"]
    )


def _output(draw: random.Random, owner: str, careful: bool) -> str:
    if draw.random() < (0.01 if careful else 0.1):
        return draw.choice(_NOWHERE)
    end = _ENDS.get(owner, ".txt") if careful or draw.random() < 0.9 else draw.choice(sorted(_ENDS.values()))
    return draw.choice(_WRITTEN) + end


def furnish(folder: Path) -> None:
    """Put the files that lines read into a folder, and the record of a small run."""
    (folder / "inner").mkdir()
    for files in _READ.values():
        for name, text in files.items():
            if text or not (folder / name).exists():
                (folder / name).write_text(text)
    counts = np.arange(30, dtype="<u2")
    header = "{\nHEADER_BYTES=  512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nSIZE1=5;\nSIZE2=6;\n"
    camera = "PIXEL_SIZE=0.2;\nDISTANCE=80;\nWAVELENGTH=1.2;\nBEAM_CENTER_X=0.5;\nBEAM_CENTER_Y=0.6;\n"
    make_inputs("1abc.pdb merged.mtz", folder)
    for name, lines in (("camera.img", camera), ("shade.img", "")):
        (folder / name).write_bytes(f"{header}{lines}}}\n".encode().ljust(512) + (counts % 5).astype("<u2").tobytes())
    (folder / "kept.dump").write_bytes(b"-1 1 -1 1 -1 1\n\f" + np.full((4, 4, 4), 7.0).tobytes())
    with contextlib.chdir(folder):
        made = run("simulate", *"-cell 50 -N 3 -default_F 9 -detpixels 5 -floatfile r.bin -record run.json".split())
        assert made.status == 0, made.err
        Path("r.bin").unlink()


def check(number: int, words: list[str], furnished: Path) -> tuple[Fault | None, str]:
    """Run a line in a copy of a furnished folder: the promise that it breaks, if any, and how it ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        shutil.copytree(furnished, folder)
        try:
            with contextlib.chdir(folder), _little_work(), _limited_time():
                reason, ending = _broken(words, Path(name))
        except _LaboriousError:
            reason, ending = "", "laborious"
        except _EndlessError:
            reason, ending = f"has not ended in {_LONGEST} s", "endless"
        except Exception:
            reason, ending = traceback.format_exc().strip().replace("\n", "\n    "), "traceback"
    return (Fault(number, tuple(words), reason) if reason else None), ending


def _broken(words: list[str], above: Path) -> tuple[str, str]:
    """How a line breaks a promise in the working folder, empty where it does not, and how it ended."""
    before = _contents()
    finished = run("simulate", *words)
    ending, after = f"status {finished.status}", _contents()
    lines = [line for line in finished.complaints() if not line.startswith("rendering ")]
    odd = [line for line in lines if not line.startswith(("openbragg: notice: ", "openbragg: error: "))]
    if odd:
        return f"says {odd[0]!r}", ending
    if finished.status != 0:
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        if finished.status not in (1, 2):
            return f"ends with {ending}", ending
        if not lines or not lines[-1].startswith("openbragg: error: "):
            return "does not say why it is refused", ending
        if _OWN_FAULT.match(lines[-1]):
            return f"ends in a fault of a plugin that comes with the program: {lines[-1][18:]}", ending
        return (f"is refused ({lines[-1][18:]}) and leaves {', '.join(changed)}" if changed else ""), ending
    wrote = [line[16:].rpartition(" (")[0] for line in finished.out.splitlines() if line.startswith("wrote ")]
    missing = [name for name in wrote if " ... " not in name and not Path(name).exists()]
    if missing:
        return f"says that it wrote {missing[0]}", ending
    record = next((line[16:-9] for line in finished.out.splitlines() if line.endswith(" (record)")), None)
    if record is not None and Path(record).is_file():
        return _not_repeated(Path(record), above), ending + ", repeated"
    return "", ending


def _not_repeated(record: Path, above: Path) -> str:
    """How a record fails to repeat its run in another folder, beside the same inputs."""
    first = Path.cwd()
    there = above / "again"
    shutil.copytree(above / "run", there)
    with contextlib.chdir(there):
        again = run("simulate", "--from", record)
        if again.status != 0:
            return f"cannot be repeated: {again.err.splitlines()[-1]}"
        different = [line for line in again.complaints() if "differ" in line and str(record) in line]
        if different:
            return f"repeated, says {different[0]!r}"
    assert Path.cwd() == first
    return ""


def _contents() -> dict[str, bytes | None]:
    """All that is in the working folder: what is in files, and None for folders."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


@contextlib.contextmanager
def _little_work() -> Iterator[None]:
    """Give up before a long sum."""
    render_panel = openbragg.orchestrator.rendering.render_panel

    def render_few(plan: Any, panel: Any, **settings: Any) -> Any:
        slow, fast = panel.pixels
        if plan.terms_per_pixel() * slow * fast > _MOST_TERMS:
            raise _LaboriousError
        return render_panel(plan, panel, **settings)

    with mock.patch.object(openbragg.orchestrator.rendering, "render_panel", render_few):
        yield


@contextlib.contextmanager
def _limited_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _EndlessError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _work(task: tuple[int, list[int]]) -> list[tuple[Fault | None, str]]:
    """Check some lines of a seed."""
    import torch

    torch.set_num_threads(1)
    seed, numbers = task
    with tempfile.TemporaryDirectory() as name:
        furnished = Path(name) / "furnished"
        furnished.mkdir()
        furnish(furnished)
        return [check(number, Generator(seed).line(number), furnished) for number in numbers]


def main() -> int:
    """Check as many lines as asked for, on several processes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=int, default=3000, help="how many command lines")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    numbers = range(asked.first, asked.first + asked.number)
    tasks = [(asked.seed, list(numbers[start : start + 50])) for start in range(0, len(numbers), 50)]
    faults, endings = [], Counter[str]()
    with multiprocessing.get_context("spawn").Pool(asked.workers) as pool:
        for part in pool.imap_unordered(_work, tasks):
            for fault, ending in part:
                endings[ending] += 1
                if fault is not None:
                    faults.append(fault)
                    print(fault, flush=True)
    print(f"{len(faults)} of {asked.number} break a promise; {dict(sorted(endings.items()))}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
