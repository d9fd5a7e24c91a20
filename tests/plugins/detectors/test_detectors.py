"""Detectors by name: what is known of those that are sold, and what any description of one must keep."""

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from openbragg import DetectorDescription, detector_description, detector_preset, named_detectors
from openbragg.cli.registry import load_registry
from openbragg.testing import check_detector

FAMILIES = [found.cls for found in load_registry(()).of_role("detectors")]
KNOWN = named_detectors().descriptions()

#: Pixels (fast, slow) that these detectors' images are known to have.
EXTENTS = {
    "pilatus-100k": (487, 195),
    "pilatus-300k": (487, 619),
    "pilatus-1m": (981, 1043),
    "pilatus-2m": (1475, 1679),
    "pilatus-6m": (2463, 2527),
    "eiger-1m": (1030, 1065),
    "eiger-4m": (2070, 2167),
    "eiger-9m": (3110, 3269),
    "eiger-16m": (4150, 4371),
    "eiger2-1m": (1028, 1062),
    "eiger2-4m": (2068, 2162),
    "eiger2-9m": (3108, 3262),
    "eiger2-16m": (4148, 4362),
    "jungfrau-1m": (1030, 1064),
    "jungfrau-4m": (2068, 2164),
}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_keeps_the_contract(family: Any) -> None:
    check_detector(family)


@pytest.mark.parametrize("name", EXTENTS)
def test_detectors_have_the_pixels_that_are_known(name: str) -> None:
    assert detector_description(name).pixels == EXTENTS[name][::-1]


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known.modules is not None])
def test_what_no_gap_covers_are_the_modules(name: str) -> None:
    modules, detector = KNOWN[name].modules, detector_preset(name)
    assert modules is not None
    absent = detector.absent()
    slow, fast = detector.frame_shape()
    seam = 0 if modules.seam is None else modules.seam[1] - modules.seam[0] + 1
    expected = math.prod(modules.count) * modules.pixels[0] * (modules.pixels[1] - seam)
    assert slow * fast - (0 if absent is None else int(absent.sum())) == expected
    if absent is not None:
        for row, column in modules.corners():
            assert not absent[row, column]
            assert not absent[row + modules.pixels[0] - 1, column + modules.pixels[1] - 1]


def test_a_pilatus_6m_has_its_gaps_where_xds_has_them() -> None:
    """XDS' template for it excludes, among others, 487 < x < 495 and 195 < y < 213, counted from 1."""
    gaps = detector_description("Pilatus 6M").gaps
    assert len(gaps) == 4 + 11
    assert (487, 493, 0, 2526) in gaps
    assert (0, 2462, 195, 211) in gaps


def test_names_can_be_written_in_several_ways() -> None:
    assert detector_description("EIGER2_16M") == detector_description("eiger2-16m")


def test_modules_of_a_stacked_detector_lie_where_those_of_the_whole_do() -> None:
    panels, whole = detector_preset("jungfrau-4m-modules").panels(), detector_description("jungfrau-4m").modules
    assert whole is not None
    corners = [tuple(np.round(np.array(panel.offset[:2])[::-1] / 75e-6)) for panel in panels]
    assert corners == list(whole.corners())
    assert [panel.slab for panel in panels] == [(514 * number, 0) for number in range(8)]


def test_a_description_is_looked_up_without_torch_or_numpy() -> None:
    code = (
        "import sys, openbragg\nassert openbragg.detector_description('pilatus-6m').pixels == (2527, 2463)\n"
        "print(*(name for name in ('torch', 'numpy') if name in sys.modules))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == []


GOOD = {"title": "A camera", "pixels": (40, 60), "pixel_size": 1e-4}
#: Descriptions that no detector can have, each with a word of what is said of it.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no title": ({"title": ""}, "title"),
    "no pixels": ({"pixels": (0, 60)}, "pixels"),
    "pixels of no size": ({"pixel_size": 0.0}, "pixel_size"),
    "a gap beyond the frame": ({"gaps": ((0, 60, 3, 4),)}, "frame"),
    "a gap over everything": ({"gaps": ((0, 59, 0, 39),)}, "no pixel"),
    "a sensor of a matter unknown": ({"material": "GaAs", "thickness": 1e-3}, "GaAs"),
    "a sensor without thickness": ({"material": "Si"}, "thickness"),
    "a thickness of nothing": ({"thickness": 1e-3}, "material"),
    "a saturation of nothing": ({"saturation": 0}, "saturation"),
    "noise that is no option": ({"noise": {"detector": {"colour": "red"}}}, "colour"),
    "noise out of its rule": ({"noise": {"detector": {"gain": -1.0}}}, "gain"),
    "noise without a model's options": ({"noise": {"detector": "loud"}}, "noise"),
}


def family_of(**changed: Any) -> Any:
    """A family of one detector."""
    import attrs

    @attrs.frozen
    class Family:
        name = "family"
        summary = "a camera"
        flags = ()

        @classmethod
        def detectors(cls) -> dict[str, DetectorDescription]:
            return {"a-camera": DetectorDescription(**{**GOOD, **changed})}

    return Family


def test_a_plain_description_keeps_the_contract() -> None:
    check_detector(family_of())


@pytest.mark.parametrize("what", WRONG)
def test_a_description_that_no_detector_can_have_is_refused(what: str) -> None:
    changed, word = WRONG[what]
    with pytest.raises(AssertionError, match=word):
        check_detector(family_of(**changed))


def test_panels_that_lie_on_each_other_are_refused() -> None:
    from openbragg import Panel

    one = Panel(pixels=(20, 60), pixel_size=1e-4, slab=(0, 0))
    other = Panel(pixels=(20, 60), pixel_size=1e-4, slab=(20, 0), offset=(0.0, 19e-4, 0.0))
    apart = Panel(pixels=(20, 60), pixel_size=1e-4, slab=(20, 0), offset=(0.0, 20e-4, 0.0))
    check_detector(family_of(panels=(one, apart)))
    with pytest.raises(AssertionError, match="overlap"):
        check_detector(family_of(panels=(one, other)))
