"""What a trace shows of a pixel is what its image was made of."""

from __future__ import annotations

from math import pi, prod, sin
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import openbragg
from openbragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    PixelTrace,
    Sampling,
    Scan,
    Simulation,
    TracedPixel,
    UsageError,
)
from openbragg.engine.image import CPU_BLOCK_TERMS
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.tracing import trace_of
from openbragg_tracers.traces.command import brightest
from openbragg_tracers.traces.selection import Selection, parse_selection
from openbragg_tracers.traces.tracing import traced_pixel

A = 1e-10
TRACERS = [(default_registry().get("tracers", name).cls(), "openbragg") for name in ("per-phi", "scaling")]
EDGES = (40.0, 45.0, 50.0)
ELECTRON_RADIUS = 2.8179403e-15  # metres, CODATA to the digits that the reference program agrees with


def simple(**changed: Any) -> Experiment:
    """An orthorhombic crystal without rotation in front of a MOSFLM detector: pixels can be worked out by hand."""
    parts = {
        "crystal": Crystal(cell=(*(edge * A for edge in EDGES), pi / 2, pi / 2, pi / 2), cells=(3, 4, 5)),
        "beam": Beam(wavelength=1.1 * A, fluence=3e27, polarization=0.7),
        "detector": Detector(pixels=(9, 11), pixel_size=3e-3, distance=0.09),
        "sampling": Sampling(oversample=1),
    }
    return Experiment(**parts | changed)


def rich(**crystal: Any) -> Experiment:
    """Layers, sources, rotation, mosaic domains, subpixels, water and a resolution limit together."""
    cell = (30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7)
    made = {"cells": (5, 4, 3), "mosaic_spread": 0.02, "mosaic_domains": 3, "water": 2e-8}
    return Experiment(
        crystal=Crystal(cell=cell, **made | crystal),
        beam=Beam(wavelength=1.2 * A, dispersion=0.01, dispersion_steps=2),
        detector=Detector(pixels=(6, 8), pixel_size=5e-3, sensor_thickness=3e-4, attenuation_length=2e-4),
        scan=Scan(start=-0.02, range=0.04, steps=2),
        sampling=Sampling(oversample=2, resolution_limit=2 * A),
    )


def factors(**options: Any) -> Any:
    return openbragg.plugin("structure_factors", "hkl", **{"default_F": 50.0} | options)


def values_of(layout: Layout, slow: int, fast: int) -> dict[str, Any]:
    return dict(traced_pixel(trace_of(layout, slow, fast), (slow, fast), TRACERS, Selection()).values)


def traced(made: PixelTrace, select: str = "") -> TracedPixel:
    return traced_pixel(made, (made.slow, made.fast), TRACERS, parse_selection(select))


def chain(values: dict[str, Any]) -> float:
    """Photons from the chain's numbers, in the order in which they are said to be multiplied."""
    scattered = values["r_e_sqr"] * values["fluence_photons_per_m2"] / values["steps"] * values["I_before_scaling"]
    scattered += values.get("background_photons_per_sr", 0.0)
    photons: float = scattered * values["capture_fraction"] * values["polar"] * values["omega_pixel"]
    return photons


class TestScalingTrace:
    @pytest.mark.parametrize(
        ("precision", "tolerance"), [("double", 1e-12), ("mixed", 1e-6)], ids=["float64", "float32"]
    )
    def test_scaling_trace_matches_physics(self, precision: str, tolerance: float) -> None:
        """Every value against a formula written down here, none taken from the program."""
        rendering = Simulation(simple(), structure_factors=factors(), precision=precision).rendering()
        slow, fast = 2, 8
        values = values_of(rendering, slow, fast)

        pixel, distance, wavelength = 3e-3, 0.09, 1.1 * A
        # MOSFLM: the beam meets a detector of 9 x 11 pixels half a pixel off its middle, twice: once by its default
        # and once for counting from the middle of a pixel.
        beam_slow, beam_fast = (9 + 1) / 2 * pixel + pixel / 2, (11 + 1) / 2 * pixel + pixel / 2
        along_slow, along_fast = (slow + 0.5) * pixel - beam_slow, (fast + 0.5) * pixel - beam_fast
        position = np.array([distance, -along_slow, along_fast])
        length = float(np.sqrt((position**2).sum()))
        direction = position / length
        q = (direction - [1.0, 0.0, 0.0]) / wavelength
        index = q * np.array(EDGES) * A
        nearest = np.round(index)
        lattice = [sin(pi * n * h) / sin(pi * h) for n, h in zip((3, 4, 5), index, strict=True)]
        cos_2theta = direction[0]
        # The beam is polarized along z.
        polarization = 0.5 * (1 + cos_2theta**2 - 0.7 * (direction[2] ** 2 - direction[1] ** 2))
        solid_angle = pixel**2 / length**2 * distance / length
        intensity = (50.0 * prod(lattice)) ** 2
        photons = ELECTRON_RADIUS**2 * 3e27 * intensity * polarization * solid_angle

        def same(name: str, expected: Any, rel: float = 1e-12) -> None:
            size = np.abs(np.asarray(expected)).max() or 1.0
            np.testing.assert_allclose(values[name], expected, rtol=0.0, atol=rel * size, err_msg=name)

        same("pix0_vector_meters", [distance, beam_slow, -beam_fast])
        same("fdet_vec", [0.0, 0.0, 1.0])
        same("sdet_vec", [0.0, -1.0, 0.0])
        same("pixel_pos_meters", position)
        same("R_distance_meters", length)
        same("omega_pixel_sr", solid_angle)
        same("close_distance_meters", distance)
        same("obliquity_factor", distance / length)
        same("diffracted_vec", direction)
        same("incident_vec", [1.0, 0.0, 0.0])
        same("lambda_meters", wavelength)
        same("lambda_angstroms", 1.1)
        same("scattering_vec_A_inv", q)
        for number, axis in enumerate("abc"):
            vector = np.zeros(3)
            vector[number] = EDGES[number]
            same(f"rot_{axis}_angstroms", vector)
            vector[number] = 1.0 / EDGES[number]
            same(f"rot_{axis}_star_A_inv", vector)
        same("hkl_frac", index)
        same("hkl_rounded", nearest, 0.0)
        for axis, factor in zip("abc", lattice, strict=True):
            same(f"F_latt_{axis}", factor, 10 * tolerance)
        same("F_latt", prod(lattice), 10 * tolerance)
        same("F_cell", 50.0)
        same("I_before_scaling", intensity, 20 * tolerance)
        same("r_e_meters", ELECTRON_RADIUS, 1e-6)
        same("r_e_sqr", ELECTRON_RADIUS**2, 1e-6)
        same("fluence_photons_per_m2", 3e27)
        same("steps", 1.0)
        for switch in ("thick", "polar", "omega"):
            same(f"oversample_{switch}", 0.0)
        same("capture_fraction", 1.0)
        same("polar", polarization)
        same("omega_pixel", solid_angle)
        same("cos_2theta", cos_2theta)
        same("I_pixel_final", photons, 2e-6)
        same("floatimage_accumulated", photons, 2e-6)

    @pytest.mark.parametrize("precision", ["double", "mixed"])
    @pytest.mark.parametrize("compat", [(), "nanobragg"])
    def test_the_chain_is_the_image_s_pixel_to_the_last_bit(self, precision: str, compat: Any) -> None:
        rendering = Simulation(rich(), structure_factors=factors(), precision=precision, compat=compat).rendering()
        image = rendering.images[0]
        for slow, fast in ((0, 0), (0, 1), (2, 3), (5, 7)):
            made = trace_of(rendering, slow, fast)
            assert made.value.dtype == image.dtype
            assert float(made.value) == float(image[slow, fast])
            product = chain(traced(made).values)
            assert float(torch.tensor(product, dtype=torch.float64).to(image.dtype)) == float(image[slow, fast])

    @given(slow=st.integers(0, 5), fast=st.integers(0, 7), steps=st.integers(1, 40))
    @settings(max_examples=25, deadline=None)
    def test_every_pixel_of_a_longer_sum_is_the_image_s(self, slow: int, fast: int, steps: int) -> None:
        experiment = attrs.evolve(rich(), scan=Scan(start=0.0, range=0.04, steps=steps))
        rendering = Simulation(experiment, structure_factors=factors(), compat=("phi-carryover",)).rendering()
        made = trace_of(rendering, slow, fast)
        assert float(made.value) == float(rendering.images[0][slow, fast])
        assert float(made.terms.intensity.sum(dtype=torch.float64)) == pytest.approx(float(made.intensity), rel=1e-12)


class TestOneEvaluation:
    def test_image_and_trace_ask_the_shape_the_same(self) -> None:
        """A third party's shape that remembers what it was called with."""

        @attrs.frozen
        class Recorder:
            name: ClassVar[str] = "recorder"
            summary: ClassVar[str] = "remembers its arguments"
            flags: ClassVar[tuple[str, ...]] = ()
            calls: list[Any] = attrs.field(factory=list)

            def factors(self, offset: Any, nearest: Any, lattice: Any) -> tuple[torch.Tensor, ...]:
                self.calls.append((offset, nearest, lattice))
                return (torch.exp(-sum(part * part for part in offset)).to(lattice.dtype),)

        shape = Recorder()
        simulation = Simulation(rich(), structure_factors=factors(), lattice_shape=shape)
        # When it is laid out it is asked whether it keeps its contract.
        simulation.layout()
        shape.calls.clear()
        rendering = simulation.rendering()
        drawn, shape.calls[:] = list(shape.calls), []
        trace_of(rendering, 3, 4)
        assert shape.calls
        assert len(shape.calls) == len(drawn)
        for (offset, nearest, lattice), (offset_, nearest_, lattice_) in zip(drawn, shape.calls, strict=True):
            assert all(map(torch.equal, offset, offset_))
            assert all(map(torch.equal, nearest, nearest_))
            assert lattice is lattice_

    def test_terms_keep_dtype_device_and_named_axes(self) -> None:
        made = Simulation(rich(), structure_factors=factors()).trace(2, 3)
        assert made.axes == ("layer", "slow_subpixel", "fast_subpixel", "source", "phi", "mosaic", "pixel")
        assert made.terms.intensity.shape == (2, 2, 2, 2, 2, 3, 1)
        assert made.terms.lattice_amplitude.dtype == torch.float32
        assert made.terms.index.h.dtype == torch.float64
        assert made.terms.intensity.device.type == "cpu"

    def test_gradients_flow_from_a_trace(self) -> None:
        spread = torch.tensor(0.02, dtype=torch.float64, requires_grad=True)
        made = Simulation(rich(mosaic_spread=spread), structure_factors=factors(), precision="double").trace(2, 3)
        steps = TRACERS[0][0].steps(made)
        steps["F_latt"].square().sum().backward()
        assert spread.grad is not None and float(spread.grad) != 0.0
        other = torch.tensor(0.02, dtype=torch.float64, requires_grad=True)
        made = Simulation(rich(mosaic_spread=other), structure_factors=factors(), precision="double").trace(2, 3)
        made.photons.backward()
        image = (
            Simulation(rich(mosaic_spread=spread.detach()), structure_factors=factors(), precision="double")
            .rendering()
            .images[0]
        )
        moved = (
            Simulation(rich(mosaic_spread=0.02 + 1e-7), structure_factors=factors(), precision="double")
            .rendering()
            .images[0]
        )
        assert other.grad is not None
        # A tensor spread is rounded to single precision without a gradient; the slope is all that is compared.
        assert float(moved[2, 3] - image[2, 3]) / 1e-7 == pytest.approx(float(other.grad), rel=0.2)

    def test_only_the_traced_pixels_are_evaluated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from openbragg.engine import summation

        seen: list[int] = []
        real = summation.evaluate

        def counting(plan: Any, panel: Any, slow: torch.Tensor, *rest: Any, **more: Any) -> Any:
            seen.append(slow.numel())
            return real(plan, panel, slow, *rest, **more)

        monkeypatch.setattr(summation, "evaluate", counting)
        large = simple(detector=Detector(pixels=(2000, 3000), pixel_size=1e-4))
        Simulation(large, structure_factors=factors()).trace(1000, 1500)
        assert seen == [CPU_BLOCK_TERMS]  # one block of the six million


class TestPerPhi:
    def test_every_term_is_the_lattice_s(self) -> None:
        made = Simulation(rich(), structure_factors=factors(), precision="double").trace(2, 3)
        rows = traced(made, "layer=all,subpixel=all,source=all,mosaic=all").steps
        assert len(rows) == made.terms.intensity.numel() == 2 * 2 * 2 * 2 * 2 * 3
        for row in rows:
            product = row["F_latt_a"] * row["F_latt_b"] * row["F_latt_c"]
            assert row["F_latt"] == pytest.approx(product, rel=1e-12)
            assert row["k"] == np.ceil(row["k_frac"] - 0.5)
            assert row["phi_deg"] == pytest.approx(np.degrees(-0.02 + 0.02 * row["phi_tic"]))
        listed = made.terms.intensity.reshape(-1).tolist()
        assert [row["intensity"] for row in rows] == listed

    def test_the_default_is_every_step_of_the_first_of_everything_else(self) -> None:
        made = Simulation(rich(), structure_factors=factors()).trace(2, 3)
        rows = traced(made).steps
        assert [row["phi_tic"] for row in rows] == [0, 1]
        assert {row["mosaic"] for row in rows} == {0}

    def test_a_shape_that_is_not_separable_has_no_factors(self) -> None:
        made = Simulation(rich(), structure_factors=factors(), lattice_shape="gauss").trace(2, 3)
        (row, _) = traced(made).steps
        assert row["F_latt_a"] is row["F_latt_b"] is row["F_latt_c"] is None
        assert "F_latt_a" not in traced(made).values

    @pytest.mark.parametrize("text", ["phi", "phi=", "phi=x", "phi=-1", "moon=1", "=1"])
    def test_a_selection_that_makes_no_sense_is_refused(self, text: str) -> None:
        with pytest.raises(UsageError, match="--select"):
            parse_selection(text)

    def test_a_step_that_is_not_there_is_refused(self) -> None:
        made = Simulation(rich(), structure_factors=factors()).trace(2, 3)
        with pytest.raises(UsageError, match="mosaic=3: the sum has 3"):
            traced(made, "mosaic=3")


def test_a_pixel_that_is_not_rendered_is_refused() -> None:
    limited = attrs.evolve(rich(), sampling=Sampling(oversample=1, region=(1, 3, 1, 3)))
    for pixel in ((0, 1), (1, 4), (6, 0)):
        with pytest.raises(UsageError, match="is not rendered"):
            Simulation(limited, structure_factors=factors()).trace(*pixel)


def test_the_brightest_pixels_come_in_order() -> None:
    rendering = Simulation(rich(), structure_factors=factors()).rendering()
    image = rendering.images[0]
    found = [float(image[slow, fast]) for slow, fast in brightest(rendering.frame(), 5)]
    assert found == sorted(image.reshape(-1).tolist(), reverse=True)[:5]


@pytest.mark.parametrize("quirks", [("interpolation-latch",), ("interpolation-latch", "phi-carryover")])
def test_a_pixel_knows_what_happened_before_it(quirks: Any) -> None:
    """Whether interpolation is still on, and which pixel is the very first."""
    index = torch.cartesian_prod(*[torch.arange(-4, 5)] * 3)
    table = factors(reflections=(index, 50.0 + index.sum(dim=1).double()))
    experiment = attrs.evolve(
        rich(cells=(2, 4, 3)), detector=Detector(pixels=(6, 8), pixel_size=8e-3), scan=Scan(range=0.04, steps=2)
    )
    rendering = Simulation(experiment, structure_factors=table, compat=quirks).rendering()
    for slow in range(6):
        for fast in range(8):
            assert float(trace_of(rendering, slow, fast).value) == float(rendering.images[0][slow, fast])
