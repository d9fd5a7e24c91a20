"""Spectra: their profiles against formulas, files in and out, and gradients of images by their parameters."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from openbragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, Scan, Simulation, Spectrum, plugin
from openbragg.testing import check_spectrum
from openbragg_plugins.spectra.listed import Listed

A = 1e-10
EV = 1.602176634e-19
BEAM = Beam(wavelength=1.2 * A)
HC = 12398.42


def made(name: str, **options: Any) -> Spectrum:
    found: Spectrum = plugin("spectra", name, **options)
    return found


def energies(spectrum: Spectrum, image: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Photon energies in eV from low to high, and their weights."""
    channels = spectrum.channels_of(BEAM, image) if image > 1 else spectrum.channels(BEAM)  # type: ignore[attr-defined]
    found = HC / (channels.wavelengths * 1e10)
    order = found.argsort()
    return found[order], channels.weights[order]


def width_at_half(found: torch.Tensor, weights: torch.Tensor) -> tuple[float, float]:
    """Where the weights are half of their maximum, below it and above."""
    half, top = float(weights.max()) / 2.0, int(weights.argmax())
    below = np.interp(half, weights[: top + 1].numpy(), found[: top + 1].numpy())
    above = np.interp(-half, -weights[top:].numpy(), found[top:].numpy())
    return float(below), float(above)


@pytest.mark.parametrize(
    ("spectrum", "mean", "tolerance", "parameters"),
    [
        (made("gaussian", width=0.01), 1.2 * A, 1e-4, ("width",)),
        (made("gaussian", width_energy=40.0 * EV, count=11), 1.2 * A, 1e-4, ("width_energy",)),
        (made("gaussian", width=0.01, count=1), 1.2 * A, 1e-12, ("width",)),
        (made("pink", width=0.02), 1.228 * A, 1e-3, ("width", "edge")),
        (made("sase", width=0.01, spike=0.2, count=40), 1.2 * A, 5e-3, ("width", "spike")),
        (made("dispersion"), 1.2 * A, 1e-12, ()),
        (Listed(wavelengths=[1.0 * A, 1.1 * A], weights=[3.0, 1.0]), 1.025 * A, 1e-12, ()),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_spectra_keep_the_contract(
    spectrum: Spectrum, mean: float, tolerance: float, parameters: tuple[str, ...]
) -> None:
    check_spectrum(spectrum, BEAM, mean=mean, tolerance=tolerance, parameters=parameters)


def test_a_gaussian_has_its_width_about_the_beam() -> None:
    found, weights = energies(made("gaussian", width=0.01, count=301))
    central = HC / 1.2
    below, above = width_at_half(found, weights)
    assert above - below == pytest.approx(0.01 * central, rel=1e-3)
    assert (above + below) / 2.0 == pytest.approx(central, rel=1e-6)
    of_energy = energies(made("gaussian", width_energy=0.01 * central * EV, count=301))[0]
    torch.testing.assert_close(of_energy, found, rtol=1e-12, atol=0.0)


def test_a_pink_beam_is_steep_above_and_has_a_tail_below() -> None:
    found, weights = energies(made("pink", width=0.02, edge=0.25, count=2001))
    central = HC / 1.2
    below, above = width_at_half(found, weights)
    assert above - central == pytest.approx(0.25 * 0.02 * central, rel=0.01)
    assert central - below == pytest.approx(0.75 * 0.02 * central, rel=0.01)
    # An exponential: as far again, half as much again.
    further = np.interp(central - 2.0 * 0.015 * central, found.numpy(), (weights / weights.max()).numpy())
    assert further == pytest.approx(0.25, rel=0.01)


def test_spikes_are_others_in_each_image_and_have_the_envelope_as_their_mean() -> None:
    spectrum = made("sase", width=0.01, spike=0.05, count=61, seed=3)
    images = torch.stack([spectrum.channels_of(BEAM, image).weights for image in range(1, 401)])  # type: ignore[attr-defined]
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[0], made("sase", width=0.01, spike=0.05, count=61, seed=4).channels(BEAM).weights)
    places = torch.linspace(-1.5, 1.5, 61, dtype=torch.float64)
    envelope = (-4.0 * math.log(2.0) * places**2).exp()
    relative = images / envelope
    # The mean of 400 exponential deviates has a standard deviation of 1/20; of 61 one is beyond 4 in 500 tries.
    assert ((relative.mean(dim=0) - 1.0).abs() < 4.0 / 20.0).all()
    # Negative exponential: the second moment is twice the square of the mean.
    assert float(relative.square().mean() / relative.mean() ** 2) == pytest.approx(2.0, rel=0.05)
    middle = relative[:, 30]
    near = torch.corrcoef(torch.stack([middle, relative[:, 31]]))[0, 1]
    far = torch.corrcoef(torch.stack([middle, relative[:, 45]]))[0, 1]
    assert float(near) > 0.3 and abs(float(far)) < 0.2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0 2.0 3.0\n", "line 1: expected a wavelength"),
        ("1.0 2.0\n1.1 -2\n", "line 2: expected a wavelength"),
        ("1.0 2.0\n12000 1\n", "line 1: expected a wavelength"),
        ("# nothing\n", "no wavelengths in the file"),
        ("1.0 0\n1.1 0\n", "weights that are not all 0"),
    ],
)
def test_a_file_that_is_no_spectrum_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.lam"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        Listed(file=path).channels(BEAM)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["# wavelengths, weights\n1.0,1\n1.5,3\n", "12398.42 1\n8265.613333333333 3\n"])
def test_a_file_has_wavelengths_or_energies(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.lam"
    path.write_text(text)
    spectrum = Listed(file=path)
    channels = spectrum.channels(BEAM)
    torch.testing.assert_close(channels.wavelengths, torch.tensor([1.0, 1.5], dtype=torch.float64) * A)
    assert channels.weights.tolist() == [1.0, 3.0]
    assert spectrum.mean_wavelength() == pytest.approx(1.375 * A)


def test_what_is_not_one_width_is_refused() -> None:
    for options in ({}, {"width": 0.01, "width_energy": 10.0 * EV}):
        with pytest.raises(InputError, match="expected one width of the spectrum: -gaussian_width"):
            made("gaussian", **options).channels(BEAM)
    with pytest.raises(InputError, match="-pink_width: the spectrum is so wide"):
        made("pink", width=0.3).channels(BEAM)
    with pytest.raises(InputError, match="as many weights as wavelengths"):
        Listed(wavelengths=[A, 2 * A], weights=[1.0]).channels(BEAM)


def experiment(**beam: Any) -> Experiment:
    return Experiment(
        beam=Beam(**{"wavelength": 1.2 * A, "fluence": 1e28, **beam}),
        crystal=Crystal(cell=(30 * A, 35 * A, 40 * A, 1.5, 1.6, 1.7), cells=(6, 5, 4), misset=(0.1, 0.2, 0.3)),
        detector=Detector(distance=0.06, pixel_size=1e-3, pixels=(12, 12)),
        sampling=Sampling(oversample=1),
    )


def image(spectrum: Spectrum | str, **beam: Any) -> torch.Tensor:
    return Simulation(
        experiment(**beam),
        structure_factors=plugin("structure_factors", "hkl", default_F=100.0),
        spectrum=spectrum,
        precision="double",
        engine="eager",
    ).photons()


def test_an_image_is_the_weighted_sum_of_those_of_its_wavelengths() -> None:
    whole = image(Listed(wavelengths=[1.1 * A, 1.2 * A, 1.3 * A], weights=[1.0, 4.0, 5.0]))
    parts = [image("dispersion", wavelength=length * A) for length in (1.1, 1.2, 1.3)]
    expected = 0.1 * parts[0] + 0.4 * parts[1] + 0.5 * parts[2]
    torch.testing.assert_close(whole, expected, rtol=1e-10, atol=1e-10 * float(expected.max()))


def test_the_scale_and_the_shift_move_all_wavelengths() -> None:
    spectrum = Listed(wavelengths=[1.1 * A, 1.2 * A], weights=[1.0, 4.0])
    moved = image(spectrum, wavelength_scale=1.01, wavelength_shift=0.005 * A)
    expected = image(Listed(wavelengths=[1.116 * A, 1.217 * A], weights=[1.0, 4.0]))
    torch.testing.assert_close(moved, expected, rtol=1e-8, atol=1e-8 * float(expected.max()))


def test_gradients_by_width_shift_and_scale_are_the_slopes() -> None:
    def photons(width: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        spectrum = made("gaussian", width=width, count=5)
        found = image(spectrum, wavelength_shift=shift * A, wavelength_scale=scale)
        return found.reshape(4, -1).sum(dim=1) / 1e3

    numbers = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.02, 0.01, 1.001)]
    assert torch.autograd.gradcheck(photons, numbers, eps=1e-7, atol=1e-4, rtol=1e-3)


def test_a_series_has_a_spectrum_for_each_image_and_nxmx_keeps_them(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("hdf5plugin")
    spectrum = made("sase", width=0.01, count=5)
    simulation = Simulation(
        experiment(),
        structure_factors=plugin("structure_factors", "hkl", default_F=100.0),
        spectrum=spectrum,
        noise="nonoise",
        engine="eager",
    ).evolve(scan=Scan(range=0.0))
    simulation.series(3).write(nxmx_photons=str(tmp_path / "a.nxs"))
    with h5py.File(tmp_path / "a.nxs") as file:
        beam = file["entry/instrument/beam"]
        assert beam["incident_wavelength"].shape == (5,) and beam["incident_wavelength_weights"].shape == (3, 5)
        images = file["entry/data/data"][()]
    again = Listed(file=tmp_path / "a.nxs")
    for number in (1, 2, 3):
        there, here = spectrum.channels_of(BEAM, number), again.channels_of(BEAM, number)  # type: ignore[attr-defined]
        torch.testing.assert_close(here.wavelengths, there.wavelengths, rtol=1e-12, atol=0.0)
        torch.testing.assert_close(here.weights, there.weights / there.weights.sum(), rtol=1e-12, atol=0.0)
        alone = simulation.evolve(scan=Scan(range=0.0, image=number), spectrum=again).photons()
        np.testing.assert_allclose(images[number - 1], alone.numpy(), rtol=1e-5, atol=1e-5 * images.max())
    assert not np.allclose(images[0], images[1], rtol=1e-3)


def test_what_says_one_wavelength_has_the_mean_and_a_notice_says_so(tmp_path: Path) -> None:
    spectrum = Listed(wavelengths=[1.1 * A, 1.2 * A], weights=[1.0, 3.0])
    simulation = Simulation(
        experiment(dispersion=0.01),
        structure_factors=plugin("structure_factors", "hkl", default_F=100.0),
        spectrum=spectrum,
        engine="eager",
    )
    assert simulation.layout().wavelength == pytest.approx(1.175 * A)
    assert any("headers of images and predicted reflections" in line for line in simulation.notices)
    assert any(line.startswith("-dispersion and -dispsteps have no part") for line in simulation.notices)
    assert simulation.choices["spectrum"].startswith("listed, 2 wavelengths of 1.1 to 1.2 A")
    simulation.write(str(tmp_path / "a.img"))
    assert b"WAVELENGTH=1.175" in (tmp_path / "a.img").read_bytes()[:4096].replace(b" ", b"")
    plain = Simulation(experiment(), structure_factors=plugin("structure_factors", "hkl", default_F=1.0))
    assert "spectrum" not in plain.choices and not any("spectrum" in line for line in plain.notices)
