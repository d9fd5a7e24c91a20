"""Random settings, run by a reference executable and by ``openbragg simulate --compat nanobragg``, and compared.

    OPENBRAGG_REFERENCE=/path/to/nanoBragg python tests/reference_settings.py --number 400 --seed 1

The settings are round numbers more often than not, for at these counts that are worked out (oversampling, cells from
a width, rotation steps, sources, pixels) hang on the last bit. Printed are the settings in which a pixel is further
from the reference's than 1e-6 of its brightest one, and ``N of M``.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import attrs
import numpy as np

import command_line

#: The variable of the environment that names the executable.
VARIABLE = "OPENBRAGG_REFERENCE"
#: Of the brightest pixel: what single precision in the file and mixed precision in the sum add up to.
TOLERANCE = 1e-6
#: Photons; an image with less in its brightest pixel is nothing, to which neither program pays its digits.
_NOTHING = 1e-20

#: In what OpenBragg says where the reference writes what is no number.
_REFUSED = ("beyond single precision", "leaves no source")

_LONGEST_RUN = 300.0
_FLOATS = "float.bin"

Draw: TypeAlias = random.Random
Image: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"


@attrs.frozen
class Setting:
    """Flags, and the files that they name with what is in them."""

    words: tuple[str, ...]
    files: dict[str, bytes]

    def __str__(self) -> str:
        return shlex.join(self.words)


def executable() -> Path | None:
    """The reference program that the environment names, where it does."""
    found = shutil.which(os.environ.get(VARIABLE, ""))
    return Path(found) if found else None


def settings(seed: int, number: int) -> Iterator[Setting]:
    """Settings, always the same for a seed; the first of them do not depend on how many there are."""
    for place in range(number):
        yield draw_setting(random.Random(f"{seed} {place}"))


def draw_setting(draw: Draw) -> Setting:
    """One experiment, of few pixels and terms."""
    files: dict[str, bytes] = {}
    round_numbers = draw.random() < 0.7
    groups = [
        _crystal(draw, files, round_numbers),
        _detector(draw, files, round_numbers),
        _convention(draw, round_numbers),
        _beam(draw, files, round_numbers),
        _scan(draw, round_numbers),
        _sampling(draw),
    ]
    # Of flags that overrule each other the last counts, in both programs.
    draw.shuffle(groups)
    return Setting(tuple(word for group in groups for word in group), files)


def _number(draw: Draw, low: float, high: float, round_numbers: bool) -> str:
    """A number as people type it: of two digits, or of six."""
    value = draw.uniform(low, high)
    return f"{value:.2g}" if round_numbers else f"{value:.6g}"


def _some(draw: Draw, part: float) -> bool:
    return draw.random() < part


def _crystal(draw: Draw, files: dict[str, bytes], round_numbers: bool) -> list[str]:
    lengths = [_number(draw, 20, 90, round_numbers) for _ in range(3)]
    kind = draw.choice(["cubic", "orthogonal", "hexagonal", "monoclinic", "triclinic"])
    right = ["90"] * 3
    if kind == "cubic":
        lengths = lengths[:1] * 3
    angles = {
        "hexagonal": ["90", "90", "120"],
        "monoclinic": ["90", _number(draw, 95, 120, round_numbers), "90"],
        "triclinic": [_number(draw, 75, 110, round_numbers) for _ in range(3)],
    }.get(kind, right)
    words: list[str] = []
    matrix = _some(draw, 0.25)
    if matrix:
        files["A.mat"] = _matrix(draw, [float(length) for length in lengths], round_numbers)
        words += ["-mat", "A.mat"]
    if not matrix or _some(draw, 0.2):
        words += ["-cell", *lengths, *angles]
    if _some(draw, 0.5):
        choices = ["0", "10", "20", "30", "45", "90", "180"] if round_numbers else None
        words += ["-misset", *(draw.choice(choices) if choices else _number(draw, -180, 180, False) for _ in range(3))]
    elif _some(draw, 0.1):
        # Last, for the three words after the seed are read as angles.
        words += ["-misset", "random"]
        words += ["-misset_seed", str(draw.randint(1, 10**6)), "-nopgm", "-nopgm", "-misset", "random"]
    match draw.choice(["N", "N", "axes", "width", "widths"]):
        case "N":
            words += ["-N", str(draw.choice([1, 2, 3, 5, 8, 10]))]
        case "axes":
            words += [word for axis in "abc" for word in (f"-N{axis}", str(draw.randint(1, 10)))]
        case "width":
            words += ["-xtalsize", f"{draw.choice(range(5, 30, 5)) * 1e-5:.5g}"]
        case "widths":
            words += [
                word for axis in "xyz" for word in (f"-xtal_{axis}", f"{draw.choice(range(5, 30, 5)) * 1e-5:.5g}")
            ]
            if _some(draw, 0.3):
                words += ["-beamsize", "0.00015"]
    words += [draw.choice(["-square_xtal", "-square_xtal", "-round_xtal", "-gauss_xtal", "-tophat_spots"])]
    if _some(draw, 0.2):
        words += ["-fudge", _number(draw, 0.1, 2, round_numbers)]
    words += _factors(draw, files)
    if _some(draw, 0.25):
        words += ["-mosaic", _number(draw, 0.1, 2, round_numbers), "-mosaic_seed", str(draw.randint(1, 10**6))]
        if _some(draw, 0.8):
            words += ["-mosaic_domains", str(draw.randint(1, 5))]
    if _some(draw, 0.15):
        words += ["-water", _number(draw, 0.01, 1, round_numbers)]
    return words


def _factors(draw: Draw, files: dict[str, bytes]) -> list[str]:
    if _some(draw, 0.5):
        return ["-default_F", draw.choice(["1", "10", "100", "33.3"])]
    most = draw.choice([2, 4, 8])
    indices = range(-most, most + 1)
    lines = (
        f"{h} {k} {l} {draw.uniform(1, 100):.2f}\n"
        for h in indices
        for k in indices
        for l in indices
        if _some(draw, 0.9)
    )
    files["P1.hkl"] = "".join(lines).encode()
    words = ["-hkl", "P1.hkl"]
    if _some(draw, 0.5):
        words += ["-default_F", draw.choice(["5", "20"])]
    if _some(draw, 0.4):
        words.append(draw.choice(["-interpolate", "-nointerpolate"]))
    return words


def _matrix(draw: Draw, lengths: list[float], round_numbers: bool) -> bytes:
    """An orientation of a cell of right angles, times a wavelength of 1; turned by any angle about an axis."""
    rows = np.diag([1.0 / length for length in lengths])
    if not round_numbers or _some(draw, 0.5):
        axis = np.array([draw.gauss(0, 1) for _ in range(3)])
        axis /= np.linalg.norm(axis)
        angle = draw.uniform(0, math.pi)
        cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        rows = (np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross) @ rows
    return "".join(" ".join(f"{value:12.8f}" for value in row) + "\n" for row in rows).encode()


def _detector(draw: Draw, files: dict[str, bytes], round_numbers: bool) -> list[str]:
    pixel = draw.choice([0.1, 0.2, 0.25, 0.5, 1.0]) if round_numbers else float(_number(draw, 0.1, 1, False))
    words = ["-pixel", f"{pixel:g}"]
    shape = [draw.randint(3, 9) for _ in range(2)]
    match draw.choice(["square", "both", "width", "half", "mask"]):
        case "square":
            words += ["-detpixels", str(shape[0])]
        case "both":
            words += ["-detpixels_x", str(shape[0]), "-detpixels_y", str(shape[1])]
        case "width":
            words += ["-detsize", f"{pixel * shape[0]:.6g}"]
        case "half":
            words += ["-detsize_f", f"{pixel * (shape[0] + 0.5):.6g}", "-detsize_s", f"{pixel * (shape[1] + 0.5):.6g}"]
        case "mask":
            files["mask.img"] = _mask(draw, shape, pixel)
            words += ["-mask", "mask.img"]
    words += ["-distance", _number(draw, 50, 250, round_numbers)]
    if _some(draw, 0.1):
        words += ["-close_distance", _number(draw, 50, 200, round_numbers)]
    for axis in "xyz":
        if _some(draw, 0.2):
            words += [f"-detector_rot{axis}", _number(draw, -30, 30, round_numbers)]
    if _some(draw, 0.25):
        words += ["-twotheta", _number(draw, -30, 30, round_numbers)]
    if _some(draw, 0.1):
        words += ["-pivot", draw.choice(["beam", "sample"])]
    if _some(draw, 0.1):
        words.append("-point_pixel")
    if _some(draw, 0.1):
        words.append("-curved_det")
    if _some(draw, 0.25):
        words += ["-detector_thick", draw.choice(["100", "300", "450", "1000"])]
        if _some(draw, 0.6):
            words += ["-detector_abs", draw.choice(["100", "235", "500"])]
        if _some(draw, 0.6):
            words += ["-detector_thicksteps", str(draw.randint(1, 5))]
    if _some(draw, 0.15):
        words += ["-roi", "1", str(draw.randint(1, 5)), "0", str(draw.randint(0, 5))]
    return words


def _mask(draw: Draw, shape: list[int], pixel: float) -> bytes:
    header = "{\nHEADER_BYTES=512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\n"
    header += f"SIZE1={shape[0]};\nSIZE2={shape[1]};\nPIXEL_SIZE={pixel:g};\n"
    if _some(draw, 0.5):
        header += f"BEAM_CENTER_X={pixel * shape[0] / 2:g};\nBEAM_CENTER_Y={pixel * shape[1] / 2:g};\n"
    if _some(draw, 0.3):
        header += f"DISTANCE={draw.randint(60, 200)};\nWAVELENGTH={draw.choice([0.9, 1.0, 1.2])};\n"
    count = shape[0] * shape[1]
    pixels = struct.pack(f"<{count}H", *(draw.choice([0, 1, 1, 1]) for _ in range(count)))
    return (header + "}\f").encode().ljust(512) + pixels


def _convention(draw: Draw, round_numbers: bool) -> list[str]:
    words: list[str] = []
    match draw.choice(["default", "named", "named", "custom"]):
        case "named":
            words.append(draw.choice(["-mosflm", "-xds", "-adxv", "-denzo", "-dials"]))
        case "custom":
            vectors = {
                "-fdet_vector": (0, 0, 1),
                "-sdet_vector": (0, -1, 0),
                "-beam_vector": (1, 0, 0),
                "-polar_vector": (0, 0, 1),
                "-spindle_axis": (0, 0, 1),
                "-odet_vector": (1, 0, 0),
            }
            for flag in draw.sample(list(vectors), draw.randint(1, 3)):
                shift = 0.0 if round_numbers and _some(draw, 0.6) else 0.1
                words += [flag, *(f"{part + draw.uniform(-shift, shift):.4g}" for part in vectors[flag])]
    if _some(draw, 0.35):
        words += ["-Xbeam", _number(draw, 0, 5, round_numbers), "-Ybeam", _number(draw, 0, 5, round_numbers)]
    elif _some(draw, 0.2):
        words += ["-ORGX", _number(draw, 0, 8, round_numbers), "-ORGY", _number(draw, 0, 8, round_numbers)]
    elif _some(draw, 0.2):
        words += ["-Xclose", _number(draw, 0, 5, round_numbers), "-Yclose", _number(draw, 0, 5, round_numbers)]
    return words


def _beam(draw: Draw, files: dict[str, bytes], round_numbers: bool) -> list[str]:
    words: list[str] = []
    match draw.choice(["lambda", "energy", "none"]):
        case "lambda":
            words += ["-lambda", draw.choice(["0.8", "1", "1.2", "1.5", "2"]) if round_numbers else "1.54178"]
        case "energy":
            words += ["-energy", draw.choice(["8000", "10000", "12398.42", "12000"])]
    match draw.choice(["default", "fluence", "flux"]):
        case "fluence":
            words += ["-fluence", draw.choice(["1e24", "1e20", "3e29"])]
        case "flux":
            words += [
                "-flux",
                "1e12",
                "-exposure",
                draw.choice(["0.1", "1"]),
                "-beamsize",
                draw.choice(["0.1", "0.02"]),
            ]
    match draw.choice(["default", "default", "polar", "nopolar"]):
        case "polar":
            words += ["-polar", draw.choice(["1", "0.99", "0.5", "-1", "0"])]
        case "nopolar":
            words.append("-nopolar")
    match draw.choice(["point", "point", "point", "range", "step", "count", "listed"]):
        case "range":
            words += ["-hdivrange", _number(draw, 0.5, 5, round_numbers), "-vdivrange", draw.choice(["0.5", "1", "2"])]
            words += ["-divsteps", str(draw.randint(1, 4))]
        case "step":
            step = draw.choice([0.1, 0.2, 0.3, 0.5, 0.7])
            times = draw.randint(1, 4)
            words += ["-hdivrange", f"{step * times:.6g}", "-hdivstep", f"{step:g}"]
            if _some(draw, 0.5):
                words += ["-vdivrange", "0.6", "-vdivstep", draw.choice(["0.1", "0.2", "0.3"])]
        case "count":
            words += ["-divergence", _number(draw, 0.5, 5, round_numbers), "-hdivsteps", str(draw.randint(1, 4))]
        case "listed":
            files["sources.txt"] = _sources(draw)
            words += ["-sourcefile", "sources.txt"]
    if _some(draw, 0.2):
        words.append("-square_div")
    if _some(draw, 0.25):
        words += ["-dispersion", _number(draw, 0.1, 5, round_numbers)]
        if _some(draw, 0.6):
            words += ["-dispsteps", str(draw.randint(1, 4))]
    return words


def _sources(draw: Draw) -> bytes:
    axis = draw.choice([(-10, 0, 0), (0, 0, -10)])
    lines = []
    for _ in range(draw.randint(1, 3)):
        shift = draw.choice([0.0, 0.1])
        row = [f"{part + draw.uniform(-shift, shift):.4g}" for part in axis]
        if _some(draw, 0.5):
            row.append(f"{draw.uniform(0.5, 2):.2g}")
            if _some(draw, 0.5):
                row.append(draw.choice(["1e-10", "1.1e-10", "0.9e-10"]))
        lines.append(" ".join(row) + "\n")
    return "".join(lines).encode()


def _scan(draw: Draw, round_numbers: bool) -> list[str]:
    words: list[str] = []
    if _some(draw, 0.4):
        words += ["-phi", draw.choice(["0", "10", "-1", "45", "90"])]
    match draw.choice(["still", "still", "osc", "step", "both", "steps", "all"]):
        case "osc":
            words += ["-osc", _number(draw, 0.1, 2, round_numbers)]
        case "step":
            words += ["-phistep", _number(draw, 0.1, 2, round_numbers)]
        case "both":
            step = draw.choice([0.1, 0.2, 0.05, 0.3, 0.7])
            words += ["-osc", f"{step * draw.randint(1, 6):.6g}", "-phistep", f"{step:g}"]
        case "steps":
            words += ["-phisteps", str(draw.randint(1, 4))]
        case "all":
            words += ["-osc", _number(draw, 0.1, 2, round_numbers), "-phisteps", str(draw.randint(1, 4))]
    return words


def _sampling(draw: Draw) -> list[str]:
    words: list[str] = []
    # Automatic more often than not: that is what differs.
    if _some(draw, 0.3):
        words += ["-oversample", str(draw.randint(1, 3))]
    for name in ("thick", "polar", "omega"):
        if _some(draw, 0.08):
            words.append(f"-oversample_{name}")
    if _some(draw, 0.2):
        words += ["-dmin", draw.choice(["1", "2", "3.5", "8"])]
    return words


def reference_image(program: Path, setting: Setting, folder: Path) -> Image:
    """The photons that the reference writes, flat; run in an empty folder."""
    _write_files(setting, folder)
    finished = subprocess.run(
        [program, *setting.words, "-floatfile", _FLOATS, "-nonoise", "-nopgm", "-noprogress"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        timeout=_LONGEST_RUN,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"the reference ended with {finished.returncode}")
    return np.fromfile(folder / _FLOATS, "<f4").astype(float)


def our_image(setting: Setting, folder: Path, precision: str) -> Image | None:
    """The photons that OpenBragg writes of the same in this process, flat; run in an empty folder.

    None where it refuses to write what no number can say.
    """
    _write_files(setting, folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        line = ("-floatfile", _FLOATS, "-compat", "nanobragg", "-engine", "eager", "-precision", precision)
        finished = command_line.run("simulate", *setting.words, *line)
    finally:
        os.chdir(before)
    if any(reason in finished.err for reason in _REFUSED):
        return None
    if finished.status != 0:
        raise RuntimeError(finished.err.strip())
    return np.fromfile(folder / _FLOATS, "<f4").astype(float)


def _write_files(setting: Setting, folder: Path) -> None:
    for name, content in setting.files.items():
        (folder / name).write_bytes(content)


def difference(program: Path, setting: Setting, precision: str = "mixed") -> str | None:
    """In what the two images differ, in words; None where they do not."""
    with tempfile.TemporaryDirectory() as theirs, tempfile.TemporaryDirectory() as ours:
        try:
            expected = reference_image(program, setting, Path(theirs))
            got = our_image(setting, Path(ours), precision)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    finite = np.isfinite(expected)
    if got is None:
        return None if not finite.all() else "refused"
    if got.shape != expected.shape:
        return f"{got.size} pixels instead of {expected.size}"
    if not np.array_equal(finite, np.isfinite(got)):
        return "other pixels are beyond all numbers"
    peak = float(np.abs(expected[finite]).max(initial=0.0))
    worst = float(np.abs(got - expected)[finite].max(initial=0.0))
    return None if worst <= TOLERANCE * max(peak, _NOTHING) else f"{worst / max(peak, _NOTHING):.2g} of the peak"


def main() -> int:
    """Compare; the exit status says whether all are alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=400, help="how many settings")
    parser.add_argument("--seed", type=int, default=1, help="of the settings")
    parser.add_argument(
        "--precision", default="auto", choices=("auto", "mixed", "double"), help="in which OpenBragg computes"
    )
    parser.add_argument("--only", type=int, help="the number of one setting, which is printed")
    asked = parser.parse_args()
    program = executable()
    if program is None:
        print(f"{VARIABLE} names no executable", file=sys.stderr)
        return 2
    alike = 0
    numbered = list(enumerate(settings(asked.seed, asked.number if asked.only is None else asked.only + 1)))
    chosen = numbered if asked.only is None else numbered[-1:]
    for place, setting in chosen:
        found = difference(program, setting, asked.precision)
        alike += found is None
        if found and asked.precision != "double" and difference(program, setting, "double") is None:
            found += ", alike with -precision double"
        if found is not None or asked.only is not None:
            print(f"{place}: {found or 'alike'}: {setting}", flush=True)
    print(f"{alike} of {len(chosen)} within {TOLERANCE:g}")
    return 0 if alike == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
