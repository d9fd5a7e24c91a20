"""Presets: flags before those of the user."""

import pytest

import openbragg
from command_line import run
from openbragg.errors import PluginError
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.testing import check_preset

PRESETS = [found.cls for found in default_registry().of_role("presets")]
SMALL = "-default_F 100 -cell 79 79 38 90 90 90 -detpixels 32 -pixel 1 -oversample 1 -engine eager"


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_presets_keep_the_contract(preset):
    check_preset(preset)


def test_flags_of_the_user_overrule_those_of_the_preset():
    words = f"-preset mx-rotation {SMALL}"
    made = openbragg.from_flags(words)
    assert made.experiment.beam.wavelength == 1.0e-10 and made.mosaic.name == "closed"
    other = openbragg.from_flags(f"-lambda 1.5 {words} -mosaic_model nanobragg -square_xtal")
    assert other.experiment.beam.wavelength == 1.5e-10
    assert (other.mosaic.name, other.lattice_shape.name) == ("nanobragg", "square")
    assert openbragg.from_flags(f"-preset mx-rotation {SMALL} -fluence 1e20").layout().experiment.beam.fluence == 1e20
    named = openbragg.from_flags("-preset mx-rotation -cell 79 79 38 90 90 90 -default_F 9 -detector eiger2-1m")
    assert named.experiment.detector.pixels == (1062, 1028)


def test_what_counts_is_said_with_units_and_reasons_before_rendering(tmp_path):
    finished = run(
        "simulate",
        "-preset",
        "ssx-stills",
        *SMALL.split(),
        "-lambda",
        "1.1",
        "-seed",
        "1",
        "-misset",
        "10",
        "20",
        "30",
        "-noisefile",
        tmp_path / "x.img",
    )
    assert finished.status == 0
    lines = finished.out.splitlines()
    said = next(line for line in lines if line.startswith("  -flux"))
    assert said.split() == "-flux 1e12 photons/s (a focussed undulator beam without attenuation)".split()
    assert not [line for line in lines if line.startswith(("  -lambda", "  -misset"))]
    assert lines.index(said) < next(place for place, line in enumerate(lines) if line.startswith("largest"))


def test_a_record_has_the_flags_themselves(tmp_path):
    record = tmp_path / "run.json"
    words = ("-floatfile", tmp_path / "x.bin", "-record", record, "-misset", "10", "20", "30")
    assert run("simulate", "-preset", "ssx-stills", *SMALL.split(), *words).status == 0
    text = record.read_text()
    assert '"-preset"' not in text and '"1e12"' in text
    again = openbragg.from_flags(["-from", str(record)])
    assert again.experiment.beam.wavelength == 1.0e-10 and again.mosaic.name == "closed"


def test_an_unknown_preset_and_a_bad_one_are_one_line(monkeypatch):
    with pytest.raises(PluginError, match=r"unknown preset 'mx'; installed: home-source, mx-rotation"):
        openbragg.from_flags(f"-preset mx {SMALL}")
    bad = classmethod(lambda cls: (openbragg.PresetFlag(("-distence", "3"), "far"),))
    monkeypatch.setattr(PRESETS[0], "settings", bad)
    with pytest.raises(PluginError, match=rf"^the preset {PRESETS[0].name} of openbragg .*: no such flag: -distence"):
        openbragg.from_flags(f"-preset {PRESETS[0].name} {SMALL}")
    with pytest.raises(AssertionError, match="no such flag"):
        check_preset(PRESETS[0])
