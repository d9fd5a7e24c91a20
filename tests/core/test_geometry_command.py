"""``-geometry FILE`` and ``-detector NAME`` on the command line: the same images as by flags, and which of them win."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geometry_texts as texts
from command_line import run
from field import field
from geometry_corpora import CELL
from openbragg import (
    Beam,
    Crystal,
    InputError,
    UsageError,
    described_convention,
    described_experiment,
    plugin,
    read_geometry,
    simulate,
)
from openbragg.model.absorption import attenuation_length

XDS = """JOB= XYCORR
NX= 24 NY= 20 QX= 0.2 QY= 0.2
DETECTOR_DISTANCE= 90 ORGX= 10.25 ORGY= 7.5
X-RAY_WAVELENGTH= 1.1 OSCILLATION_RANGE= 0.5 STARTING_ANGLE= 3 DATA_RANGE= 1 90
INCIDENT_BEAM_DIRECTION= 0 0 1 ROTATION_AXIS= 1 0 0
UNIT_CELL_CONSTANTS= 30 40 50 90 95 90
FRACTION_OF_POLARIZATION= 0.9 POLARIZATION_PLANE_NORMAL= 0 1 0
"""
BY_FLAGS = (
    "-xds -detpixels_x 24 -detpixels_y 20 -pixel 0.2 -distance 90 -ORGX 10.25 -ORGY 7.5 -lambda 1.1 -osc 0.5 -phi 3 "
    "-cell 30 40 50 90 95 90 -polar 0.8"
).split()
COMMON = "-default_F 100 -N 3 -oversample 1 -fluence 1e28".split()
#: A panel of a list, and the beam, spindle, crystal and wavelength beside it.
FLAT = (np.array([-2.0, 1.6, -90]), np.array([1.0, 0, 0]), np.array([0.0, -1, 0]), (40, 30), (0, 0))
REST = (np.array([0.0, 0, -1]), np.array([1.0, 0, 0]), np.diag([30.0, 40, 50]), 1.1, 5.0, 0.1)
#: Of the largest pixel: two ways to the same geometry differ by rounding.
SAME = 1e-6


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("XDS.INP").write_text(XDS)


def image(*words: object, shape: tuple[int, int] = (20, 24)) -> Any:
    finished = run("simulate", *COMMON, *words, "-floatfile", "image.bin")
    assert finished.status == 0, finished.err
    return np.fromfile("image.bin", "<f4").reshape(shape)


def complaint(*words: object) -> str:
    finished = run("simulate", *COMMON, *words, "-floatfile", "none.bin")
    assert finished.status != 0
    assert not Path("none.bin").exists()
    (line,) = finished.complaints()
    return line.removeprefix("openbragg: error: ")


def assert_same(found: Any, expected: Any) -> None:
    assert expected.max() > 0.0
    np.testing.assert_allclose(found, expected, rtol=0, atol=SAME * expected.max())


def test_a_file_and_flags_give_the_same_image() -> None:
    assert_same(image("-geometry", "XDS.INP"), image(*BY_FLAGS))


@pytest.mark.parametrize(
    "flags",
    [
        "-lambda 0.9",
        "-distance 120",
        "-ORGX 4 -ORGY 12",
        "-osc 1 -phisteps 3",
        "-phi 40",
        "-cell 33",
        "-polar 0",
        "-twotheta 15",
    ],
)
def test_flags_win(flags: str) -> None:
    by_flags = image(*BY_FLAGS, *flags.split())
    assert_same(image("-geometry", "XDS.INP", *flags.split()), by_flags)
    assert_same(image(*flags.split(), "-geometry", "XDS.INP"), by_flags)
    assert abs(by_flags - image(*BY_FLAGS)).max() > 10 * SAME * by_flags.max()


def test_flags_win_over_the_number_of_pixels() -> None:
    flags = "-detpixels_x 16 -detpixels_y 30".split()
    found, by_flags = (image(*words, *flags, shape=(30, 16)) for words in (("-geometry", "XDS.INP"), BY_FLAGS))
    assert_same(found, by_flags)


def test_vectors_of_beam_polarization_and_spindle_win() -> None:
    for flags in ("-spindle_axis 0 1 0", "-polar_vector 0 1 0"):
        found = image("-geometry", "XDS.INP", *flags.split())
        assert abs(found - image("-geometry", "XDS.INP")).max() > 10 * SAME * found.max()
        assert_same(found, image("-geometry", "XDS.INP", "-convention", "file", *flags.split()))


def test_python_renders_what_the_command_line_does() -> None:
    geometry = read_geometry("XDS.INP")
    experiment = described_experiment(geometry)
    experiment = experiment.__class__(
        **{
            "crystal": experiment.crystal.__class__(cell=experiment.crystal.cell, cells=(3, 3, 3)),
            "beam": experiment.beam.__class__(wavelength=geometry.wavelength, polarization=0.8, fluence=1e28),
            "detector": experiment.detector,
            "scan": experiment.scan,
            "sampling": experiment.sampling.__class__(oversample=1),
        }
    )
    factors = plugin("structure_factors", "hkl", default_F=100.0)
    found = simulate(experiment, convention=described_convention(geometry), structure_factors=factors)
    np.testing.assert_array_equal(found.numpy(), image("-geometry", "XDS.INP"))


def test_an_oriented_crystal_comes_from_the_file_at_phi_0(tmp_path: Path) -> None:
    """The same as by a MOSFLM matrix, whose columns are a*, b*, c* times the wavelength."""
    known = texts.Described(
        [texts.Flat(np.array([-2.0, -1.6, 90]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0]), (40, 30), (0, 0))],
        np.array([0.0, 0, 1]),
        np.array([1.0, 0, 0]),
        texts.turn([1, 2, 3], 40) @ np.diag([30.0, 40, 50]),
        1.1,
        5.0,
        0.5,
    )
    Path("a.expt").write_bytes(texts.expt(known))
    Path("XPARM.XDS").write_bytes(texts.xparm(known))
    reciprocal = np.linalg.inv(known.axes) * known.wavelength
    Path("a.mat").write_text("\n".join(texts.vector(row) for row in reciprocal))
    flags = "-xds -detpixels_x 40 -detpixels_y 30 -pixel 0.1 -distance 90 -ORGX 20.5 -ORGY 16.5 -lambda 1.1"
    # Without the attenuation of the .expt file's sensor.
    surface = ["-detector_thick", "0"]
    expected = image(*flags.split(), "-osc", "0.5", "-phi", "5", "-mat", "a.mat", shape=(30, 40))
    assert_same(image("-geometry", "XPARM.XDS", shape=(30, 40)), expected)
    unpolarized = image("-geometry", "a.expt", *surface, "-polar", "0", shape=(30, 40))
    assert_same(unpolarized, expected)


def test_panels_of_a_file_are_rendered_as_each_alone() -> None:
    """Two panels that make up one detector give its image, cut into two and put below each other."""
    whole = image("-geometry", "XDS.INP")
    segments = "SEGMENT= 1 24 1 8\nSEGMENT= 1 24 9 20\n"
    Path("two.inp").write_text(XDS + segments)
    assert_same(image("-geometry", "two.inp"), whole)
    Path("part.inp").write_text(XDS + "SEGMENT= 1 24 1 8\nSEGMENT= 5 24 12 20\n")
    part = image("-geometry", "part.inp")
    cut = whole.copy()
    cut[8:11], cut[8:, :4] = 0.0, 0.0
    assert_same(part, cut)


def test_a_segment_away_from_the_corner_keeps_its_pixel_numbers() -> None:
    whole = image("-geometry", "XDS.INP")
    untrusted = "UNTRUSTED_RECTANGLE= 7 10 0 21\n"
    Path("one.inp").write_text(XDS + untrusted + "SEGMENT= 5 20 4 18\n")
    part = image("-geometry", "one.inp", shape=(18, 20))
    cut = np.zeros((18, 20))
    cut[3:, 4:] = whole[3:18, 4:20]
    cut[:, 7:9] = 0.0
    assert_same(part, cut)
    finished = run("simulate", *COMMON, "-geometry", "one.inp", "-floatfile", "image.bin")
    assert "one.inp: its image of 24 x 20 pixels (fast x slow) is cropped to 20 x 18" in finished.err
    Path("one.inp").write_text(XDS + "SEGMENT= 5 20 4 18\n")
    assert complaint("-geometry", "one.inp", "-pixel", "1") == (
        "-pixel and -geometry: the segments of one.inp have their own pixels"
    )
    assert "is cropped" not in run("simulate", *COMMON, "-geometry", "XDS.INP", "-floatfile", "image.bin").err


def test_a_spindle_that_turns_backwards_is_the_opposite_one_turning_forwards() -> None:
    """The axis, the start and the width change sign together, also with an axis that stands in for the file's."""
    turned = XDS.replace("ROTATION_AXIS= 1 0 0", "ROTATION_AXIS= -1 0 0").replace("ANGLE= 3", "ANGLE= -3")
    Path("back.inp").write_text(turned.replace("RANGE= 0.5", "RANGE= -0.5"))
    assert_same(image("-geometry", "back.inp"), image("-geometry", "XDS.INP"))
    oblique = image("-geometry", "XDS.INP", "-spindle_axis", 1, 1, 0)
    assert_same(image("-geometry", "back.inp", "-spindle_axis", -1, -1, 0), oblique)
    finished = run("simulate", *COMMON, "-geometry", "back.inp", "-floatfile", "image.bin")
    assert "back.inp: the spindle turns backwards; its axis is reversed" in finished.err


@pytest.mark.parametrize("words", ["", "-geometry_reader xds-inp"])
def test_a_pipe_is_refused_at_once(words: str) -> None:
    """Nobody writes to it: to open it would wait for ever."""
    os.mkfifo("pipe")
    assert complaint("-geometry", "pipe", *words.split()) == "cannot read pipe: it is not a regular file"


def test_a_mask_hides_pixels_and_its_header_is_passed_over() -> None:
    shown = np.ones((20, 24), dtype="<u2")
    shown[4:9, 7:] = 0
    header = "{\nHEADER_BYTES=  512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nSIZE1=24;\nSIZE2=20;\n"
    header += "PIXEL_SIZE=0.3;\nDISTANCE=300;\nWAVELENGTH=3;\n}\n"
    Path("mask.img").write_bytes(header.encode().ljust(512) + shown.tobytes())
    whole, found = image("-geometry", "XDS.INP"), image("-geometry", "XDS.INP", "-mask", "mask.img")
    assert_same(found, whole * shown)


def test_the_experiment_list_of_a_run_describes_it() -> None:
    """What -expt writes of a tilted detector and a turned crystal, -geometry reads."""
    tilted = "-detector_rotx 7 -detector_roty -5 -misset 10 20 30".split()
    first = image(*BY_FLAGS, *tilted, "-expt", "run.expt")
    assert_same(image("-geometry", "run.expt"), first)


def test_untrusted_rectangles_are_gaps() -> None:
    """XDS counts from 1 and leaves both ends out."""
    Path("gaps.inp").write_text(XDS + "UNTRUSTED_RECTANGLE= 3 8 0 21\n")
    whole, found = image("-geometry", "XDS.INP"), image("-geometry", "gaps.inp")
    whole[:, 3:7] = 0.0
    assert_same(found, whole)


def test_a_record_repeats_a_run_with_a_geometry() -> None:
    first = image("-geometry", "XDS.INP", "-record", "run.json")
    finished = run("simulate", "-from", "run.json", "-floatfile", "again.bin")
    assert finished.status == 0, finished.err
    assert np.fromfile("again.bin", "<f4").tobytes() == first.tobytes()
    Path("XDS.INP").write_text(XDS.replace("90 ORGX", "91 ORGX"))
    finished = run("simulate", "-from", "run.json", "-floatfile", "again.bin")
    assert finished.status == 1
    assert "-geometry XDS.INP is not what the run" in finished.complaints()[0]


def test_what_is_in_the_file_is_said() -> None:
    finished = run("simulate", *COMMON, "-geometry", "XDS.INP", "-floatfile", "image.bin")
    line = next(line for line in finished.out.splitlines() if line.startswith("geometry"))
    assert line.split(maxsplit=1)[1] == "XDS.INP: 1 panel, a unit cell, 90 images of 0.5 degrees from 3"
    finished = run("simulate", *COMMON, "-geometry", "XDS.INP", "-images", "2", "-floatfile", "image_#.bin")
    assert line in finished.out.splitlines()
    assert "2 images of 0.5 degrees, from 3 to 4" in finished.out


def test_noise_takes_a_geometry_for_the_headers_of_what_it_writes() -> None:
    image("-geometry", "XDS.INP")
    finished = run("noise", "image.bin", "-geometry", "XDS.INP", "-seed", "1", "-cbf", "noise.cbf")
    assert finished.status == 0, finished.err
    header = Path("noise.cbf").read_bytes().partition(b"\x0c\x1a\x04\xd5")[0].decode()
    assert "Detector_distance 0.09" in header
    assert "Wavelength 1.1" in header
    # From the outer corner of the first pixel, which XDS has at 0.5.
    assert "Beam_xy (9.75, 7)" in header or "Beam_xy (9.75, 7.00)" in header, header
    finished = run("noise", "image.bin", "-detector", "pilatus-100k", "-noisefile", "out.img")
    assert (finished.status, len(finished.complaints())) == (1, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-geometry XDS.INP -xds", "-xds and -geometry: the file places the detector; leave one out"),
        ("-geometry XDS.INP -convention dials", "-convention dials and -geometry: the file places the detector"),
        ("-geometry XDS.INP -fdet_vector 1 0 0", "-fdet_vector and -geometry: the file places the detector"),
        ("-geometry XDS.INP -detector pilatus-6m", "-detector and -geometry: both describe the detector"),
        ("-geometry XDS.INP -clen 80", "-clen belongs to the geometry reader crystfel: XDS.INP is read as xds-inp"),
        ("-geometry XDS.INP -geometry_reader nosuch", "unknown geometry reader 'nosuch'; installed: "),
        ("-geometry XDS.INP -geometry_reader expt", "XDS.INP: not a DIALS experiment list"),
        ("-geometry nosuch", "cannot read nosuch: No such file or directory"),
        ("-geometry .", "cannot read .: it is a folder"),
        ("-cell 30 -clen 80", "-clen belongs to the geometry reader crystfel: expected with -geometry"),
        ("-cell 30 -geometry_reader expt", "-geometry_reader: expected with -geometry"),
        ("-cell 30 -convention file", "the convention file places the detector as a file says"),
        ("-cell 30 -detector pilatus-7m", "no detector 'pilatus-7m'; did you mean pilatus-"),
        ("-cell 30 -detector pilatus-6m -detpixels 10", "-detpixels and -detector: the modules of pilatus-6m"),
    ],
)
def test_what_cannot_be_combined_is_said_in_one_line(words: str, said: str) -> None:
    assert complaint(*words.split()).startswith(said)


def test_several_panels_have_their_own_pixels() -> None:
    Path("two.inp").write_text(XDS + "SEGMENT= 1 24 1 8\nSEGMENT= 1 24 9 20\n")
    assert complaint("-geometry", "two.inp", "-pixel", "1") == (
        "-pixel and -geometry: the 2 panels of two.inp have their own pixels"
    )


def test_a_geometry_without_a_crystal_asks_for_one() -> None:
    Path("none.inp").write_text(XDS.replace("UNIT_CELL_CONSTANTS", "FRIEDEL'S_LAW"))
    assert complaint("-geometry", "none.inp").startswith("no crystal: give ")


# ------------------------------------------------------------------------------------------------ detectors by name

#: 1/(density x mass attenuation coefficient): NIST's coefficients of Si at 10 and 20 keV, of CdTe at 20 and 40 keV.
LENGTHS = [
    ("Si", 10.0, 1 / (2.33 * 33.89)),
    ("Si", 20.0, 1 / (2.33 * 4.464)),
    ("CdTe", 20.0, 1 / (5.85 * 21.44)),
    ("CdTe", 40.0, 1 / (5.85 * 19.30)),
]


@pytest.mark.parametrize(("material", "energy", "centimetres"), LENGTHS)
def test_attenuation_lengths_are_those_of_the_tables(material: str, energy: float, centimetres: float) -> None:
    wavelength = 12.39842e-10 / energy
    assert attenuation_length(material, wavelength) == pytest.approx(centimetres / 100, rel=1e-6)


def test_attenuation_lengths_grow_with_energy_but_for_the_edges() -> None:
    energies = np.linspace(5.5, 140.0, 500)
    lengths = np.array([attenuation_length("CdTe", 12.39842e-10 / energy) for energy in energies])
    drops = energies[:-1][np.diff(lengths) < 0]
    assert len(drops) == 2
    np.testing.assert_allclose(drops, [26.711, 31.814], atol=energies[1] - energies[0])
    assert attenuation_length("Ge", 1e-10) is None
    assert attenuation_length("Si", 1e-8) is None


def test_a_sensor_by_name_absorbs_as_its_material_does() -> None:
    words = "-cell 30 -roi 0 40 0 40 -point_pixel".split()
    length = attenuation_length("Si", 1e-10)
    assert length is not None
    micrometres = length * 1e6
    camera = (*"-detpixels_x 1030 -detpixels_y 514 -pixel 0.075 -detector_abs".split(), micrometres)
    shape = (514, 1030)

    def by_name(*more: object) -> Any:
        return image("-detector", "eiger-500k", "-distance", 80, *words, *more, shape=shape)

    def layers(number: int, thickness: float, distance: float) -> Any:
        sensor = ("-detector_thick", thickness, "-detector_thicksteps", number)
        return image(*camera, *sensor, "-distance", distance, *words, shape=shape)

    # Layers that are asked for count at their front, as the reference's do.
    assert_same(by_name("-detector_thicksteps", 3), layers(3, 450, 80))
    # Others count at the mean depth of what they absorb, which is their front on a detector so much further away. Of n
    # layers the reference makes steps of a (n - 1)th of the thickness.
    number = math.ceil(450 / micrometres / 0.35)
    step = 450 / number
    depth = micrometres - step / math.expm1(step / micrometres)
    found = by_name()
    assert_same(found, layers(number, step * (number - 1), 80 + depth / 1000))
    surface = by_name("-detector_thick", 0)
    assert surface.max() > found.max()


# ----------------------------------------------------------------------------------------------- without a wavelength

GEOM = """clen = 60 mm
res = 5000
p/min_fs = 0
p/max_fs = 23
p/min_ss = 0
p/max_ss = 19
p/fs = x
p/ss = y
p/corner_x = -10.5
p/corner_y = -7.25
"""
CRYSTAL = "-cell 30 40 50 90 95 90".split()
MONOCLINIC = "-cell 30 40 50 90 97.5 90".split()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "no.geom does not say the wavelength: give -lambda or -energy"),
        (
            "photon_energy = /LCLS/photon_energy_eV eV",
            "no.geom does not say the wavelength (photon_energy is at /LCLS/photon_energy_eV eV in the data): "
            "give -lambda or -energy",
        ),
        (
            "wavelength = /entry/w A",
            "no.geom does not say the wavelength (wavelength is at /entry/w A in the data): give -lambda or -energy",
        ),
        (
            "photon_energy = 0",
            "no.geom does not say the wavelength (photon_energy is 0): give -lambda or -energy",
        ),
    ],
)
def test_a_file_that_does_not_say_the_wavelength_needs_one(said: str, reason: str) -> None:
    Path("no.geom").write_text(f"{said}\n{GEOM}")
    assert complaint("-geometry", "no.geom", *CRYSTAL) == reason
    images = []
    for flag in ("-lambda 1.3", "-energy 9537.246", "-sourcefile sources.txt"):
        Path("sources.txt").write_text("0 0 -10 1 1.3e-10\n")
        finished = run("simulate", *COMMON, "-geometry", "no.geom", *CRYSTAL, *flag.split(), "-floatfile", "image.bin")
        assert finished.status == 0
        assert "wavelength" not in finished.err
        images.append(np.fromfile("image.bin", "<f4"))
    for other in images[1:]:
        np.testing.assert_allclose(other, images[0], rtol=0, atol=1e-4 * images[0].max())


def test_xds_without_a_wavelength_needs_one() -> None:
    Path("XDS.INP").write_text(XDS.replace("X-RAY_WAVELENGTH= 1.1", ""))
    assert complaint("-geometry", "XDS.INP") == "XDS.INP does not say the wavelength: give -lambda or -energy"
    found = image("-geometry", "XDS.INP", "-lambda", "1.1")
    Path("XDS.INP").write_text(XDS)
    assert_same(found, image("-geometry", "XDS.INP"))


def test_the_mean_of_a_spectrum_is_named_unless_a_wavelength_is_given() -> None:
    content = json.loads(texts.expt(texts.Described([texts.Flat(*FLAT)], *REST)))
    content["beam"][0] = {"__id__": "polychromatic", "direction": [0, 0, 1.0], "wavelength_range": [1.0, 1.5]}
    Path("p.expt").write_text(json.dumps(content))
    words = ("simulate", *COMMON, "-geometry", "p.expt", "-floatfile", "image.bin")
    named = run(*words)
    assert named.status == 0
    assert "p.expt: of wavelengths from 1 to 1.5 A the mean is taken, 1.25 A" in named.err
    first = np.fromfile("image.bin", "<f4")
    given = run(*words, "-lambda", "1.25")
    assert given.status == 0 and "wavelength" not in given.err
    np.testing.assert_array_equal(np.fromfile("image.bin", "<f4"), first)
    content["beam"][0].pop("wavelength_range")
    Path("p.expt").write_text(json.dumps(content))
    assert complaint("-geometry", "p.expt") == (
        "p.expt does not say the wavelength (its beam is polychromatic): give -lambda or -energy"
    )


def test_python_is_asked_for_a_beam_where_a_file_does_not_say_the_wavelength() -> None:
    Path("no.geom").write_text(GEOM)
    geometry, crystal = read_geometry("no.geom"), Crystal(cell=(3e-9, 3e-9, 3e-9, 1.6, 1.6, 1.6))
    with pytest.raises(InputError, match=r"no\.geom does not say the wavelength: give a beam"):
        described_experiment(geometry, crystal)
    made = described_experiment(geometry, crystal, beam=Beam(wavelength=1.3e-10))
    assert made.beam.wavelength == 1.3e-10


# ------------------------------------------------------------------------------------------------- a cell and no more


def test_a_cell_file_gives_the_cell_and_flags_the_rest() -> None:
    Path("x.cell").write_bytes(CELL)
    flags = "-mosflm -detpixels 24 -pixel 0.2 -distance 60 -lambda 1.3 -Xbeam 2 -Ybeam 3".split()
    by_flags = image(*flags, *MONOCLINIC, shape=(24, 24))
    assert_same(image("-geometry", "x.cell", *flags, shape=(24, 24)), by_flags)
    finished = run("simulate", *COMMON, "-geometry", "x.cell", *flags, "-floatfile", "image.bin")
    assert finished.complaints() == run("simulate", *COMMON, *flags, *MONOCLINIC, "-floatfile", "i.bin").complaints()
    assert "x.cell: a unit cell" in finished.out
    assert_same(
        image("-geometry", "x.cell", *flags, "-cell", 33, shape=(24, 24)),
        image(*flags, *MONOCLINIC, "-cell", 33, shape=(24, 24)),
    )
    with pytest.raises(UsageError, match=r"x\.cell says nothing of a detector"):
        described_convention(read_geometry("x.cell"))


def test_the_cell_file_of_the_field_is_read_for_its_cell() -> None:
    flags = "-detpixels 16 -pixel 0.5 -distance 60 -lambda 1.3".split()
    found = image("-geometry", field("example.cell"), *flags, shape=(16, 16))
    assert_same(found, image(*flags, *"-cell 77.05 77.05 37.21 90 90 90".split(), shape=(16, 16)))


def test_pixels_that_are_not_square_cannot_be_given_others() -> None:
    Path("a.geom").write_text("wavelength = 1.3 A\n" + GEOM.replace("ss = y", "ss = 0.1x +1.1y"))
    assert complaint("-geometry", "a.geom", *CRYSTAL, "-pixel", "0.1") == (
        "-pixel and -geometry: the oblique pixels of a.geom have their own pixels"
    )
