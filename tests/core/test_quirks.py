"""Every quirk of the reference program: both modes are the oracle's, and a notice tells when they differ."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import command_line
import openbragg
import oracle
from openbragg import read_image
from openbragg.orchestrator.resolving.quirks import QUIRKS
from openbragg_plugins.image_formats.smv.reading import parse_header

#: Images are written in single precision, 6e-8 of a pixel; sums of many pixels do not enter.
TOLERANCE = 2e-7
#: A quirk that changes less than this of the peak would not show that the two modes are told apart.
VISIBLE = 1e-3

PLAIN = {
    "cell": (40.0, 45.0, 50.0, 90.0, 90.0, 90.0),
    "N": 4,
    "default_F": 100.0,
    "detpixels": 6,
    "pixel": 4.0,
    "oversample": 1,
}
SHAPED = {name: value for name, value in PLAIN.items() if name != "oversample"} | {"N": 5, "pixel": 0.5}
CAMERA = {"SIZE1": 6, "SIZE2": 6, "PIXEL_SIZE": 4.0, "DISTANCE": 100.0}


@attrs.frozen
class Case:
    """A run that a quirk changes: flags, what the reference reads in their place, what the oracle takes for them."""

    flags: Mapping[str, Any]
    misread: Mapping[str, Any] | None = None
    meant: Mapping[str, Any] | None = None


CASES = {
    "phi-carryover": Case(PLAIN | {"phi": 0.0, "osc": 3.0, "phisteps": 3}),
    "pix0-ignored": Case(PLAIN | {"pix0_vector_mm": (120.0, 9.0, -11.0)}),
    "oblique-cell": Case(PLAIN | {"cell": (40.0, 45.0, 50.0, 75.0, 85.0, 95.0)}),
    "running-product": Case(PLAIN | {"oversample": 2, "oversample_omega": True, "oversample_polar": True}),
    "last-layer": Case(PLAIN | {"detector_thick": 3000.0, "detector_abs": 1000.0, "detector_thicksteps": 3}),
    "source-weights": Case(PLAIN | {"sourcefile": "sources.txt"}),
    "source-units": Case(
        PLAIN | {"sourcefile": "angstroms.txt"},
        misread=PLAIN | {"sourcefile": "angstroms.txt"},
        meant=PLAIN | {"sourcefile": [[-10.0, 0.1, 0.2, 1.0, 1.3e-10]]},
    ),
    "pivot-ignored": Case(PLAIN | {"pivot": "sample", "detector_roty": 20.0, "Xbeam": 4.0, "Ybeam": 5.0}),
    "interpolation-latch": Case(PLAIN | {"N": 2, "hkl": "table.hkl", "interpolate": True}),
    "water-over-steps": Case(PLAIN | {"oversample": 2, "water": 0.1}),
    "water-fluence": Case(PLAIN | {"water": 0.1, "fluence": 1e30}),
    # Molecules of 2.57 electrons whatever the angle, in as much water as a cube of 100 micrometres has.
    "stol-ignored": Case(PLAIN | {"stol": "even.stol"}, misread=PLAIN, meant=PLAIN | {"water": 100.0}),
    "header-twotheta": Case({**PLAIN, "img": "turned.img"}),
    "header-distance": Case({**PLAIN, "img": "close.img", "distance": 150.0}),
    "header-beam-centre": Case({**PLAIN, "img": "centred.img"}),
    "header-keys": Case({**PLAIN, "img": "keys.img"}),
    "flag-matching": Case(
        PLAIN | {"twotheta": 20.0, "distance": 100.0, "twotheta_axis": (0.0, 0.0, 1.0)},
        misread=PLAIN | {"distance": 100.0, "twotheta_axis": (0.0, 0.0, 1.0), "twotheta": 0.0},
    ),
    "fdump-cache": Case(PLAIN, misread=PLAIN | {"hkl": "table.hkl", "interpolate": False}),
    "smv-header": Case(PLAIN | {"twotheta": 20.0, "intfile": "int.img"}),
    # Of these radians 0.9 over 0.3 degrees is a last bit above 3.
    "rounded-counts": Case(PLAIN | {"phi": 1.0, "osc": 0.9, "phistep": 0.3}),
    # The middle of pixel 3, 3 is a rounding away from the beam.
    # Three subpixels for its spots, four for its fringes.
    "subpixels-by-size": Case({**SHAPED, "gauss_xtal": True}),
    "sphere-cancellation": Case(PLAIN | {"round_xtal": True, "pixel": 4.1, "Xbeam": 12.3, "Ybeam": 12.3}),
    "parallel-polarization": Case(PLAIN | {"xds": True, "polar": 0.5, "sourcefile": "along.txt"}),
}
#: The image is the same in both modes; a file is not.
_FILES_ONLY = {"smv-header"}
#: What the reference refuses, or reads as no image at all, is refused with the quirk.
_REFUSED = {"comments-refused"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that flags name."""
    monkeypatch.chdir(tmp_path)
    indices = [(h, k, l) for h in range(-3, 4) for k in range(-3, 4) for l in range(-3, 4)]
    lines = (f"{h} {k} {l} {20.0 + 7.0 * h + 5.0 * k - 3.0 * l:g}\n" for h, k, l in indices)
    Path("table.hkl").write_text("".join(lines))
    Path("sources.txt").write_text("-10 0.1 0.2 1.0\n-10 -0.3 0.1 3.0\n")
    Path("along.txt").write_text("-10 0 0 1 1e-10\n")
    Path("angstroms.txt").write_text("-10 0.1 0.2 1.0 1.3\n")
    Path("metres.txt").write_text("-10 0.1 0.2 1.0 1.3e-10\n")
    Path("even.stol").write_text("0 2.57\n")
    write_smv("turned.img", CAMERA | {"TWOTHETA": 12.0})
    write_smv("close.img", CAMERA | {"CLOSE_DISTANCE": 100.0})
    write_smv("centred.img", CAMERA | {"BEAM_CENTER_X": 10.0, "BEAM_CENTER_Y": 14.0})
    write_smv("own.img", CAMERA | {"BEAM_CENTER_X": 10.0, "BEAM_CENTER_Y": 14.0, "BEAMLINE": "fake"})
    write_smv("keys.img", CAMERA | {"SCAN_WAVELENGTH": 1.7})
    return tmp_path


def write_smv(name: str, keys: Mapping[str, Any], pixels: bytes = b"\x01\x00" * 36) -> None:
    text = "{\nHEADER_BYTES=512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\n"
    text += "".join(f"{key}={value};\n" for key, value in keys.items()) + "}\f"
    Path(name).write_bytes(text.encode().ljust(512) + pixels)


def words(flags: Mapping[str, Any]) -> list[str]:
    line: list[str] = []
    for name, value in flags.items():
        line.append(f"-{name}")
        if value is not True:
            line += [str(single) for single in (value if isinstance(value, tuple) else (value,))]
    return line


def simulated(flags: Mapping[str, Any], *more: str) -> tuple[np.ndarray, list[str]]:
    """Photons by the command line, and the notices about quirks."""
    line = (*words(flags), "-floatfile", "float.bin", "-precision", "double", *more)
    finished = command_line.run("simulate", *line)
    assert finished.status == 0, finished.err
    photons = np.fromfile("float.bin", "<f4").astype(float).reshape(6, 6)
    return photons, [line for line in finished.complaints() if "--compat" in line]


def expected(case: Case, name: str, *, with_quirk: bool) -> np.ndarray:
    flags = case.misread if with_quirk and case.misread is not None else case.meant or case.flags
    quirks = {name} & oracle.QUIRKS if with_quirk else set()
    known = {key: value for key, value in flags.items() if value is not False}
    if flags.get("interpolate") is False:
        known |= {"nointerpolate": True}
    return np.array(oracle.simulate(known, quirks))


def prepare(name: str) -> None:
    """What must have happened in the folder before a run that the quirk changes."""
    if name == "fdump-cache":
        line = ["-hkl", "table.hkl", "-dump", "Fdump.bin", "-floatfile", "float.bin", *words(PLAIN)]
        assert command_line.run("simulate", *line).status == 0


def test_every_quirk_has_a_case() -> None:
    assert set(CASES) | _REFUSED == {quirk.name for quirk in QUIRKS}


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("-hkl", "# h k l F\n0 0 0 100\n1 0 0 90 # strong\n0 1 0 80\n"),
        ("-sourcefile", "# x y z\n-10 0.1 0.2\n\n-10 -0.3 0.1 # the second\n"),
        ("-mat", "# of MOSFLM\n0.02 0.001 0\n0 0.025 0 # b*\n0 0 0.03\n"),
    ],
)
def test_comments_are_passed_over_and_with_the_quirk_refused(flag: str, text: str) -> None:
    Path("commented").write_text(text)
    Path("plain").write_text("".join(f"{line.partition('#')[0].rstrip()}\n" for line in text.splitlines()[1:]))
    crystal = {key: value for key, value in PLAIN.items() if flag != "-mat" or key != "cell"}
    image, notices = simulated(crystal, flag, "commented")
    assert [line.partition(": the reference")[0] for line in notices] == ["openbragg: notice: comments-refused"]
    assert "(commented)" in notices[0]
    plain, notices = simulated(crystal, flag, "plain")
    assert notices == [] and image.max() > 0.0
    np.testing.assert_array_equal(image, plain)
    for compat in ("comments-refused", "nanobragg"):
        line = (*words(crystal), flag, "commented", "-floatfile", "no.bin", "--compat", compat)
        finished = command_line.run("simulate", *line)
        assert finished.status == 1 and "commented, line 1: expected" in finished.complaints()[-1]
        assert not Path("no.bin").exists()


@pytest.mark.parametrize("name", CASES)
def test_default_is_what_the_flags_say_and_one_notice_names_the_quirk(name: str) -> None:
    prepare(name)
    image, notices = simulated(CASES[name].flags)
    right = expected(CASES[name], name, with_quirk=False)
    np.testing.assert_allclose(image, right, rtol=0.0, atol=TOLERANCE * right.max())
    assert len(notices) == 1
    assert notices[0].startswith(f"openbragg: notice: {name}: the reference ")
    assert notices[0].endswith(f"--compat {name}")


@pytest.mark.parametrize("name", CASES)
def test_compat_is_what_the_reference_does_without_a_notice(name: str) -> None:
    prepare(name)
    image, notices = simulated(CASES[name].flags, "--compat", name)
    theirs = expected(CASES[name], name, with_quirk=True)
    np.testing.assert_allclose(image, theirs, rtol=0.0, atol=TOLERANCE * theirs.max())
    assert notices == []
    if name not in _FILES_ONLY:
        right = expected(CASES[name], name, with_quirk=False)
        assert np.abs(theirs - right).max() > VISIBLE * right.max()


@pytest.mark.parametrize("name", CASES)
def test_all_quirks_together_are_no_notice(name: str) -> None:
    prepare(name)
    assert simulated(CASES[name].flags, "--compat", "nanobragg")[1] == []


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_the_quirk_does_not_change_is_not_noticed(name: str) -> None:
    """The same flags without the one that lets the quirk in."""
    needless: dict[str, Mapping[str, Any]] = {
        "phi-carryover": PLAIN | {"phi": 1.0, "osc": 3.0, "phisteps": 3},
        "stol-ignored": PLAIN | {"background": "water"},
        "pix0-ignored": PLAIN | {"detector_rotx": 3.0},
        "oblique-cell": PLAIN | {"cell": (40.0, 45.0, 50.0, 90.0, 85.0, 90.0)},
        "running-product": PLAIN | {"oversample": 2},
        "last-layer": PLAIN | {"detector_thick": 0.0},
        "source-weights": PLAIN | {"hdivrange": 1.0},
        "source-units": PLAIN | {"sourcefile": "metres.txt"},
        "pivot-ignored": PLAIN | {"pivot": "beam", "detector_roty": 20.0},
        "interpolation-latch": PLAIN | {"N": 2, "hkl": "table.hkl", "interpolate": True, "pixel": 0.5},
        "water-over-steps": PLAIN | {"water": 0.1},
        "water-fluence": PLAIN | {"water": 0.1},
        "header-twotheta": PLAIN | {"img": "close.img"},
        "header-distance": PLAIN | {"img": "close.img"},
        "header-beam-centre": PLAIN | {"img": "own.img"},
        "header-keys": PLAIN | {"img": "close.img"},
        "flag-matching": PLAIN | {"twotheta_axis": (0.0, 0.0, 1.0), "twotheta": 20.0},
        "fdump-cache": PLAIN | {"hkl": "table.hkl"},
        "smv-header": PLAIN | {"detector_roty": 20.0, "intfile": "int.img"},
        "rounded-counts": PLAIN | {"phi": 1.0, "osc": 0.9, "phistep": 0.4},
        "subpixels-by-size": {**SHAPED, "round_xtal": True},
        "sphere-cancellation": PLAIN | {"round_xtal": True, "pixel": 4.1},
        "parallel-polarization": PLAIN | {"xds": True, "sourcefile": "along.txt"},
    }
    prepare(name)
    assert simulated(needless[name])[1] == []


# ------------------------------------------------------------------------------------------- what a table leaves out


def test_a_mask_leaves_pixels_out_and_describes_the_camera() -> None:
    pixels = [0 if number % 3 else 5 for number in range(36)]
    write_smv("mask.img", CAMERA | {"BEAM_CENTER_X": 9.0, "BEAM_CENTER_Y": 14.0}, struct.pack("<36H", *pixels))
    flags = {"cell": (40.0,) * 3 + (90.0,) * 3, "N": 4, "default_F": 100.0, "mask": "mask.img", "oversample": 1}
    image, _ = simulated(flags)
    right = np.array(oracle.simulate(flags))
    np.testing.assert_allclose(image, right, rtol=0.0, atol=TOLERANCE * right.max())
    assert np.count_nonzero(image) == 12


@pytest.mark.parametrize("quirks", [(), ("header-beam-centre",)])
def test_the_beam_centre_of_a_mask_is_its_writer_s_or_from_the_other_edge(quirks: tuple[str, ...]) -> None:
    write_smv("mask.img", CAMERA | {"BEAM_CENTER_X": 9.0, "BEAM_CENTER_Y": 14.0})
    flags = {"cell": (40.0,) * 3 + (90.0,) * 3, "N": 4, "default_F": 100.0, "mask": "mask.img", "oversample": 1}
    image, notices = simulated(flags, *(("--compat", *quirks) if quirks else ()))
    right = np.array(oracle.simulate(flags, quirks))
    np.testing.assert_allclose(image, right, rtol=0.0, atol=TOLERANCE * right.max())
    assert bool(notices) == (not quirks)


@pytest.mark.parametrize("convention", ["mosflm", "adxv", "denzo", "xds", "dials"])
@pytest.mark.parametrize(
    "keys", [{}, {"XBEAM": 8.0, "YBEAM": 12.0, "XDS_ORGX": 4.0, "XDS_ORGY": 3.0}], ids=["ADSC", "OpenBragg"]
)
def test_a_beam_centre_is_the_same_place_in_every_convention(convention: str, keys: dict[str, float]) -> None:
    """The beam meets the detector 14 mm along fast and 10 mm along slow, as DIALS reads the header."""
    write_smv("head.img", CAMERA | {"BEAM_CENTER_X": 10.0, "BEAM_CENTER_Y": 14.0} | keys)
    line = (*words({"cell": (40.0,) * 3, "N": 2, "default_F": 1.0}), "-img", "head.img", f"-{convention}")
    laboratory = openbragg.from_flags(line).layout().laboratory
    place = laboratory.panels[0].beam_point(laboratory.beam)
    assert [float(value) for value in place] == pytest.approx([0.014, 0.010], abs=1e-12)


def test_a_beam_centre_that_the_reference_takes_elsewhere_is_noticed_in_both_modes() -> None:
    for line in ((), ("--compat", "nanobragg")):
        finished = command_line.run("simulate", *words(PLAIN), "-img", "centred.img", *line)
        assert finished.err.count("header-beam-centre: ") == 1


def test_the_header_of_an_image_counts_for_more_than_that_of_a_mask_and_less_than_flags() -> None:
    write_smv("mask.img", CAMERA | {"WAVELENGTH": 1.1, "PHI": 10.0, "ORGX": 2.0})
    write_smv("head.img", CAMERA | {"WAVELENGTH": 1.3, "PHI": 20.0})
    settings = command_line.experiment("-img", "head.img", "-phi", "30", "-mask", "mask.img")
    assert settings.beam.wavelength == 1.3 / 1e10
    assert settings.scan.start == pytest.approx(np.radians(30.0))
    assert settings.detector.near_pixel == (2.0, None)


def test_the_reference_s_own_headers_are_read() -> None:
    """XDS_ORGX is where the reference itself writes the near point."""
    write_smv("own.img", CAMERA | {"XDS_ORGX": 3.5, "XDS_ORGY": 4.5})
    assert command_line.experiment("-img", "own.img").detector.near_pixel == (3.5, 4.5)


def test_a_mask_of_another_size_is_refused() -> None:
    write_smv("mask.img", CAMERA)
    finished = command_line.run("simulate", *words(PLAIN | {"detpixels": 7}), "-mask", "mask.img")
    assert finished.status == 1
    assert finished.err == "openbragg: error: the mask has 6 x 6 pixels, the detector 7 x 7 (fast x slow)\n"


def test_interpolation_decided_by_the_number_of_cells_before_the_crystal_s_size() -> None:
    """The reference looks at -N, which is 1 here, and interpolates; the crystal has 4 cells."""
    flags = {key: value for key, value in PLAIN.items() if key != "N"}
    flags |= {"xtalsize": 1.8e-5, "hkl": "table.hkl", "pixel": 0.4}
    image, notices = simulated(flags)
    right = np.array(oracle.simulate(flags))
    np.testing.assert_allclose(image, right, rtol=0.0, atol=TOLERANCE * right.max())
    assert [line.split(": ")[2] for line in notices] == ["interpolation-latch"]
    image, notices = simulated(flags, "--compat", "interpolation-latch")
    theirs = np.array(oracle.simulate(flags, {"interpolation-latch"}))
    np.testing.assert_allclose(image, theirs, rtol=0.0, atol=TOLERANCE * theirs.max())
    assert notices == []
    assert np.abs(theirs - right).max() > VISIBLE * right.max()


def test_without_compat_no_table_is_kept_in_the_working_folder() -> None:
    simulated(PLAIN | {"hkl": "table.hkl"})
    assert not Path("Fdump.bin").exists()
    simulated(PLAIN | {"hkl": "table.hkl"}, "--compat", "fdump-cache")
    assert Path("Fdump.bin").exists()


def test_a_dump_gives_the_table_back() -> None:
    direct, _ = simulated(PLAIN | {"hkl": "table.hkl", "dump": "kept.bin"})
    again, _ = simulated(PLAIN | {"dump": "kept.bin"})
    np.testing.assert_array_equal(again, direct)


def test_a_misset_seed_is_read_as_angles_only_on_request() -> None:
    """The three words after it become angles; what is no number is 0."""
    flags = {**PLAIN, "misset": (0.0, 0.0, 0.0)}
    line = ("-misset", "0", "0", "0", "-misset_seed", "7", "-phi", "0")
    image, _ = simulated(PLAIN, *line, "--compat", "flag-matching")
    right = np.array(oracle.simulate(flags | {"misset": (7.0, 0.0, 0.0)}))
    np.testing.assert_allclose(image, right, rtol=0.0, atol=TOLERANCE * right.max())


def test_a_curved_detector_at_the_end_is_not_read_on_request() -> None:
    flat, _ = simulated(PLAIN)
    unread, _ = simulated(PLAIN, "--compat", "flag-matching", "-curved_det")
    curved, notices = simulated(PLAIN, "-curved_det")
    np.testing.assert_array_equal(unread, flat)
    assert np.abs(curved - flat).max() > VISIBLE * flat.max()
    assert "flag-matching" in notices[0]


def test_a_sensor_after_infinite_absorption_absorbs_nothing_on_request() -> None:
    line = ("-detector_abs", "inf", "-detector_thick", "300")
    nothing, _ = simulated(PLAIN, *line, "--compat", "flag-matching")
    assert np.all(nothing == 0.0)
    surface, _ = simulated(PLAIN)
    image, notices = simulated(PLAIN, *line)
    np.testing.assert_array_equal(image, surface)
    assert "flag-matching" in notices[0]


def test_headers_agree_on_their_keys_and_only_the_default_one_has_more() -> None:
    flags = PLAIN | {"intfile": "int.img", "distance": 81.5, "adc": 12.0, "exposure": 2.5}
    simulated(flags, "--compat", "smv-header")
    theirs = Path("int.img").read_bytes()
    simulated(flags)
    right = Path("int.img").read_bytes()
    assert theirs[-72:] == right[-72:]
    assert len(theirs) == 512 + 72
    assert len(right) % 512 == 72
    mine, reference = read_image("int.img").header, parse_header(theirs[:512].decode())
    assert mine.pop("HEADER_BYTES") == str(len(right) - 72)
    assert reference.pop("HEADER_BYTES") == "512"
    changed = {key for key in reference if mine[key] != reference[key]}
    assert changed == {"BEAM_CENTER_X", "BEAM_CENTER_Y", "BEAMLINE"}
    more = {key: value for key, value in mine.items() if key not in reference}
    ours = {"TIME", "DATE", "ADC_OFFSET", "IMAGE_PEDESTAL", "CCD_IMAGE_SATURATION", "GAIN", "XBEAM", "YBEAM"}
    assert set(more) == {*ours, "COUNTS_PER_PHOTON"}
    # The beam centre in the convention's own sense stands under other keys.
    assert (more["XBEAM"], more["YBEAM"]) == (reference["BEAM_CENTER_X"], reference["BEAM_CENTER_Y"])
    assert (more["TIME"], more["ADC_OFFSET"], more["IMAGE_PEDESTAL"]) == ("2.5", "12", "12")
    photons = np.fromfile("float.bin", "<f4").max()
    assert float(more["COUNTS_PER_PHOTON"]) == pytest.approx(55000.0 / photons, rel=1e-6)


# ------------------------------------------------------------------------------------------------------- spectra


@pytest.mark.parametrize("text", ["1.30,0.5\n1.31,1.5\n", "9537.246153846154 .5\n9464.442748091603 1.5\n"])
def test_two_columns_are_a_spectrum_along_the_beam(text: str) -> None:
    """Wavelengths in angstroms or energies in eV: the image of such sources upstream, and their mean wavelength."""
    Path("a.lam").write_text(text)
    Path("rows.txt").write_text("-10 0 0 0.5 1.30e-10\n-10 0 0 1.5 1.31e-10\n")
    image, notices = simulated(PLAIN | {"sourcefile": "a.lam"})
    right, _ = simulated(PLAIN | {"sourcefile": "rows.txt", "lambda": 1.3075})
    np.testing.assert_allclose(image, right, rtol=0.0, atol=1e-6 * right.max())
    assert any("a.lam is a spectrum of" in line for line in notices)
    assert command_line.experiment("-sourcefile", "a.lam").beam.wavelength == pytest.approx(1.3075e-10, rel=1e-9)
    assert command_line.experiment("-sourcefile", "a.lam", "-lambda", "1.2").beam.wavelength == 1.2 / 1e10
    finished = command_line.run("simulate", *words(PLAIN), "-sourcefile", "a.lam", "--compat", "source-units")
    assert "taken for places x and y as the reference takes them" in finished.err


def test_places_of_two_columns_stay_places_and_a_wavelength_of_metres_is_refused() -> None:
    Path("two.txt").write_text("-10 0.1\n-10 -0.3\n")
    assert command_line.experiment("-sourcefile", "two.txt").beam.sources[1] == (-10.0, -0.3, None, None, None)
    Path("far.txt").write_text("-10 0 0 1 1e-10\n-10 0 0 1 1.3\n")
    finished = command_line.run("simulate", *words(PLAIN), "-sourcefile", "far.txt")
    assert finished.err == ("openbragg: error: far.txt, line 2: expected a wavelength in metres, got '-10 0 0 1 1.3'\n")
