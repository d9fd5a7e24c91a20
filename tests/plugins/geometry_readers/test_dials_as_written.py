"""DIALS' lists of all ages: where they keep the sensor, what beams they have, and masks of panels without offsets."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from dials import ask
from openbragg import Geometry, read_geometry

_PANEL: dict[str, Any] = {
    "name": "p",
    "type": "SENSOR_PAD",
    "fast_axis": [1.0, 0.0, 0.0],
    "slow_axis": [0.0, -1.0, 0.0],
    "origin": [-3.0, 2.0, -100.0],
    "raw_image_offset": [0, 0],
    "image_size": [60, 40],
    "pixel_size": [0.1, 0.1],
    "trusted_range": [0.0, 65535.0],
    "thickness": 0.0,
    "material": "Si",
    "mu": 0.0,
    "identifier": "",
    "mask": [],
    "gain": 1.0,
    "pedestal": 0.0,
    "px_mm_strategy": {"type": "SimplePxMmStrategy"},
}


def listed(beam: dict[str, Any] | None = None, *changes: dict[str, Any]) -> str:
    """A list of one experiment; of a panel for each of the changes."""
    whole = {
        "__id__": "ExperimentList",
        "experiment": [{"__id__": "Experiment", "identifier": "", "beam": 0, "detector": 0}],
        "imageset": [],
        "beam": [{"direction": [0.0, 0.0, 1.0], "wavelength": 1.1} if beam is None else beam],
        "detector": [{"panels": [{**copy.deepcopy(_PANEL), **change} for change in changes or ({},)]}],
    }
    return json.dumps(whole)


def read(tmp_path: Path, text: str) -> Geometry:
    path = tmp_path / "file.expt"
    path.write_text(text)
    return read_geometry(path)


#: As lists of 2017 have the sensor: in mm^-1 and mm.
OLD_SENSOR = {"px_mm_strategy": {"type": "ParallaxCorrectedPxMmStrategy", "mu": 3.5, "t0": 0.45}}


def test_old_lists_keep_the_sensor_with_the_correction_of_the_parallax(tmp_path: Path) -> None:
    old = {key: value for key, value in _PANEL.items() if key not in ("mu", "thickness")}
    text = json.loads(listed())
    text["detector"][0]["panels"] = [{**old, **OLD_SENSOR}]
    found = read(tmp_path, json.dumps(text))
    assert found.sensor_thickness == pytest.approx(0.45e-3)
    assert found.attenuation_length == pytest.approx(1e-3 / 3.5)
    # Where a panel says something else dxtbx heeds the correction.
    found = read(tmp_path, listed(None, {**OLD_SENSOR, "mu": 1.0, "thickness": 0.1}))
    assert (found.sensor_thickness, found.attenuation_length) == pytest.approx((0.45e-3, 1e-3 / 3.5))


def test_dxtbx_reads_the_same_sensor_from_an_old_list(tmp_path: Path) -> None:
    (tmp_path / "old.expt").write_text(listed(None, OLD_SENSOR))
    script = (
        "panel = ExperimentListFactory.from_json_file(sys.argv[1], check_format=False)[0].detector[0]\n"
        "print(json.dumps([panel.get_mu(), panel.get_thickness()]))"
    )
    assert ask(script, "old.expt", folder=tmp_path) == [3.5, 0.45]


def test_the_mean_of_a_polychromatic_beam_is_taken_and_named(tmp_path: Path) -> None:
    beam = {"__id__": "polychromatic", "direction": [0.0, 0.0, 1.0], "wavelength_range": [1.0, 1.5]}
    found = read(tmp_path, listed(beam))
    assert found.wavelength == pytest.approx(1.25e-10)
    assert found.wavelength_note == "of wavelengths from 1 to 1.5 A the mean is taken, 1.25 A"


@pytest.mark.parametrize(
    ("beam", "note"),
    [
        ({"__id__": "polychromatic", "probe": "neutron"}, "its beam is polychromatic"),
        ({"__id__": "polychromatic", "wavelength_range": [0.0, 0.0]}, "its beam is polychromatic"),
        ({"__id__": "monochromatic", "wavelength": 0.0}, ""),
        ({}, ""),
    ],
)
def test_beams_without_a_wavelength_have_none(tmp_path: Path, beam: dict[str, Any], note: str) -> None:
    found = read(tmp_path, listed({"direction": [0.0, 0.0, 1.0], **beam}))
    assert (found.wavelength, found.wavelength_note) == (None, note)


def test_pixels_with_sides_of_two_lengths(tmp_path: Path) -> None:
    (panel,) = read(tmp_path, listed(None, {"pixel_size": [0.1, 0.25]})).panels
    assert panel.position(60, 40) == pytest.approx((3e-3, 2e-3 - 40 * 0.25e-3, -0.1), abs=1e-15)


def test_masks_stay_with_their_panels_where_these_have_no_offsets(tmp_path: Path) -> None:
    found = read(tmp_path, listed(None, {"mask": [[1, 2, 3, 4]]}, {"mask": [[5, 6, 8, 9]]}))
    assert [panel.slab for panel in found.panels] == [(0, 0), (40, 0)]
    assert found.gaps == ((1, 2, 2, 3), (5, 7, 46, 48))


@pytest.mark.parametrize(
    ("images", "scan", "still"),
    [
        ({"__id__": "ImageSet", "images": ["a.cbf"]}, None, ("a.cbf", None)),
        ({"__id__": "ImageSet", "images": ["a.nxs"], "single_file_indices": [7]}, None, ("a.nxs", 7)),
        ({"__id__": "ImageSet", "images": ["a.cbf", "b.cbf"]}, None, ("", None)),
        ({"__id__": "ImageSequence", "template": "/d/a_###.cbf"}, [12, 12], ("/d/a_012.cbf", None)),
        ({"__id__": "ImageSequence", "template": "a_###.cbf"}, [1, 9], ("", None)),
        ({"__id__": "ImageSequence", "template": "a.nxs", "single_file_indices": [0, 1, 2]}, [3, 3], ("a.nxs", 2)),
        ({"__id__": "ImageSequence", "template": "a.nxs", "single_file_indices": [4]}, [1, 1], ("a.nxs", 4)),
    ],
)
def test_the_image_of_a_still_is_the_one_that_its_list_names(
    tmp_path: Path, images: dict[str, Any], scan: list[int] | None, still: tuple[str, int | None]
) -> None:
    whole = json.loads(listed())
    whole["imageset"] = [images]
    whole["experiment"][0]["imageset"] = 0
    if scan is not None:
        whole["scan"] = [{"image_range": scan, "oscillation": [0.0, 0.0]}]
        whole["experiment"][0]["scan"] = 0
    found = read(tmp_path, json.dumps(whole))
    assert (found.still, found.still_place) == still
