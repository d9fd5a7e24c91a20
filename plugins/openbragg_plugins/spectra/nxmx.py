"""The spectrum of an NXmx file, for the images of a simulation."""

from __future__ import annotations

from pathlib import Path

from openbragg import InputError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PLACES = ("entry/instrument/beam/incident_wavelength", "entry/sample/beam/incident_wavelength")
#: Of the unit that NXmx has where none is said.
_ANGSTROM = 1e-10
#: More images than any series has.
_MOST = 1 << 24


def recognises(path: Path) -> bool:
    """Whether a file is one of HDF5, by how it begins.

    Raises
    ------
    InputError
        When it cannot be opened.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(len(_HDF5)) == _HDF5
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def read_nxmx_spectrum(path: Path, image: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Wavelengths in metres and weights of an image, by its number from 1; see `recorded_spectrum`.

    Without weights there is one wavelength for all, or one for each image.

    Raises
    ------
    InputError
        When the file has none, or h5py is not installed.
    """
    from openbragg_plugins.image_formats.nxmx.links import opened
    from openbragg_plugins.image_formats.nxmx.placing import length_factor
    from openbragg_plugins.image_formats.nxmx.spectrum import recorded_spectrum

    with opened(path, everywhere=False) as file:
        data = next((found for place in _PLACES if (found := file.get(place)) is not None), None)
        if data is None or not hasattr(data, "dtype") or not data.size or data.dtype.kind not in "iuf":
            raise InputError(f"{path}: there is no incident_wavelength in the file")
        factor = length_factor(data, _ANGSTROM)
        found = recorded_spectrum(file, data, image)
        if found is not None:
            lengths, weights = found
            return tuple((lengths * factor).tolist()), tuple(weights.tolist())
        if data.ndim > 1 or data.size > _MOST:
            raise InputError(f"{path}: the wavelengths have no weights: there are no incident_wavelength_weights")
        single = float(data[()] if data.ndim == 0 else data[(image - 1) % data.size]) * factor
    if not 0.0 < single < 1.0:
        raise InputError(f"{path}: expected an incident_wavelength above 0, in a unit of length")
    return (single,), (1.0,)
