"""Sources of structure factors with f' and f'': what they are at the wavelengths of a beam."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg import InputError
from openbragg_plugins.structure_factors.atoms import Atom, read_atoms, refuse_too_many
from openbragg_plugins.structure_factors.corrections import Listed, corrections, elements_of, read_corrections
from openbragg_plugins.structure_factors.lookup import TableLookup
from openbragg_plugins.structure_factors.spectral import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from openbragg import Beam, Experiment


class Dispersing(TableLookup):
    """What a plugin with options for f' and f'' computes from them.

    Attributes
    ----------
    anomalous
        Elements, with commas between them.
    atoms_file, atoms
        Atoms beside a table, of a file or from Python.
    corrections_file, corrections
        f' and f'' by element, likewise: energies in electronvolts, f' and f''.
    f_prime_shift, f_second_shift, f_second_scale
        What is added to all f' and f'' in electrons, and what f'' is multiplied by before.
    """

    anomalous: str | None
    atoms_file: Path | None
    atoms: Any
    corrections_file: Path | None
    corrections: Mapping[str, Listed] | None
    f_prime_shift: Any
    f_second_shift: Any
    f_second_scale: Any

    def elements(self) -> tuple[str, ...]:
        """The elements that are asked for; none where none is."""
        return () if self.anomalous is None else elements_of(self.anomalous, "-anomalous")

    def chosen_atoms(self) -> tuple[Atom, ...]:
        """The atoms beside a table that count; none where there are none.

        Raises
        ------
        InputError
            When the file cannot be used, there are too many, or none is of an element that is asked for.
        """
        wanted = self.elements()
        if self.atoms is None and self.atoms_file is None:
            if wanted:
                raise InputError("-anomalous: a table has no atoms: give those of the elements with -atoms")
            self.refuse_corrections()
            return ()
        given = self.atoms if self.atoms is not None else read_atoms(self.atoms_file)  # type: ignore[arg-type]
        atoms = tuple(each for each in map(_atom, given) if not wanted or each.element in wanted)
        if not atoms:
            raise InputError(f"{self.atoms_file or 'atoms'}: there is no atom of {', '.join(wanted)}")
        refuse_too_many(atoms)
        return atoms

    def refuse_corrections(self) -> None:
        """Refuse options about f' and f'' where nothing has any.

        Raises
        ------
        InputError
            With one of them.
        """
        given = {
            "-anomalous_file": self.corrections_file is not None,
            "-fp_shift": not _is(self.f_prime_shift, 0.0),
            "-fpp_shift": not _is(self.f_second_shift, 0.0),
            "-fpp_scale": not _is(self.f_second_scale, 1.0),
        }
        for flag, said in given.items():
            if said:
                raise InputError(f"{flag}: there are no f' and f'': name elements with -anomalous, or give -atoms")

    def corrected(self, elements: Sequence[str], wavelengths: torch.Tensor, *, clamped: bool = False) -> torch.Tensor:
        """f' and f'' of each element in turn, at wavelengths in metres: float64, (wavelengths, 2 x elements).

        With `clamped`, a list goes on beyond its ends as it is there.
        """
        import torch

        from openbragg import scalar

        listed = dict(self.corrections or {})
        if self.corrections_file is not None:
            listed = {**read_corrections(self.corrections_file, dict.fromkeys(elements)), **listed}
        shifts = torch.stack([scalar(self.f_prime_shift), scalar(self.f_second_shift)]).to(wavelengths.device)
        scales = torch.stack([scalar(1.0), scalar(self.f_second_scale)]).to(wavelengths.device)
        found = {
            element: corrections(element, wavelengths, listed, clamped=clamped) * scales + shifts
            for element in dict.fromkeys(elements)
        }
        return torch.cat([found[element] for element in elements], dim=1)

    def own(self, elements: Sequence[str], beam: Beam, device: torch.device) -> torch.Tensor:
        """The same at the beam's own wavelength, (2 x elements,)."""
        from openbragg import scalar

        moved = scalar(beam.wavelength_scale) * scalar(beam.wavelength) + scalar(beam.wavelength_shift)
        return self.corrected(elements, moved.reshape(1), clamped=True)[0].to(device)

    def numbers_of(self, wavelengths: torch.Tensor, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `TableLookup.numbers_of`."""
        if len(tables) == CHANNELS:
            return super().numbers_of(wavelengths, tables)
        elements = self.elements() if self.of_elements(tables) else _names(tables[4][:, 5])
        return self.corrected(elements, wavelengths)

    def of_elements(self, tables: tuple[torch.Tensor, ...]) -> bool:
        """Whether tables have sums over the atoms of each element."""
        return len(tables) == CHANNELS + 1

    def with_atoms(
        self, tables: tuple[torch.Tensor, ...], atoms: Sequence[Atom], experiment: Experiment
    ) -> tuple[torch.Tensor, ...]:
        """Tables of complex amplitudes, with what `amplitude_at` needs of atoms."""
        import gemmi
        import torch

        from openbragg import scalar

        device = tables[0].device
        rows = [
            [scalar(value) for value in (*each.place, each.b_factor, each.occupancy)]
            + [scalar(gemmi.Element(each.element).atomic_number)]
            for each in atoms
        ]
        reciprocal = torch.linalg.inv(experiment.crystal.oriented_vectors())
        metric = reciprocal.T @ reciprocal
        own = self.own([each.element for each in atoms], experiment.beam, device)
        return (*tables, own, torch.stack([torch.stack(row) for row in rows]).to(device), metric.to(device))


def _atom(given: Any) -> Atom:
    """An atom, or the numbers of one: element, x, y, z, B factor in square metres, occupancy."""
    if isinstance(given, Atom):
        return given
    element, x, y, z, *others = given
    (name,) = elements_of(element, "atoms")
    return Atom(name, (x, y, z), *others)


def _names(numbers: torch.Tensor) -> list[str]:
    import gemmi

    return [gemmi.Element(round(number)).name for number in numbers.detach().tolist()]


def _is(value: Any, number: float) -> bool:
    return not hasattr(value, "detach") and float(value) == number
