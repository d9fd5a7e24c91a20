"""f' and f'': of elements of models, of atoms beside tables with phases, and tables for each channel of a spectrum."""

from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
import torch

from crystal_files import CELL, indices, model_cif, mtz, pdb, small_cif, summed_factors
from openbragg import Beam, Crystal, Detector, Experiment, InputError, Miller, Sampling, Simulation, plugin
from openbragg.testing import check_spectral_amplitudes, check_structure_factors
from openbragg_plugins.spectra.listed import Listed
from openbragg_plugins.structure_factors.corrections import corrections, read_corrections
from openbragg_plugins.structure_factors.hkl import HklTable
from openbragg_plugins.structure_factors.model import ModelFile
from openbragg_plugins.structure_factors.reflections import ReflectionFile

A = 1e-10
CPU = torch.device("cpu")
#: About the edge of sulphur, where f' and f'' change fast.
ENERGIES = (2460.0, 2480.0, 2600.0)
WAVELENGTHS = tuple(12398.42 / energy * A for energy in ENERGIES)
#: Of a density on a grid, as a part of the mean F, as in test_model.py; and of sums over atoms.
DENSITY, SUMMED = 2e-3, 1e-6


def theory(energy: float) -> complex:
    return complex(*gemmi.cromer_liberman(z=16, energy=energy))


def experiment(**beam: Any) -> Experiment:
    cell = (*(length * A for length in CELL[:3]), *np.radians(CELL[3:]).tolist())
    return Experiment(
        beam=Beam(**{"wavelength": WAVELENGTHS[1], "fluence": 1e26, **beam}),
        crystal=Crystal(cell=cell, cells=(8, 7, 6), misset=(0.3, 0.2, 0.1)),
        detector=Detector(distance=0.02, pixel_size=2e-3, pixels=(10, 10)),
        sampling=Sampling(oversample=1),
    )


def found_at(factors: Any, hkl: np.ndarray, wavelengths: Any = WAVELENGTHS) -> np.ndarray:
    """\\|F\\| of reflections at wavelengths, (reflections, wavelengths)."""
    tables = factors.prepare(experiment(), CPU, torch.float64)
    numbers = factors.spectral(torch.tensor(wavelengths, dtype=torch.float64), tables)
    down = Miller(*torch.as_tensor(hkl, dtype=torch.float64).unsqueeze(1).unbind(2))
    return factors.amplitude_at(down, down, numbers.unbind(1), tables).numpy()


@pytest.mark.parametrize(
    ("write", "name", "tolerance"),
    [(pdb, "a.pdb", DENSITY), (model_cif, "a.cif", DENSITY), (small_cif, "small.cif", SUMMED)],
)
def test_a_model_has_f_prime_and_f_second_of_its_elements(
    tmp_path: Path, write: Any, name: str, tolerance: float
) -> None:
    factors = ModelFile(file=write(tmp_path / name), resolution=2.5 * A, anomalous="S")
    hkl = indices()
    both = np.concatenate([hkl, -hkl])
    expected = np.stack([abs(summed_factors(both, {"S": theory(energy)})) for energy in ENERGIES], axis=1)
    found = found_at(factors, both)
    assert abs(found - expected).max() <= tolerance * expected.mean()
    # Bijvoet differences are those of the sum, not what is left of rounding.
    here, there = ((each[: len(hkl)] - each[len(hkl) :]) for each in (found, expected))
    assert abs(there).max() > 2.0
    assert abs(here - there).max() <= tolerance * abs(there).max()
    known = {tuple(index): tuple(row) for index, row in zip(both[::40].tolist(), found[::40].tolist(), strict=True)}
    check_spectral_amplitudes(factors, experiment(), WAVELENGTHS, known)
    check_structure_factors(factors, experiment(), known={index: row[1] for index, row in known.items()})


def test_without_elements_a_model_is_the_same_at_all_wavelengths(tmp_path: Path) -> None:
    factors = ModelFile(file=pdb(tmp_path / "a.pdb"), resolution=2.5 * A)
    tables = factors.prepare(experiment(), CPU, torch.float64)
    assert factors.spectral(torch.tensor(WAVELENGTHS, dtype=torch.float64), tables) is None


def test_an_mtz_file_with_phases_takes_atoms_of_a_model_beside_it(tmp_path: Path) -> None:
    hkl = indices()
    rest = summed_factors(hkl, but=("S",))
    amplitude, phase = abs(rest), np.degrees(np.angle(rest))
    columns = {"FC": ("F", amplitude), "PHIC": ("P", phase), "A": ("R", rest.real), "B": ("R", rest.imag)}
    path = mtz(tmp_path / "a.mtz", columns)
    both = np.concatenate([hkl, hkl * [-1, 1, -1], -hkl])
    expected = np.stack([abs(summed_factors(both, {"S": theory(energy)}, but=("S",))) for energy in ENERGIES], axis=1)
    atoms = pdb(tmp_path / "a.pdb")
    for more in ({}, {"amplitudes": "FC", "phase_label": "PHIC"}, {"parts_label": "A,B"}):
        factors = ReflectionFile(file=path, atoms_file=atoms, anomalous="S", **more)
        # Coordinates have three decimals in the file, B factors two.
        np.testing.assert_allclose(found_at(factors, both), expected, atol=5e-3 * expected.mean())
    with pytest.raises(InputError, match="there is no column 'PHI'"):
        found_at(ReflectionFile(file=path, atoms_file=atoms, phase_label="PHI"), both)
    with pytest.raises(InputError, match="phases only count beside atoms"):
        found_at(ReflectionFile(file=path, phase_label="PHIC"), both)


@pytest.mark.parametrize("phases", [False, True])
def test_a_text_table_has_parts_or_phases_and_atoms_from_a_list(tmp_path: Path, phases: bool) -> None:
    rest = {(1, 2, 3): 40.0 - 25.0j, (-1, -2, -3): 40.0 + 25.0j}
    lines = [
        f"{h} {k} {l} {abs(value) if phases else value.real} {np.degrees(np.angle(value)) if phases else value.imag}"
        for (h, k, l), value in rest.items()
    ]
    table, listed, steps = tmp_path / "a.hkl", tmp_path / "atoms.txt", tmp_path / "f.txt"
    table.write_text("\n".join(["# h k l A B", *lines]))
    listed.write_text("# element x y z B occ\nS 0.1 0.2 0.3 12.5 0.8\nSe 0.5 0.6 0.1 20 1\n")
    steps.write_text("energy f' f''\nS 2400 -3 1\nS 2500 -5 2\nS 2700 -1 4\nSe 2000 -2 1\nSe 3000 -2 1\n")
    factors = HklTable(file=table, atoms_file=listed, corrections_file=steps, phases=phases, f_second_scale=1.5)
    at = {
        2460.0: {"S": -4.2 + 1.6j, "Se": -2 + 1j},
        2480.0: {"S": -4.6 + 1.8j, "Se": -2 + 1j},
        2600.0: {"S": -3.0 + 3.0j, "Se": -2 + 1j},
    }
    metric = np.array(gemmi.UnitCell(*CELL).reciprocal_metric_tensor().as_mat33().tolist())

    def expected(h: tuple[int, int, int], energy: float) -> float:
        square = float(np.array(h) @ metric @ np.array(h))
        total = rest.get(h, 0.0)
        for element, place, b_factor, occupancy in (("S", (0.1, 0.2, 0.3), 12.5, 0.8), ("Se", (0.5, 0.6, 0.1), 20, 1)):
            value = at[energy][element]
            strength = occupancy * np.exp(-b_factor * square / 4.0)
            phase = 2j * np.pi * np.dot(h, place)
            total += strength * complex(value.real, 1.5 * value.imag) * np.exp(phase)
        return abs(total)

    known = {h: [expected(h, energy) for energy in ENERGIES] for h in (*rest, (0, 4, 1), (7, 0, -9))}
    check_spectral_amplitudes(factors, experiment(), WAVELENGTHS, known)
    assert known[1, 2, 3][0] != pytest.approx(known[-1, -2, -3][0], rel=0.01)


def test_a_column_for_each_channel(tmp_path: Path) -> None:
    table = tmp_path / "a.hkl"
    table.write_text("# h k l and an amplitude for each wavelength\n1 2 3 10 20 30\n-1 -2 -3 11 19 31\n0 0 1 4 5 6\n")
    factors = HklTable(file=table, default_F=2.0, for_channels=True)
    known = {(1, 2, 3): (10, 20, 30), (-1, -2, -3): (11, 19, 31), (0, 0, 1): (4, 5, 6), (9, 9, 9): (2, 2, 2)}
    check_spectral_amplitudes(factors, experiment(), WAVELENGTHS, known)
    root_mean_square = {index: float(np.sqrt(np.mean(np.square(row)))) for index, row in known.items()}
    check_structure_factors(factors, experiment(), known=root_mean_square)
    # Sources at several places have each all channels.
    twice = found_at(factors, np.array([[1, 2, 3]]), WAVELENGTHS * 2)
    assert twice.tolist() == [[10, 20, 30, 10, 20, 30]]
    with pytest.raises(InputError, match=r"the table has 3 amplitudes for each reflection.*has 2"):
        found_at(factors, np.array([[1, 2, 3]]), WAVELENGTHS[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anomalous": "S"}, "-anomalous: a table has no atoms"),
        ({"f_second_scale": 2.0}, "-fpp_scale: there are no f' and f''"),
        ({"f_prime_shift": 2.0}, "-fp_shift: there are no f' and f''"),
        ({"atoms": [("S", 0, 0, 0, 0, 1)]}, "-atoms: expected h k l A B"),
        ({"atoms": [("Q", 0, 0, 0, 0, 1)]}, "atoms: expected elements"),
        ({"atoms": [("S", 0, 0, 0, 0, 1)], "anomalous": "Se"}, "there is no atom of Se"),
        ({"atoms": [("S", 0, 0, 0, 0, 1)] * 97}, "97 atoms in the cell are too many"),
        ({"anomalous": "Xx"}, "-anomalous: expected elements"),
    ],
)
def test_what_does_not_fit_together_is_refused(options: dict[str, Any], message: str) -> None:
    factors = HklTable(reflections=([[1, 2, 3]], [5.0]), **options)
    with pytest.raises(InputError, match=message):
        factors.prepare(experiment(), CPU, torch.float64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2400 -3\n", "line 1: expected a photon energy"),
        ("2400 -3 1\n# x\nS 1 2 3\n", "line 3: expected a photon energy"),
        ("Fe 2400 -3 1\n", "there are no f' and f'' of S"),
        ("energy f' f''\n", "there are no f' and f'' of S"),
    ],
)
def test_a_file_that_is_no_list_of_f_prime_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "f.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_corrections(path, ("S",))


def test_a_list_that_does_not_reach_the_beam_is_refused() -> None:
    listed = {"S": ((2470.0, 2500.0), (-4.0, -3.0), (1.0, 2.0))}
    with pytest.raises(InputError, match="f' and f'' of S are listed from 2470 to 2500 eV, and the beam has 2460"):
        corrections("S", torch.tensor(WAVELENGTHS, dtype=torch.float64), listed)


def test_gradients_by_f_second_and_the_wavelength_are_the_slopes() -> None:
    rng = np.random.default_rng(5)
    hkl = np.array([(h, k, l) for h in range(-4, 5) for k in range(-4, 5) for l in range(-4, 5)])
    amplitudes = rng.normal(30.0, 10.0, len(hkl)) + 1j * rng.normal(0.0, 10.0, len(hkl))

    def photons(scale: torch.Tensor, shift: torch.Tensor, first: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        factors = HklTable(
            reflections=(hkl, amplitudes),
            atoms=[("S", place, 0.2, 0.3, 15e-20, 1.0), ("S", 0.6, 0.7, 0.8, 10e-20, 0.5)],
            f_second_scale=scale,
            f_prime_shift=first,
        )
        simulation = Simulation(
            experiment(wavelength_shift=shift * A),
            structure_factors=factors,
            spectrum=Listed(wavelengths=[2.2 * A, 2.3 * A], weights=[1.0, 2.0]),
            precision="double",
            engine="eager",
        )
        return simulation.photons().reshape(4, -1).sum(dim=1) / 1e2

    numbers = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (1.2, 0.01, 0.5, 0.15)]
    assert torch.autograd.gradcheck(photons, numbers, eps=1e-6, atol=1e-4, rtol=1e-3)


def test_an_image_with_f_second_is_the_sum_of_those_of_its_wavelengths(tmp_path: Path) -> None:
    factors = plugin("structure_factors", "model", file=pdb(tmp_path / "a.pdb"), resolution=2.5 * A, anomalous="S")

    def image(spectrum: Any, **beam: Any) -> torch.Tensor:
        return Simulation(
            experiment(**beam), structure_factors=factors, spectrum=spectrum, precision="double", engine="eager"
        ).photons()

    whole = image(Listed(wavelengths=WAVELENGTHS, weights=[1.0, 2.0, 1.0]))
    parts = [image("dispersion", wavelength=length) for length in WAVELENGTHS]
    expected = 0.25 * parts[0] + 0.5 * parts[1] + 0.25 * parts[2]
    torch.testing.assert_close(whole, expected, rtol=1e-9, atol=1e-9 * float(expected.max()))
