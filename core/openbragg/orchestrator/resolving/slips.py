"""Slips of the hand: values that can be meant, but seldom are, and what was probably meant instead."""

from __future__ import annotations

from openbragg.model import Beam, Crystal, Detector, Experiment
from openbragg.model.scalars import plain
from openbragg.units import HC_EV_ANGSTROM, unit

#: Wavelengths of X-rays, in angstroms.
_SHORTEST, _LONGEST = 0.01, 10.0
#: Those that are typed in other units, in angstroms.
_USUAL = (0.2, 5.0)
#: Photon energies in keV that are typed where eV, or angstroms, are expected.
_KEV = (1.0, 200.0)
#: Distances and sides of pixels that detectors have, in mm; and edges of cells, in angstroms.
_DISTANCES, _PIXELS, _EDGES = (2.0, 1e5), (5e-4, 5.0), (1.5, 3000.0)
#: Width of the largest crystal that may diffract as one block, in metres.
_LARGEST_BLOCK = 2e-6


def likely_slips(experiment: Experiment) -> list[str]:
    """What is to be said of an experiment, its numbers of cells known, before it is rendered; one line each."""
    lines = [_wavelength_slip(experiment.beam), *_detector_slips(experiment.detector), _cell_slip(experiment.crystal)]
    return [line for line in lines if line]


def block_slip(crystal: Crystal, oversample: int | None = None) -> str:
    """A line where a crystal is larger than one that diffracts as a whole; empty where it is not."""
    lengths = crystal.oriented_vectors().detach().norm(dim=1).tolist()
    counts = [plain(count) for count in crystal.cells]
    largest = max(length * count for length, count in zip(lengths, counts, strict=True))
    if largest <= _LARGEST_BLOCK:
        return ""
    cells = " x ".join(f"{count:g}" for count in counts)
    finely = f", in {oversample} x {oversample} subpixels" if oversample else ""
    return (
        f"a crystal of {largest * 1e6:.3g} um is taken as one coherent block, with every fringe of its {cells} cells"
        f"{finely}; real ones are mosaics of blocks of some 0.1 to 1 um: give a block's size with -N or -xtalsize, and "
        "how the blocks are turned with -mosaic and -mosaic_domains"
    )


def _wavelength_slip(beam: Beam) -> str:
    """A line for a wavelength that X-rays do not have."""
    wavelength = plain(beam.wavelength) * 1e10
    if _SHORTEST <= wavelength <= _LONGEST:
        return ""
    energy = HC_EV_ANGSTROM / wavelength
    said = f"the wavelength is {wavelength:.6g} A, {energy:.6g} eV, which is not that of X-rays for diffraction"
    return f"{said}: {_meant(wavelength, energy)}"


def _meant(wavelength: float, energy: float) -> str:
    """What was probably meant by a wavelength in angstroms, an energy in eV."""
    if wavelength < _SHORTEST:
        for factor, name in ((1e10, "metres"), (1e7, "millimetres"), (1e4, "micrometres")):
            if _USUAL[0] <= wavelength * factor <= _USUAL[1]:
                return f"-lambda is in A; if {name} were typed, give -lambda {wavelength * factor:.6g}"
        if _KEV[0] <= energy / 1e6 <= _KEV[1]:
            return f"-energy is in eV; if meV were typed, give -energy {energy / 1e3:.6g}"
    elif _KEV[0] <= energy <= _KEV[1]:
        return f"-energy is in eV; if keV were typed, give -energy {energy * 1e3:.6g}"
    elif _SHORTEST <= energy <= _LONGEST:
        return (
            f"-energy is in eV and -lambda in A; if one was typed for the other, give -lambda {energy:.6g} or "
            f"-energy {wavelength:.6g}"
        )
    elif wavelength <= _KEV[1]:
        return f"-lambda is in A; if keV were typed, give -energy {wavelength * 1e3:.6g}"
    return "-lambda is in A, -energy in eV"


def _detector_slips(detector: Detector) -> list[str]:
    """Lines for a distance and a pixel that detectors do not have; those of a described layout are its own."""
    if detector.layout:
        return []
    flag, distance = ("-distance", detector.distance)
    if detector.close_distance is not None:
        flag, distance = "-close_distance", detector.close_distance
    metres, millimetres = plain(distance), unit("mm").from_si
    pixel = plain(detector.pixel_size)
    lines = []
    if millimetres(metres) < _DISTANCES[0]:
        lines.append(
            f"the detector is {millimetres(metres):.6g} mm from the crystal: {flag} is in mm; if metres were typed, "
            f"give {flag} {millimetres(metres) * 1e3:.6g}"
        )
    elif millimetres(metres) > _DISTANCES[1]:
        lines.append(
            f"the detector is {metres:.6g} m from the crystal: {flag} is in mm; if micrometres were typed, "
            f"give {flag} {metres:.6g}"
        )
    if millimetres(pixel) > _PIXELS[1]:
        lines.append(
            f"pixels are {millimetres(pixel):.6g} mm wide: -pixel is in mm; if micrometres were typed, "
            f"give -pixel {pixel:.6g}"
        )
    elif millimetres(pixel) < _PIXELS[0]:
        lines.append(
            f"pixels are {millimetres(pixel):.3g} mm wide: -pixel is in mm; if metres were typed, "
            f"give -pixel {millimetres(pixel) * 1e3:.6g}"
        )
    return lines


def _cell_slip(crystal: Crystal) -> str:
    """A line for a cell that no crystal has."""
    lengths = [length * 1e10 for length in crystal.oriented_vectors().detach().norm(dim=1).tolist()]
    if _EDGES[0] <= min(lengths) and max(lengths) <= _EDGES[1]:
        return ""
    edges = " ".join(f"{length:.4g}" for length in lengths)
    return f"the edges of the cell are {edges} A, which no crystal has: -cell is in A and degrees"
