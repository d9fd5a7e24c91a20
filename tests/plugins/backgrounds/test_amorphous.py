"""Water, air and tables: pixels against plain Python, on an absolute scale."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Simulation, UsageError, plugin
from openbragg.testing import background_photons, check_background, make_rays
from openbragg_plugins.backgrounds.air import _TABLE as AIR
from openbragg_plugins.backgrounds.air import Air
from openbragg_plugins.backgrounds.amorphous import amplitude, table_tensors
from openbragg_plugins.backgrounds.table import Table
from openbragg_plugins.backgrounds.water import _TABLE as WATER
from openbragg_plugins.backgrounds.water import Water
from plugins.backgrounds.scalar import AVOGADRO, monotone_cubic, photons_per_scatterer

CELL = (5e-9, 5e-9, 5e-9, *(math.pi / 2,) * 3)
#: Rows of sin(theta)/lambda in 1/angstrom and F; a hump between two plateaus.
ROWS = [(0.0, 3.0), (0.05, 3.0), (0.1, 7.0), (0.2, 5.0), (0.24, 5.0), (0.6, 1.0)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.stol"
    path.write_text("".join(f"{stol} {f}\n" for stol, f in ROWS))
    return path


def test_amorphous_backgrounds_keep_the_contract_of_their_role(table: Path) -> None:
    for background in (Water(), Air(), Table(file=table), Water(thickness=0.0)):
        check_background(background)


@pytest.mark.parametrize("name", ["water", "air", "table"])
@given(
    slow=st.integers(0, 20),
    fast=st.integers(0, 30),
    wavelength=st.floats(0.5, 2.5),
    kahn=st.floats(-1.0, 1.0),
    distance=st.floats(0.03, 0.4),
    beam=st.floats(1e-6, 1e-4),
)
@settings(max_examples=settings.default.max_examples // 5)
def test_a_pixel_has_the_photons_of_the_formula(
    name: str, slow: int, fast: int, wavelength: float, kahn: float, distance: float, beam: float
) -> None:
    rows = {"water": list(WATER), "air": list(AIR), "table": ROWS}[name]
    thick, density, mass = {"water": (2e-4, 1000.0, 18e-3), "air": (0.02, 1.2, 28e-3), "table": (3e-3, 900.0, 0.1)}[
        name
    ]
    detector = Detector(pixels=(21, 31), pixel_size=2e-3, distance=distance, beam_centre=(15e-3, 27e-3))
    rays = make_rays(
        detector,
        slow=torch.tensor([float(slow)], dtype=torch.float64),
        fast=torch.tensor([float(fast)], dtype=torch.float64),
        wavelength=wavelength * 1e-10,
        polarization=kahn,
        size=beam,
        fluence=1e24,
    )
    if name == "table":
        stol, f = np.array(rows).T
        tables = table_tensors(stol * 1e10, f, torch.device("cpu"))
        found = Table(thickness=thick, density=density, molar_mass=mass).photons(rays, tables)
    else:
        background = Water(thickness=thick) if name == "water" else Air(path=thick)
        found = background_photons(background, rays)
    one = photons_per_scatterer(
        slow,
        fast,
        lambda stol: monotone_cubic(stol, rows) ** 2,
        wavelength=wavelength * 1e-10,
        fluence=1e24,
        pixel=2e-3,
        distance=distance,
        centre=(15e-3 / 2e-3 + 0.5, 27e-3 / 2e-3 + 0.5),
        kahn=kahn,
    )
    molecules = beam**2 * thick * density * AVOGADRO / mass
    # The cosine of an arc cosine near 1 has lost half its digits.
    assert float(found) == pytest.approx(molecules * one, rel=1e-6)


@given(
    rows=st.lists(st.tuples(st.floats(0.001, 1.0), st.floats(0.0, 20.0)), min_size=1, max_size=8),
    places=st.lists(st.floats(-1.0, 9.0), min_size=1, max_size=5),
)
def test_the_curve_goes_through_the_rows_and_stays_between_them(
    rows: list[tuple[float, float]], places: list[float]
) -> None:
    steps, values = np.array(rows).T
    stol = np.cumsum(steps)
    tables = table_tensors(stol, values, torch.device("cpu"))
    at = torch.tensor(places, dtype=torch.float64)
    found = amplitude(at, tables)
    for place, value in zip(places, found.tolist(), strict=True):
        assert value == pytest.approx(monotone_cubic(place, list(zip(stol, values, strict=True))), rel=1e-9, abs=1e-9)
        after = int(np.searchsorted(stol, place))
        ends = values[max(after - 1, 0)], values[min(after, len(values) - 1)]
        assert min(ends) - 1e-9 <= value <= max(ends) + 1e-9
    torch.testing.assert_close(amplitude(torch.from_numpy(stol), tables), torch.from_numpy(values.copy()))


def test_the_three_measures_of_an_angle_are_one(tmp_path: Path) -> None:
    rays = make_rays()
    found = []
    for field, factor in (("file", 1.0), ("file_4stol", 4.0), ("file_q", 4 * math.pi)):
        path = tmp_path / field
        path.write_text("".join(f"{stol * factor!r} {f}\n" for stol, f in ROWS))
        found.append(background_photons(Table(**{field: path}), rays))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=0.0)
    torch.testing.assert_close(found[2], found[0], rtol=1e-9, atol=0.0)


def test_thickness_density_beam_and_mass_scale_the_number_of_molecules(table: Path) -> None:
    one = background_photons(Table(file=table), make_rays())
    for more, factor in (({"thickness": 3e-4}, 3.0), ({"density": 500.0}, 0.5), ({"molar_mass": 36e-3}, 0.5)):
        torch.testing.assert_close(background_photons(Table(file=table, **more), make_rays()), factor * one)
    torch.testing.assert_close(background_photons(Table(file=table), make_rays(size=2e-4)), 4.0 * one)
    torch.testing.assert_close(background_photons(Table(file=table), make_rays(fluence=1e20)) * 1.25932015e9, one)


def test_a_constant_table_is_the_reference_s_water(tmp_path: Path) -> None:
    """-water SIZE is a cube of as many molecules, each with F = 2.57 at all angles."""
    path = tmp_path / "even.stol"
    path.write_text("0 2.57\n")
    detector = Detector(pixels=(8, 9), pixel_size=5e-3, distance=0.05)
    factors = plugin("structure_factors", "hkl", default_F=1e-9)
    images = [
        Simulation(
            Experiment(
                crystal=Crystal(cell=CELL, cells=(1, 1, 1), water=water),
                detector=detector,
                sampling=Sampling(oversample=1),
            ),
            structure_factors=factors,
            backgrounds=backgrounds,
            dtype=torch.float64,
        )
        .rendering()
        .images[0]
        for water, backgrounds in ((5e-5, ()), (0.0, (Table(file=path, thickness=5e-5**3 / 1e-8),)))
    ]
    torch.testing.assert_close(images[1], images[0], rtol=1e-12, atol=0.0)


def test_sources_count_with_their_weights_and_wavelengths(table: Path) -> None:
    rows = ((-10.0, 0.0, 0.0, 1.0, 1e-10), (-10.0, 0.0, 0.0, 3.0, 2e-10))
    both = background_photons(Table(file=table), make_rays(sources=rows))
    one, two = (background_photons(Table(file=table), make_rays(wavelength=length)) for length in (1e-10, 2e-10))
    torch.testing.assert_close(both, (one + 3.0 * two) / 4.0)


def test_a_sensor_captures_what_it_does_of_the_image() -> None:
    flat = {"pixels": (5, 6), "pixel_size": 5e-3, "distance": 0.08}
    thick = Detector(**flat, sensor_thickness=3e-4, sensor_layers=5, attenuation_length=2e-4)
    bare, seen = (
        background_photons(Water(), make_rays(Detector(**flat))),
        background_photons(Water(), make_rays(thick)),
    )
    # Five layers 75 um apart are 375 um of sensor as the reference counts them; and deeper layers are further away.
    part = 1 - math.exp(-375 / 200)
    assert float((seen / bare).max()) == pytest.approx(part, rel=0.03)
    assert float((seen / bare).min()) > 0.9 * part


@pytest.mark.parametrize("others", [(), ("water",), ("water", "air")])
def test_backgrounds_add_up_on_every_panel_where_pixels_are_rendered(others: tuple[str, ...]) -> None:
    panels = (
        Panel(pixels=(6, 7), pixel_size=2e-3),
        Panel(pixels=(4, 5), pixel_size=1e-3, offset=(0.02, 0.01, 0.005), axes=((0, 1, 0), (-1, 0, 0), (0, 0, 1))),
    )
    common: dict[str, Any] = {
        "structure_factors": plugin("structure_factors", "hkl", default_F=10.0),
        "dtype": torch.float64,
    }
    experiment = Experiment(
        crystal=Crystal(cell=CELL), beam=Beam(fluence=1e22), detector=Detector(layout=panels, distance=0.06)
    )
    without = Simulation(experiment, **common).rendering().images
    images = Simulation(experiment, backgrounds=others, **common).rendering().images
    alone = [Simulation(experiment, backgrounds=(other,), **common).rendering().images for other in others]
    for place, image in enumerate(images):
        added = sum((one[place] - without[place] for one in alone), torch.zeros_like(image))
        # Of a sum, less one of its parts, the digits of the brightest are left.
        torch.testing.assert_close(image - without[place], added, rtol=1e-9, atol=1e-9 * float(image.max()))
        assert not others or float((image - without[place]).min()) > 0.0


def test_gradients_flow_through_the_fluence() -> None:
    fluence = torch.tensor(1e22, dtype=torch.float64, requires_grad=True)
    found = background_photons(Water(), make_rays(fluence=fluence)).sum()
    (slope,) = torch.autograd.grad(found, fluence)
    assert float(slope) == pytest.approx(float(found.detach()) / 1e22, rel=1e-12)


def test_a_table_needs_one_file(table: Path) -> None:
    for background, number in ((Table(), 0), (Table(file=table, file_q=table), 2)):
        with pytest.raises(UsageError, match=f"expected one file with -stol, -4stol or -Q, got {number}"):
            background_photons(background, make_rays())
