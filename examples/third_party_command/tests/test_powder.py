"""``openbragg powder``: rings where Bragg's law has them, no photon lost, and what is refused."""

import csv
import math
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openbragg_powder import command
from openbragg_powder.profile import radial_profile

(SCRIPT,) = entry_points(group="console_scripts", name="openbragg")
openbragg = SCRIPT.load()

ANGSTROM = 1e-10
#: 40 x 60 pixels (slow x fast) of 0.5 mm at 100 mm, the beam at pixel 12.3 along fast and 30.8 along slow.
DETECTOR = "-xds -detpixels_x 60 -detpixels_y 40 -pixel 0.5 -distance 100 -ORGX 12.3 -ORGY 30.8 -lambda 1".split()
MODEL = [*DETECTOR, *"-cell 50 60 70 80 85 95 -N 3 -default_F 100".split()]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(*words: str) -> dict[str, np.ndarray[Any, Any]]:
    """The columns of the table."""
    assert openbragg(["powder", *words, "-table", "profile.csv"]) == 0
    with Path("profile.csv").open(newline="") as stream:
        read = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in read]) for name in read[0]}


def image(*words: str, shape: tuple[int, int] = (40, 60)) -> np.ndarray[Any, Any]:
    """What simulate renders."""
    assert openbragg(["simulate", *words, "-floatfile", "image.bin"]) == 0
    return np.fromfile("image.bin", "<f4").reshape(shape).astype(np.float64)


@pytest.mark.parametrize("against", ["2theta", "d"])
@pytest.mark.parametrize("bins", ["1", "7", "200"])
def test_no_photon_and_no_pixel_is_lost(bins: str, against: str) -> None:
    found, photons = rows(*MODEL, "-bins", bins, "-against", against), image(*MODEL)
    assert len(found["pixels"]) <= int(bins)
    assert found["pixels"].sum() == photons.size
    # Nine digits are written.
    assert (found["pixels"] * found["photons_per_pixel"]).sum() == pytest.approx(photons.sum(), rel=1e-7)


def test_each_ring_has_the_mean_of_the_pixels_at_its_angle() -> None:
    found, photons = rows(*MODEL, "-bins", "9"), image(*MODEL)
    slow, fast = np.mgrid[:40, :60]
    # XDS counts the middle of the first pixel as 1.
    radius = 0.5 * np.hypot(fast + 1 - 12.3, slow + 1 - 30.8)
    angles = np.degrees(np.arctan2(radius, 100.0))
    edges = np.linspace(angles.min(), angles.max(), 10)
    ring = np.clip(np.digitize(angles, edges) - 1, 0, 8)
    np.testing.assert_allclose(found["two_theta_deg"], (edges[1:] + edges[:-1]) / 2, atol=1e-5)
    expected = [photons[ring == number].mean() for number in range(9)]
    # Beside digits written: images are kept in single precision.
    np.testing.assert_allclose(found["photons_per_pixel"], expected, rtol=1e-5)


def test_d_and_two_theta_obey_braggs_law_and_resolution_bins_are_even_in_1_over_d() -> None:
    found = rows(*MODEL, "-bins", "50", "-against", "d")
    sines = np.sin(np.radians(found["two_theta_deg"]) / 2.0)
    np.testing.assert_allclose(found["d_A"] * 2.0 * sines, 1.0, rtol=1e-4)
    steps = np.diff(1.0 / found["d_A"])
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-3)


def test_a_powder_has_its_rings_where_braggs_law_has_them() -> None:
    """Of a cubic crystal whose domains lie in all directions, the profile is largest at sin(theta) = lambda / 2d."""
    camera = "-xds -detpixels 100 -pixel 0.4 -distance 60 -lambda 1".split()
    crystal = "-cell 10 -N 10 -default_F 10 -mosaic 180 -mosaic_domains 1000".split()
    found = rows(*camera, *crystal, "-bins", "120")
    angles, photons = found["two_theta_deg"], found["photons_per_pixel"]
    width = float(np.diff(angles).mean())
    for square in (1, 2, 3):  # of the index's length: (1 0 0), (1 1 0), (1 1 1)
        bragg = math.degrees(2.0 * math.asin(1.0 / (2.0 * 10.0 / math.sqrt(square))))
        around = np.abs(angles - bragg) < 1.2
        assert abs(float(angles[around][photons[around].argmax()]) - bragg) < 1.5 * width


def test_hidden_pixels_are_in_no_ring() -> None:
    part = rows(*MODEL, "-roi", "10", "29", "5", "14")
    assert part["pixels"].sum() == 20 * 10
    detector = "-detector jungfrau-500k -distance 100 -cell 50 -N 3 -default_F 100 -roi 500 539 0 9".split()
    assert rows(*detector)["pixels"].sum() == 40 * 10
    with_gap = [word.replace("jungfrau-500k", "pilatus-200k") for word in detector]
    # 10 rows of the 17 between two modules.
    below = [*with_gap[:-4], "0", "39", "190", "204"]
    assert rows(*below)["pixels"].sum() == 40 * 5


def test_the_table_is_printed_where_no_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert openbragg(["powder", *MODEL, "-bins", "5"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["#", "two_theta_deg", "d_A", "photons_per_pixel", "pixels"]
    assert len(said) == 6
    columns = np.array([[float(word) for word in line.split()] for line in said[1:]])
    written = rows(*MODEL, "-bins", "5")
    np.testing.assert_array_equal(columns, np.stack(list(written.values()), axis=1))


def test_a_text_file_reads_as_columns() -> None:
    assert openbragg(["powder", *MODEL, "-table", "profile.txt"]) == 0
    assert np.loadtxt("profile.txt").shape[1] == 4


def test_the_plot_is_a_png_and_the_same_each_time() -> None:
    pytest.importorskip("matplotlib")
    for name in ("one.png", "other.png"):
        assert openbragg(["powder", *MODEL, "-plot", name]) == 0
    assert Path("one.png").read_bytes().startswith(b"\x89PNG")
    assert Path("one.png").read_bytes() == Path("other.png").read_bytes()


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line of a command that was refused; nothing was written."""
    before = sorted(Path.cwd().iterdir())
    assert openbragg(["powder", *words]) != 0
    said = capsys.readouterr()
    assert said.out == ""
    assert sorted(Path.cwd().iterdir()) == before
    (line,) = said.err.splitlines()
    return line


def test_without_matplotlib_a_line_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert "openbragg-powder[plots]" in refused(capsys, *MODEL, "-plot", "profile.png")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-bins 0", "-bins: expected a whole number from 1 to 100000"),
        ("-against q", "-against: expected one of 2theta, d"),
        ("-table no/such/profile.csv", "there is no folder"),
        ("-table profile -plot profile", "two outputs"),
        ("-curved_det", "-curved_det"),
    ],
)
def test_what_cannot_be_is_one_line(capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    assert said in refused(capsys, *MODEL, *words.split())


def test_help_has_its_own_flags_and_those_of_a_simulation(capsys: pytest.CaptureFixture[str]) -> None:
    assert openbragg(["powder", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("-bins", "--against", "-table", "-plot", "-distance", "-mosaic", "azimuthal"):
        assert word in text


places = st.lists(st.floats(0.0, 1.5), min_size=1, max_size=50)


@given(places, st.integers(1, 20), st.data())
def test_a_profile_keeps_the_sum_and_lies_between_its_pixels(
    angles: list[float], bins: int, data: st.DataObject
) -> None:
    photons = np.array(data.draw(st.lists(st.floats(0.0, 1e6), min_size=len(angles), max_size=len(angles))))
    found = radial_profile(np.array(angles), photons, bins, ANGSTROM, by_spacing=False)
    assert 1 <= len(found.pixels) <= bins
    assert found.pixels.sum() == len(angles)
    # Sums of fifty numbers round in the last of 16 digits.
    assert (found.pixels * found.photons).sum() == pytest.approx(photons.sum(), rel=1e-12)
    # A ring's mean rounds too.
    assert photons.min() * (1 - 1e-12) <= found.photons.min() and found.photons.max() <= photons.max() * (1 + 1e-12)
    assert (np.diff(found.two_theta) > 0.0).all()
