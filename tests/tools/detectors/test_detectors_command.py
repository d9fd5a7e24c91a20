"""``openbragg detectors``, and the detectors of a third party."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from command_line import run
from openbragg import named_detectors

Install = Callable[..., None]

FAMILY = """
import attrs
from openbragg import DetectorDescription, hookimpl

@attrs.frozen
class Family:
    name = "{name}"
    summary = "of a beamline"
    flags = ()

    @classmethod
    def detectors(cls):
        {body}

@hookimpl
def detectors():
    return [Family]
"""
CAMERA = (
    "return {'acme-camera': DetectorDescription(title='ACME', pixels=(20, 30), pixel_size=2e-4, "
    "gaps=((10, 11, 0, 19),), noise={'detector': {'preset': 'ccd-lens', 'gain': 3.0}})}"
)
GOOD = FAMILY.format(name="acme", body=CAMERA)
MODEL = "-cell 50 -N 3 -default_F 100 -distance 60 -oversample 3".split()


def test_the_list_has_every_one() -> None:
    finished = run("detectors")
    assert (finished.status, finished.err) == (0, "")
    lines = finished.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(named_detectors().descriptions())
    assert "2463 x 2527" in next(line for line in lines if line.startswith("pilatus-6m "))


def test_the_json_has_gaps_panels_and_noise() -> None:
    found = {entry["name"]: entry for entry in json.loads(run("detectors", "--json").out)}
    assert found["pilatus-6m"]["pixels"] == [2527, 2463]
    assert len(found["pilatus-6m"]["gaps"]) == 15
    assert found["pilatus-6m"]["noise"] == {"detector": {"preset": "pilatus"}}
    assert (found["jungfrau-4m-modules"]["panels"], found["jungfrau-4m"]["panels"]) == (8, 1)


def test_a_third_partys_detector_is_listed_and_rendered(install: Install) -> None:
    install("acme", first=GOOD)
    assert "acme-camera" in run("detectors").out
    finished = run("simulate", *MODEL, "-detector", "ACME camera", "-floatfile", "image.bin")
    assert (finished.status, finished.err) == (0, "")
    image = np.fromfile("image.bin", "<f4").reshape(20, 30)
    assert (image[:, 10:12] == 0.0).all()
    assert (image[:, 12:] > 0.0).all()


def test_its_noise_belongs_to_it_and_gives_way_to_flags(install: Install) -> None:
    install("acme", first=GOOD)
    words = [*MODEL, "-detector", "acme-camera", "-noise", "detector", "-seed", "1"]
    finished = run("simulate", *words, "-intfile", "plain.img", "-noisefile", "own.img")
    assert finished.status == 0
    (line,) = [line for line in finished.complaints() if "acme-camera" in line]
    assert "-detector_preset ccd-lens -gain 3" in line
    given = ["-detector_preset", "ccd-lens", "-gain", "3"]
    assert run("simulate", *words, *given, "-noisefile", "given.img").err.count("begins from") == 0
    assert Path("own.img").read_bytes() == Path("given.img").read_bytes()
    louder = run("simulate", *words, "-gain", "9", "-noisefile", "louder.img")
    assert "-gain" not in next(line for line in louder.complaints() if "acme-camera" in line)
    assert Path("louder.img").read_bytes() != Path("own.img").read_bytes()


def test_a_flag_may_need_what_the_detectors_noise_has(install: Install) -> None:
    install("acme", first=GOOD.replace("'ccd-lens', 'gain': 3.0", "'pilatus'"))
    words = [*MODEL, "-detector", "acme-camera", "-noise", "detector", "-noisefile", "image.img"]
    # It is about a dead time, which the preset has.
    assert run("simulate", *words, "-dead_time_kind", "nonparalyzable").status == 0
    assert run("simulate", *words, "-dead_time_kind", "nonparalyzable", "-detector_preset", "ideal").status == 2


def test_other_noise_models_hear_nothing_of_it(install: Install) -> None:
    install("acme", first=GOOD)
    finished = run("simulate", *MODEL, "-detector", "acme-camera", "-seed", "1", "-noisefile", "image.img")
    assert finished.status == 0
    assert "acme-camera" not in finished.err


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('no list\\n today')", "no list today"),
        ("return ['acme-camera']", "AttributeError"),
        ("return {'acme-camera': (20, 30)}", "expected a DetectorDescription, got tuple"),
        (CAMERA.replace("acme-camera", "Acme Camera"), "lower case"),
    ],
)
def test_a_family_that_cannot_be_asked_is_one_line_and_the_others_stay(
    install: Install, body: str, reason: str
) -> None:
    install("acme", "2.1", first=FAMILY.format(name="acme", body=body))
    finished = run("detectors")
    assert finished.status == 0
    (line,) = finished.complaints()
    assert line.startswith("openbragg: plugin skipped: acme of acme 2.1: ")
    assert reason in line
    assert "pilatus-6m" in finished.out
    words = [*MODEL, "-roi", "0", "3", "0", "3", "-floatfile", "image.bin", "-detector"]
    assert run("simulate", *words, "eiger2-500k").status == 0
    refused = run("simulate", *words, "acme-camera")
    assert refused.status == 2
    (line,) = refused.complaints()
    assert "no detector 'acme-camera'" in line
    assert reason in line


def test_two_detectors_of_one_name_stop_with_both_distributions_named(install: Install) -> None:
    install("acme_mine", "3.1", first=FAMILY.format(name="mine", body=CAMERA))
    install("acme_theirs", "3.2", first=FAMILY.format(name="theirs", body=CAMERA))
    finished = run("detectors")
    assert finished.status == 1
    (line,) = finished.complaints()
    assert "'acme-camera'" in line
    assert "acme_mine 3.1" in line
    assert "acme_theirs 3.2" in line
    assert run("detectors", "--no-plugin", "acme_mine").status == 0


def test_noise_that_the_model_does_not_know_is_one_line(install: Install) -> None:
    install("acme", "2.1", first=FAMILY.format(name="acme", body=CAMERA.replace("'gain'", "'loudness'")))
    finished = run("simulate", *MODEL, "-detector", "acme-camera", "-noise", "detector", "-noisefile", "image.img")
    assert finished.status == 1
    (line,) = finished.complaints()
    assert "acme-camera of acme 2.1" in line
    assert "loudness" in line
    assert not Path("image.img").exists()


def test_a_family_can_be_taken_away() -> None:
    finished = run("detectors", "--no-plugin", "pilatus")
    assert "pilatus" not in finished.out
    refused = run("simulate", *MODEL, "-detector", "pilatus-6m", "--no-plugin", "pilatus")
    assert refused.status == 2
    assert "no detector 'pilatus-6m'" in refused.err
