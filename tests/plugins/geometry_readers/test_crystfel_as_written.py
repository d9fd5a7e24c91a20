"""CrystFEL's files as people have them: axes as written, limits with a point, energies of all kinds, bad pixels."""

import math
from pathlib import Path

import numpy as np
import pytest

from field import field
from openbragg import Geometry, InputError, read_geometry

#: A panel of which fs and ss are neither at right angles nor of unit length.
OBLIQUE = """photon_energy = 9300 eV
clen = 90 mm
res = 10000
p/min_fs = 0.0
p/max_fs = 59.0
p/min_ss = 0
p/max_ss = 39
p/fs = 0.0040020x -0.9968330y +0.01z
p/ss = -1.0113620x -0.0104710y
p/corner_x = 20.5
p/corner_y = 31.25
"""
#: Metres.
ROUNDING = 1e-15


def read(tmp_path: Path, text: str) -> Geometry:
    path = tmp_path / "file.geom"
    path.write_text(text)
    return read_geometry(path)


def masked(geometry: Geometry, shape: tuple[int, int]) -> np.ndarray:
    """Where the image has gaps."""
    found = np.zeros(shape, dtype=bool)
    for first_fast, last_fast, first_slow, last_slow in geometry.gaps:
        found[first_slow : last_slow + 1, first_fast : last_fast + 1] = True
    return found


def places(text: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where CrystFEL has each pixel of the panel `OBLIQUE` or one like it, x and y in pixels: its corner."""
    slow, fast = np.mgrid[: shape[0], : shape[1]]
    said = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
    terms = {key: {part[-1]: float(part[:-1]) for part in said[f"p/{key}"].split()} for key in ("fs", "ss")}
    x, y = (
        float(said[f"p/corner_{axis}"]) + fast * terms["fs"].get(axis, 0.0) + slow * terms["ss"].get(axis, 0.0)
        for axis in "xy"
    )
    return x, y


def test_fs_and_ss_are_taken_as_they_are_written(tmp_path: Path) -> None:
    panel = read(tmp_path, OBLIQUE).panels[0]
    assert panel.pixels == (40, 60)
    expected = [(20.5 + 60 * 0.004002 - 40 * 1.011362) * 1e-4, (31.25 - 60 * 0.996833 - 40 * 0.010471) * 1e-4]
    np.testing.assert_allclose(panel.position(60, 40), [*expected, 0.09 + 60 * 0.01 * 1e-4], atol=ROUNDING)
    assert panel.is_oblique()
    fast, slow, normal = np.array(panel.axes())
    np.testing.assert_allclose(np.array([fast, slow, normal]) @ np.array([fast, slow, normal]).T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(normal @ np.array([panel.fast, panel.slow]).T, 0.0, atol=1e-15)


def test_the_far_corner_of_a_jungfrau_panel_is_where_crystfel_has_it() -> None:
    panel = read_geometry(field("skew_panel.geom")).panels[0]
    x = (-1707.347444 + 1029.5 * 0.0040020 + 513.5 * -1.0013620) / 13333.3
    y = (2033.21445 + 1029.5 * -0.9968330 + 513.5 * -0.0004710) / 13333.3
    np.testing.assert_allclose(panel.position(1029.5, 513.5), [x, y, 0.0953], atol=ROUNDING)


@pytest.mark.parametrize("ss", ["0.004x -0.9968y", "0x +0y", "1000x +1y", "nanx", "0.000001x"])
def test_axes_that_span_no_panel_are_refused(tmp_path: Path, ss: str) -> None:
    text = OBLIQUE.replace("0.0040020x -0.9968330y +0.01z", "0.004x -0.9968y").replace("-1.0113620x -0.0104710y", ss)
    with pytest.raises(InputError, match=r"file\.geom(: panel p: |, line 9: )"):
        read(tmp_path, text)


@pytest.mark.parametrize("limit", ["59.5", "5e1.0", "59.0.0", ".", "59.x"])
def test_limits_are_whole_numbers_with_or_without_a_point(tmp_path: Path, limit: str) -> None:
    with pytest.raises(InputError, match="line 5: expected a whole number"):
        read(tmp_path, OBLIQUE.replace("59.0", limit))


def test_the_pitch_of_pixels_stands_in_for_their_number_per_metre(tmp_path: Path) -> None:
    pitch = read(tmp_path, OBLIQUE.replace("res = 10000", "pixel_pitch = 1e-4"))
    assert pitch.panels == read(tmp_path, OBLIQUE).panels


@pytest.mark.parametrize(
    ("said", "angstrom"),
    [
        # Tables of electron microscopy have these.
        ("electron_voltage = 300 kV", 0.0196875),
        ("electron_voltage = 200000 V", 0.0250793),
        ("electron_voltage = 100 kV", 0.0370144),
        ("photon_energy = 12.39841984 keV", 1.0),
        ("photon_energy = 12398.41984", 1.0),
        ("wavelength = 1.3 A", 1.3),
        ("wavelength = 1.3e-10 m", 1.3),
        ("wavelength = 1.3e-10", 1.3),
    ],
)
def test_a_wavelength_is_read_from_what_is_said_of_it(tmp_path: Path, said: str, angstrom: float) -> None:
    found = read(tmp_path, OBLIQUE.replace("photon_energy = 9300 eV", said))
    assert found.wavelength == pytest.approx(angstrom * 1e-10, rel=3e-6)
    assert (found.notices, found.wavelength_note) == ((), "")


def test_electrons_of_a_microscope_have_their_relativistic_wavelength() -> None:
    assert read_geometry(field("electron_voltage.geom")).wavelength == pytest.approx(0.019687e-10, rel=1e-4)


@pytest.mark.parametrize("said", ["wavelength = 1.3", "photon_energy = -3 eV", "electron_voltage = 300 keV"])
def test_a_wavelength_that_cannot_be_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(InputError, match="line 1: expected a number"):
        read(tmp_path, OBLIQUE.replace("photon_energy = 9300 eV", said))


BOUNDS = "bad1/min_x = -7.5\nbad1/max_x = 9\nbad1/min_y = -12\nbad1/max_y = 11.25\n"


@pytest.mark.parametrize(
    "axes",
    [
        ("0.0040020x -0.9968330y +0.01z", "-1.0113620x -0.0104710y"),
        ("0.6x -0.8y", "-0.8x -0.6y"),
        ("-1x +0y", "0x -1y"),
        ("0x -1y", "-1x +0y"),
        ("-1x +0y", "-0.5x -0.866y"),
    ],
)
def test_bad_regions_in_the_laboratory_hide_the_pixels_that_lie_in_them(tmp_path: Path, axes: tuple[str, str]) -> None:
    """As CrystFEL does: of a pixel the corner that is its place lies between the bounds."""
    text = OBLIQUE.replace("0.0040020x -0.9968330y +0.01z", axes[0]).replace("-1.0113620x -0.0104710y", axes[1])
    x, y = places(text, (40, 60))
    expected = (x > -7.5) & (x < 9) & (y > -12) & (y < 11.25)
    assert expected.any()
    found = read(tmp_path, text + BOUNDS)
    np.testing.assert_array_equal(masked(found, (40, 60)), expected)
    assert not any("bad regions" in notice for notice in found.notices)


def test_bad_regions_of_another_panel_or_without_all_limits(tmp_path: Path) -> None:
    found = read(tmp_path, OBLIQUE + BOUNDS.replace("bad1/max_y = 11.25\n", ""))
    assert found.gaps == ()
    (notice,) = found.notices
    assert notice.endswith("bad regions without four limits in fs and ss or in x and y are passed over: bad1")
    with pytest.raises(InputError, match="there is no panel 'q'"):
        read(tmp_path, OBLIQUE + BOUNDS + "bad1/panel = q\n")


def test_a_bad_region_aslant_on_an_endless_panel_is_named(tmp_path: Path) -> None:
    """A file of a few lines takes no longer than that."""
    found = read(tmp_path, OBLIQUE.replace("max_ss = 39", "max_ss = 9999999") + BOUNDS)
    assert found.gaps == ()
    assert found.notices[0].endswith("bad regions aslant on panels of more than 32768 rows are passed over: bad1")


def test_limits_of_bad_regions_lose_their_fractions(tmp_path: Path) -> None:
    region = "bad1/min_fs = 3.0\nbad1/max_fs = 7.9\nbad1/min_ss = 1\nbad1/max_ss = 2e0\nbad1/panel = p\n"
    assert read(tmp_path, OBLIQUE + region).gaps == ((3, 7, 1, 2),)


def test_edges_and_whole_panels_that_are_bad(tmp_path: Path) -> None:
    edge = masked(read(tmp_path, OBLIQUE + "p/mask_edge_pixels = 2\n"), (40, 60))
    assert edge.sum() == 40 * 60 - 36 * 56
    assert not edge[2:-2, 2:-2].any()
    for unused, expected in (("1", True), ("true", True), ("0", False), ("false", False)):
        assert masked(read(tmp_path, OBLIQUE + f"p/no_index = {unused}\n"), (40, 60)).all() == expected


def test_masks_are_not_read_and_named(tmp_path: Path) -> None:
    """A file that a stranger's file names is not opened."""
    (notice,) = read(tmp_path, "mask_file = /etc/passwd\nmask = /mask\nmask_good = 1\n" + OBLIQUE).notices
    assert notice.endswith("mask, mask_file: masks are not read, and what they hide is rendered; see -mask")
    (notice,) = read(tmp_path, OBLIQUE + "p/mask2_data = /bad\n").notices
    assert "mask2_data: masks are not read" in notice


@pytest.mark.parametrize(
    ("axes", "hexagonal"),
    [
        (("1x +0y", f"0x +{math.sqrt(0.75):.6f}y"), True),
        (("1x +0y", "-0.5x +0.866025y"), True),
        (("1x +0y", "0x +1y"), False),
        (("0.0040020x -0.9968330y", "-1.0113620x -0.0104710y"), False),
    ],
)
def test_pixels_that_look_hexagonal_are_named(tmp_path: Path, axes: tuple[str, str], hexagonal: bool) -> None:
    text = OBLIQUE.replace("0.0040020x -0.9968330y +0.01z", axes[0]).replace("-1.0113620x -0.0104710y", axes[1])
    assert any("look hexagonal" in notice for notice in read(tmp_path, text).notices) == hexagonal


def test_panels_of_arrays_of_their_own_are_put_below_each_other_with_their_bad_regions(tmp_path: Path) -> None:
    text = (
        OBLIQUE
        + "p/data = /a\n"
        + "".join(line.replace("p/", "q/", 1) + "\n" for line in OBLIQUE.splitlines() if line.startswith("p/"))
    )
    region = "bad1/min_fs = 3\nbad1/max_fs = 7\nbad1/min_ss = 1\nbad1/max_ss = 2\nbad1/panel = q\n"
    found = read(tmp_path, text + "q/data = /b\n" + region)
    assert [panel.slab for panel in found.panels] == [(0, 0), (40, 0)]
    assert found.gaps == ((3, 7, 41, 42),)


CELL = """CrystFEL unit cell file version 1.0
lattice_type = tetragonal
centering = P
unique_axis = c
a = 77.05 A
b = 7.705 nm
c = 37.21 A ; as found
al = 90 deg
be = 90 deg
ga = 90 deg
"""


def test_a_cell_file_has_a_cell_and_nothing_else(tmp_path: Path) -> None:
    found = read(tmp_path, CELL)
    assert found.cell == pytest.approx((77.05e-10, 77.05e-10, 37.21e-10, *[math.pi / 2] * 3))
    assert (found.panels, found.wavelength, found.notices) == ((), None, ())
    for line in CELL.splitlines()[4:]:
        with pytest.raises(InputError, match=r"file\.geom: expected a unit cell, there is no "):
            read(tmp_path, CELL.replace(line, ""))
    for spoilt in ("77.05", "77.05 deg", "-77.05 A", "x A"):
        with pytest.raises(InputError, match=r"file\.geom, line 5: expected a"):
            read(tmp_path, CELL.replace("77.05 A", spoilt))
