"""XDS.INP as templates and people have it: placeholders, and pixels that are not trusted in regions of all shapes."""

from pathlib import Path

import numpy as np
import pytest

from command_line import run
from field import field
from openbragg import Geometry, InputError, read_geometry

TEMPLATE = """SPACE_GROUP_NUMBER=0                   ! 0 if unknown
UNIT_CELL_CONSTANTS= 70 80 90 90 90 90 ! put correct values if known
OSCILLATION_RANGE= 1 X-RAY_WAVELENGTH= 1.542
ORGX= 30 ORGY= 20 DETECTOR_DISTANCE= 70
NX= 60 NY= 40 QX= 0.1 QY= 0.1
"""
CRYSTAL = "-cell 50 -N 3 -default_F 100 -oversample 1".split()


def read(tmp_path: Path, text: str) -> Geometry:
    path = tmp_path / "XDS.INP"
    path.write_text(text)
    return read_geometry(path)


def masked(geometry: Geometry) -> np.ndarray:
    assert geometry.image is not None
    found = np.zeros(geometry.image, dtype=bool)
    for first_fast, last_fast, first_slow, last_slow in geometry.gaps:
        assert not found[first_slow : last_slow + 1, first_fast : last_fast + 1].any()
        found[first_slow : last_slow + 1, first_fast : last_fast + 1] = True
    return found


def pixels(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """IX and IY, which XDS counts from 1."""
    y, x = np.mgrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    return x, y


def test_a_cell_without_a_space_group_is_a_placeholder(tmp_path: Path) -> None:
    found = read(tmp_path, TEMPLATE)
    assert found.cell is None
    (notice,) = found.notices
    assert notice.endswith("UNIT_CELL_CONSTANTS= is a placeholder, for SPACE_GROUP_NUMBER= is 0")
    known = read(tmp_path, TEMPLATE.replace("NUMBER=0", "NUMBER=16"))
    assert known.cell is not None and known.cell[:3] == pytest.approx((70e-10, 80e-10, 90e-10))
    assert known.notices == ()


def test_a_run_does_not_take_a_placeholder_for_a_crystal(tmp_path: Path) -> None:
    (tmp_path / "XDS.INP").write_text(TEMPLATE)
    out = tmp_path / "out.bin"
    finished = run("simulate", "-geometry", tmp_path / "XDS.INP", *"-default_F 10 -N 3 -floatfile".split(), out)
    assert (finished.status, out.exists()) == (2, False)
    assert "give an orientation matrix with -mat, or a unit cell with -cell" in finished.err


@pytest.mark.parametrize(
    "limits", [(10, 30, 5, 25), (10, 31, 5, 24), (-9, 12, 30, 70), (30, 10, 25, 5), (20, 20, 3, 9)]
)
def test_an_ellipse_hides_the_pixels_in_it(tmp_path: Path, limits: tuple[int, int, int, int]) -> None:
    x1, x2, y1, y2 = limits
    x, y = pixels((40, 60))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 < 1 - 1e-9
    found = read(tmp_path, TEMPLATE + f"UNTRUSTED_ELLIPSE= {x1} {x2} {y1} {y2}\n")
    np.testing.assert_array_equal(masked(found), expected)


def inside_convex(x: np.ndarray, y: np.ndarray, corners: list[tuple[int, int]]) -> np.ndarray:
    """On the same side of all edges."""
    sides = [
        (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    return np.all([side > 0 for side in sides], axis=0) | np.all([side < 0 for side in sides], axis=0)


@pytest.mark.parametrize(
    "corners",
    [
        [(5, 3), (20, 8), (25, 30), (8, 35)],
        [(8, 35), (25, 30), (20, 8), (5, 3)],
        [(50, 1), (52, 1), (52, 50), (50, 50)],
        [(-10, 20), (20, -10), (50, 20), (20, 50)],
        [(30, 2), (30, 2), (50, 30), (10, 30)],
    ],
)
def test_a_quadrilateral_hides_the_pixels_in_it(tmp_path: Path, corners: list[tuple[int, int]]) -> None:
    x, y = pixels((40, 60))
    distinct = list(dict.fromkeys(corners))
    words = " ".join(f"{x} {y}" for x, y in corners)
    found = read(tmp_path, TEMPLATE + f"UNTRUSTED_QUADRILATERAL= {words}\n")
    expected = inside_convex(x, y, distinct)
    assert expected.any()
    np.testing.assert_array_equal(masked(found), expected)


def test_a_quadrilateral_along_the_axes_is_a_rectangle(tmp_path: Path) -> None:
    rectangle = read(tmp_path, TEMPLATE + "UNTRUSTED_RECTANGLE= 10 20 5 35\n")
    found = read(tmp_path, TEMPLATE + "UNTRUSTED_QUADRILATERAL= 10 5 20 5 20 35 10 35\n")
    assert found.gaps == rectangle.gaps == ((10, 18, 5, 33),)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("UNTRUSTED_ELLIPSE= 1 2 3", "line 6: expected 4 numbers, got 3"),
        ("UNTRUSTED_QUADRILATERAL= 1 2 3 4 5 6", "line 6: expected 8 numbers, got 6"),
        ("UNTRUSTED_ELLIPSE= 1 2 3 x", "line 6: expected a finite number, got 'x'"),
    ],
)
def test_a_region_that_is_not_whole_is_refused(tmp_path: Path, said: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read(tmp_path, TEMPLATE + said + "\n")


def test_no_photons_fall_where_a_detector_is_not_trusted(tmp_path: Path) -> None:
    out = tmp_path / "out.bin"
    source = field("untrusted_ellipse_XDS.INP")
    words = "-roi 430 580 430 520 -floatfile".split()
    assert run("simulate", "-geometry", source, *CRYSTAL, *words, out).status == 0
    image = np.fromfile(out, "<f4").reshape(1024, 1024)[430:521, 430:581]
    x, y = (each[430:521, 430:581] for each in pixels((1024, 1024)))
    hidden = (2 * x - 1020) ** 2 + (2 * y - 1020) ** 2 < 120**2
    hidden |= (x > 500) & (x < 520) & (y > 10) & (y < 500)
    np.testing.assert_array_equal(image == 0.0, hidden)


def test_a_placeholder_of_generate_xds_inp_is_no_cell() -> None:
    assert read_geometry(field("placeholder_cell_XDS.INP")).cell is None


def test_a_file_without_a_wavelength_leaves_it_to_the_flags(tmp_path: Path) -> None:
    assert read(tmp_path, TEMPLATE.replace("X-RAY_WAVELENGTH= 1.542", "")).wavelength is None
