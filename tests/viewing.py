"""A recorded run in every format that is looked at, and what numbers its images have by other ways."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from command_line import run
from openbragg_tools.view.geometry import Geometry
from openbragg_tools.view.reading import Files, Shown, read_images

#: A triclinic crystal that turns by 2 degrees before a detector that is not square; counts fit into 16 bits.
MATRIX = "0.021 0.003 -0.002\n-0.004 0.017 0.005\n0.001 -0.006 0.024\n"
FLAGS = (
    *("-mat", "a.mat", "-default_F", "100", "-N", "8", "-lambda", "1.1", "-mosaic", "0.3", "-mosaic_domains", "5"),
    *("-detpixels_f", "90", "-detpixels_s", "70", "-pixel", "0.5", "-distance", "40", "-phi", "15", "-osc", "2"),
    *("-phisteps", "5", "-oversample", "1", "-fluence", "1e28", "-seed", "3", "-adc", "0"),
)
#: Files of counts, by the flag that writes them.
COUNTS = {"-noisefile": "a.img", "-cbf": "a.cbf", "-tiff": "a.tif", "-nxmx": "a.h5"}
ALL = (*COUNTS.values(), "a.bin")


def simulate(folder: Path, *words: object) -> None:
    """Simulate into the working folder, and record the run."""
    (folder / "a.mat").write_text(MATRIX, encoding="ascii")
    files = [word for flag, name in COUNTS.items() for word in (flag, name)]
    finished = run("simulate", *FLAGS, *files, "-floatfile", "a.bin", "--record", "run.json", *words)
    assert finished.status == 0, finished.err


def everything(count: int) -> range:
    """All images of a file."""
    return range(1, count + 1)


def only(path: Path, files: Files | None = None) -> Shown:
    """The one image of a file."""
    (image,) = read_images(path, everything, files)
    return image


def scattering(geometry: Geometry, fast: float, slow: float) -> NDArray[np.float64]:
    """The scattering vector at a place of a detector of one panel, in 1/m: (direction - beam) / wavelength."""
    (panel,) = geometry.panels
    position = panel.origin + panel.pixel_size * (fast * panel.fast + slow * panel.slow)
    found: NDArray[np.float64] = (position / np.linalg.norm(position) - geometry.beam) / geometry.wavelength
    return found


def turned(geometry: Geometry, vectors: NDArray[np.float64], phi: float) -> NDArray[np.float64]:
    """Rows turned about the spindle, by the matrix exponential's series rather than Rodrigues' formula."""
    x, y, z = geometry.spindle
    generator = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]) * phi
    rotation, term = np.eye(3), np.eye(3)
    for order in range(1, 40):
        term = term @ generator / order
        rotation = rotation + term
    return vectors @ rotation.T
