"""A trace tells which terms an image was summed from where something was left out of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import culled
from culled import ONE_AMPLITUDE, A
from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Scan, Simulation
from openbragg.engine.sparse import spot_sum
from openbragg.engine.sparse.culled import OF_SPOTS, OF_TILES


def simulation(shape: str, **options: Any) -> Simulation:
    """Spots that stand apart, of two wavelengths, two steps and some domains."""
    experiment = Experiment(
        crystal=Crystal(
            cell=(70 * A, 80 * A, 90 * A, 1.31, 1.48, 1.66),
            cells=(30, 30, 30),
            fudge=2e-3 if shape == "gauss" else 1.0,
            mosaic_domains=4,
        ),
        beam=Beam(wavelength=1.0 * A, dispersion=0.01, dispersion_steps=2),
        detector=Detector(pixels=(40, 48), pixel_size=1e-4, distance=0.1),
        scan=Scan(range=0.004, steps=2),
        sampling=Sampling(oversample=2, region=(3, 44, 5, 38)),
    )
    standard: dict[str, Any] = {"structure_factors": ONE_AMPLITUDE, "precision": "double", "engine": "eager"}
    return Simulation(experiment, lattice_shape=shape, mosaic=culled.WEIGHTED, **standard | options)


@pytest.mark.parametrize(("shape", "of"), [("gauss", OF_SPOTS), ("square", OF_TILES)])
def test_terms_that_a_trace_calls_summed_make_the_pixel(shape: str, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spot_sum, "_SEARCHING", 1e3)
    full, sparse = simulation(shape), simulation(shape, cull=1e-4)
    rendering = sparse.rendering()
    assert [found.of for found in rendering.culled] == [of]
    image, whole = rendering.frame(), full.photons()
    peak = float(whole.max())
    # Where most is left out, and where most is.
    places = [int(number) for part in (whole - image, image) for number in part.reshape(-1).topk(3).indices]
    left_out = 0
    for slow, fast in (divmod(place, image.shape[1]) for place in places):
        trace = sparse.trace(slow, fast)
        assert trace.summed is not None and trace.summed.shape == trace.terms.intensity.shape
        summed = (trace.terms.intensity * trace.summed).sum() / trace.terms.intensity.sum()
        # The order of sums alone differs.
        assert abs(float(summed * trace.photons - image[slow, fast])) <= 1e-12 * peak
        assert float(trace.value) == float(whole[slow, fast])
        left_out += int((~trace.summed).sum())
    assert left_out > 0


def test_where_nothing_is_left_out_a_trace_says_nothing_of_it() -> None:
    assert simulation("gauss").trace(20, 20).summed is None
    assert simulation("gauss", cull=1e-4, diffuse="gamma_sigma").trace(20, 20).summed is None


def test_gradients_of_a_trace_need_no_image() -> None:
    fluence = torch.tensor(1e24, dtype=torch.float64, requires_grad=True)
    made = simulation("gauss", cull=1e-4)
    trace = made.evolve(beam=Beam(wavelength=1.0 * A, fluence=fluence)).trace(20, 20)
    assert trace.summed is None and trace.photons.requires_grad
