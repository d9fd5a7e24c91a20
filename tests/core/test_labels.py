"""Labels of pixels are what the terms of each pixel, one by one, say."""

from math import pi
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

import openbragg.engine.image
from openbragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    InputError,
    Panel,
    Sampling,
    Scan,
    Simulation,
    SmearedLatticeShape,
    UsageError,
)
from openbragg import plugin as make_plugin
from openbragg.engine.evaluate import evaluate

A = 1e-10
#: Sums of float64 in another order.
ROUNDING = 1e-9


def simulation(**changed: Any) -> Simulation:
    """A still of 5 x 6 pixels of two crystals, with three wavelengths, mosaic domains and a rotation."""
    parts: dict[str, Any] = {
        "crystal": Crystal(
            cell=(40 * A, 50 * A, 60 * A, *(pi / 2,) * 3),
            cells=(5, 6, 7),
            misset=(0.1, 0.2, 0.3),
            mosaic_spread=0.02,
            mosaic_domains=3,
        ),
        "beam": Beam(wavelength=A, fluence=1e24, dispersion=0.05, dispersion_steps=3),
        "detector": Detector(pixels=(5, 6), pixel_size=6e-3, distance=0.08),
        "scan": Scan(range=0.01, steps=2),
        "sampling": Sampling(oversample=2, seed=1),
    }
    parts |= {name: changed.pop(name) for name in list(changed) if name in parts}
    factors = make_plugin("structure_factors", "hkl", default_F=100.0)
    scene = make_plugin("scene_models", "lattices", count=2, spread=0.3, weights=(1.0, 1.5))
    return Simulation(Experiment(**parts), structure_factors=factors, **({"engine": "eager", "scene": scene} | changed))


def assert_labelled(made: Simulation, peak: float, slow: int, fast: int) -> None:
    """The labels of a pixel from its traces, term by term."""
    labels = made.labels(peak)
    traces = [made.trace(slow, fast, number) for number in range(2)]
    photons = [float(trace.photons) for trace in traces]
    lattice = int(np.argmax(photons))
    assert int(labels.lattice[slow, fast]) == lattice
    wavelength, covered = 0.0, False
    for number, (trace, share) in enumerate(zip(traces, photons, strict=True)):
        terms = trace.terms
        weights = terms.intensity.double() / terms.intensity.double().sum()
        each = trace.plan.wavelengths.reshape(1, 1, 1, -1, 1, 1, 1)
        wavelength += share * float((weights * each).sum()) / sum(photons)
        # The square shape is as high as the number of its cells on a lattice point.
        covered |= bool((terms.lattice_amplitude.double() ** 2 >= peak * (5 * 6 * 7) ** 2).any())
        if number == lattice:
            mean = [float((weights * index).sum()) for index in terms.index]
            assert labels.index[slow, fast].tolist() == pytest.approx(mean, rel=ROUNDING)
    assert float(labels.wavelength[slow, fast]) == pytest.approx(wavelength, rel=ROUNDING)
    assert bool(labels.bragg[slow, fast]) is covered


def test_labels_are_what_a_trace_of_each_pixel_says() -> None:
    made = simulation()
    for slow in range(5):
        for fast in range(6):
            assert_labelled(made, 0.1, slow, fast)
    found = made.labels()
    assert set(found.lattice.reshape(-1).tolist()) == {0, 1}
    assert 0 < int(found.bragg.sum()) < 30
    # The mean of several wavelengths is none of them.
    assert len(found.wavelength.unique()) > 3


def test_peaks_that_are_smeared_in_closed_form_cover_pixels_too() -> None:
    """A smeared spot is a Gaussian, of which a tenth of the height lies where the exponent is ln 10."""
    made = simulation(
        crystal=Crystal(cell=(70 * A, 80 * A, 90 * A, 1.31, 1.48, 1.66), cells=(20, 20, 20), mosaic_spread=0.005),
        detector=Detector(pixels=(24, 24), pixel_size=1.5e-3, distance=0.1),
        scan=Scan(),
        lattice_shape="gauss_index",
        mosaic="closed",
        scene="single",
    )
    plan = made.layout().plan
    slow, fast = (each.reshape(-1).double() for each in torch.meshgrid(*[torch.arange(24)] * 2, indexing="ij"))
    terms = evaluate(plan, plan.panels[0], slow, fast)
    index, nearest = (torch.stack(each, dim=-1) for each in (terms.index, terms.nearest))
    assert isinstance(plan.shape, SmearedLatticeShape)
    _, covariances = plan.shape.gaussians(nearest.reshape(-1, 3), plan.lattice)
    offset = (index - nearest).reshape(-1, 3, 1)
    exponent = 0.5 * (offset.mT @ torch.linalg.solve(covariances, offset)).reshape(-1, 24, 24)
    wanted = (exponent <= np.log(10.0)).any(dim=0)
    assert 10 < int(wanted.sum()) < 200
    assert torch.equal(made.labels(0.1).bragg, wanted)


def test_labels_are_the_same_in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = simulation().labels()
    monkeypatch.setattr(openbragg.engine.image, "CPU_BLOCK_TERMS", 20)
    pieces = simulation().labels()
    for field in attrs.fields(type(whole)):
        one, other = (getattr(each, field.name) for each in (whole, pieces))
        assert torch.allclose(one.double(), other.double(), rtol=ROUNDING, atol=0.0)


def test_pixels_without_photons_and_those_that_are_not_rendered_have_no_labels() -> None:
    panels = tuple(
        Panel(pixels=(2, 3), pixel_size=6e-3, offset=(shift, 0.0, 0.0), slab=(row, 0))
        for row, shift in ((0, -0.01), (3, 0.01))
    )
    detector = Detector(layout=panels, distance=0.08)
    made = simulation(detector=detector, sampling=Sampling(oversample=1, region=(0, 1, 0, 4)))
    found, photons = made.labels(), made.photons()
    dark = photons == 0.0
    assert bool(dark[2].all()) and bool(dark[:, 2].all()) and not bool(dark.all())
    assert torch.equal(found.lattice == -1, dark)
    assert torch.equal(found.wavelength.isnan(), dark)
    assert torch.equal(found.index.isnan().all(dim=2), dark)
    assert not bool(found.bragg[dark].any())


def test_a_crystal_that_gives_no_photon_covers_nothing() -> None:
    made = simulation(scene="single")
    assert bool(made.labels().bragg.any())
    found = made.evolve(crystal=attrs.evolve(made.experiment.crystal, scale=0.0)).labels()
    assert bool((found.lattice == -1).all()) and not bool(found.bragg.any())


def test_labels_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="peak: expected a number above 0 and up to 1"):
        simulation().labels(1.5)
    sampling = Sampling(oversample=1, oversample_polarization=True)
    with pytest.raises(InputError, match="pixels have no labels with the quirk running-product"):
        simulation(sampling=sampling, compat=("running-product",), scene="single").labels()


def test_a_series_has_labels_of_every_image(tmp_path: Path) -> None:
    series = simulation(scan=Scan(range=0.0)).series(2)
    series.write(tmp_path / "a_#.cbf", labelsfile=tmp_path / "l_#.npz")
    for number in (0, 1):
        wanted = series[number].labels()
        found = np.load(tmp_path / f"l_{number + 1}.npz")
        assert np.array_equal(found["lattice"], wanted.lattice.numpy())
        assert np.allclose(found["h"], wanted.index[..., 0].numpy(), rtol=1e-6)
