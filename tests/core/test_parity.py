"""The measured cases of the reference program, where they are at hand.

The cases lie outside the project, in ``../shared/reference``; the oracle and the properties stand in where they do not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import command_line

CASES = Path(__file__).parents[3] / "shared" / "reference"
#: Single precision of the expected image is 6e-8 of a pixel; mixed precision adds 3e-7 of the peak.
TOLERANCE = 1e-6

pytestmark = pytest.mark.skipif(not (CASES / "cases.json").is_file(), reason="the measured reference cases are absent")

NAMES = (
    "minimal_cubic triclinic_misset mat_hkl mosflm_beam_center custom_vectors custom_from_axis "
    "detector_rotations_sample detector_rotations_beam point_pixel rectangular detsize round_xtal gauss_xtal "
    "gauss_fudge tophat phi_sweep phi_step mosaic mosaic_seeded mosaic_default_domains oversample polarized nopolar "
    "dmin roi sparse_default_F misset_random energy_tetragonal pix0_ignored phi_from_zero saxs_interpolated "
    "interpolate_forced xds xds_org adxv denzo dials close_distance_tilt near_point flux_beamsize curved_detector "
    "divergence_dispersion divergence_square sourcefile detector_thickness oversample_running_product "
    "interpolate_out_of_range water mask image_header noise_outputs everything"
).split()
#: Cases in which the reference does something else than what its flags say, and the quirks' names.
QUIRKS = {
    "pix0_ignored": {"pix0-ignored"},
    "phi_from_zero": {"phi-carryover"},
    "triclinic_misset": {"oblique-cell"},
    "sourcefile": {"source-weights"},
    "detector_thickness": {"last-layer"},
    "oversample_running_product": {"running-product"},
    "interpolate_out_of_range": {"interpolation-latch"},
    "water": {"water-over-steps", "water-fluence"},
    "mask": {"header-beam-centre"},
    "image_header": {"header-beam-centre"},
    "noise_outputs": {"water-over-steps", "water-fluence"},
    "everything": {"last-layer", "water-over-steps", "water-fluence"},
    "gauss_xtal": {"subpixels-by-size"},
    "gauss_fudge": {"subpixels-by-size"},
    "tophat": {"subpixels-by-size"},
}


def case(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        case for case in json.loads((CASES / "cases.json").read_text()) if case["name"] == name
    )
    return found


def rendered(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> tuple[np.ndarray, list[str]]:
    # Not among the cases themselves: with fdump-cache a run leaves a file in its folder.
    (folder / "inputs").symlink_to(CASES / "inputs")
    monkeypatch.chdir(folder)
    file = folder / "out.bin"
    finished = command_line.run("simulate", "-floatfile", file, *more, *case(name)["args"])
    assert finished.status == 0, finished.err
    return np.fromfile(file, "<f4").reshape(case(name)["shape"]).astype(float), finished.complaints()


def largest_difference(got: np.ndarray, name: str) -> float:
    expected = np.load(CASES / "expected" / f"{name}.npz")["float"].astype(float)
    return float(np.abs(got - expected).max() / expected.max())


@pytest.mark.parametrize("name", NAMES)
def test_case_and_its_header_are_the_reference_s_on_request(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got, _ = rendered(name, tmp_path, monkeypatch, "--compat", "nanobragg", "-intfile", "int.img")
    assert largest_difference(got, name) < TOLERANCE
    content = (tmp_path / "int.img").read_bytes()
    text = content[: content.index(b"}")].decode("ascii")
    pairs = (line.rstrip(";").split("=") for line in text.splitlines()[1:])
    expected = dict(case(name)["smv_header"])
    assert dict(pairs) == expected


def test_integer_picture_and_header_are_the_reference_s_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ("-intfile", "int.img", "-pgmfile", "picture.pgm", "-noisefile", "noise.img")
    rendered("noise_outputs", tmp_path, monkeypatch, "--compat", "nanobragg", *files)
    expected = np.load(CASES / "expected" / "noise_outputs.npz")
    for file in ("int.img", "noise.img"):
        assert (tmp_path / file).read_bytes()[:512] == expected["smv_header"].tobytes()
    integers = np.frombuffer((tmp_path / "int.img").read_bytes()[512:], "<u2").reshape(expected["int"].shape)
    np.testing.assert_array_equal(integers, expected["int"])
    grey = (tmp_path / "picture.pgm").read_bytes()[-expected["pgm"].size :]
    np.testing.assert_array_equal(np.frombuffer(grey, "u1").reshape(expected["pgm"].shape), expected["pgm"])


@pytest.mark.parametrize("name", NAMES)
def test_case_differs_by_default_only_where_a_notice_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got, complaints = rendered(name, tmp_path, monkeypatch)
    named = [line for line in complaints if "--compat" in line]
    if name in QUIRKS:
        assert len(named) == len(QUIRKS[name])
        assert {line.removeprefix("openbragg: notice: ").partition(":")[0] for line in named} == QUIRKS[name]
        assert largest_difference(got, name) > TOLERANCE
    else:
        assert not named
        assert largest_difference(got, name) < TOLERANCE
