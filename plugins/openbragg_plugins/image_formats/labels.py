"""Labels of pixels: from which crystal, reflection and wavelength their photons come."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import UsageError, hookimpl, option, unit

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Image, ImageFormat, PixelLabels

_SUFFIXES = (".npz", ".npy", ".bin", ".raw")
#: Every array's time in a zip archive, so that equal runs give equal files.
_TIME = (1980, 1, 1, 0, 0, 0)


@attrs.frozen
class LabelsFile:
    """Arrays of the stored frame, (slow, fast): wavelength in A, h, k, l, the crystal's number, and Bragg or not.

    A ``.npz`` has each by its name; a ``.npy``, and a file of bare float32 numbers (.bin, .raw), have the six planes
    one after the other.
    """

    name: ClassVar[str] = "labels"
    summary: ClassVar[str] = "labels of pixels: wavelength, h k l, crystal, Bragg peak or not"
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option(
        "-labelsfile",
        type=Path,
        output="labels",
        metavar="FILE",
        help="Write of each pixel the mean wavelength, h k l, the crystal that gives most photons, and whether a Bragg "
        "peak covers it, by the name's end as .npz, .npy, or bare numbers (.bin, .raw).",
    )

    def __attrs_post_init__(self) -> None:
        if self.file is not None and self.file.suffix.lower() not in _SUFFIXES:
            raise UsageError(
                f"-labelsfile: expected a name that ends in {', '.join(_SUFFIXES)}, got {str(self.file)!r}"
            )

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        import numpy as np

        assert image.labels is not None
        planes = planes_of(image.labels)
        suffix = self.file.suffix.lower() if self.file is not None else ".npz"
        if suffix == ".npz":
            stream.write(_archive(planes))
            return
        stacked = np.stack([plane.astype("<f4") for plane in planes.values()])
        stream.write(_npy(stacked) if suffix == ".npy" else stacked.tobytes())

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return None


def planes_of(labels: PixelLabels) -> dict[str, np.ndarray[Any, Any]]:
    """Six arrays (slow, fast): wavelength in A, h, k and l in float32, lattice in int32, bragg in uint8."""
    import numpy as np

    index = labels.index.cpu().numpy()
    return {
        "wavelength": unit("A").from_si(labels.wavelength.cpu().numpy()).astype(np.float32),
        **{name: index[..., place].astype(np.float32) for place, name in enumerate("hkl")},
        "lattice": labels.lattice.cpu().numpy().astype(np.int32),
        "bragg": labels.bragg.cpu().numpy().astype(np.uint8),
    }


def _archive(planes: dict[str, np.ndarray[Any, Any]]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, plane in planes.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _TIME), _npy(plane), zipfile.ZIP_DEFLATED)
    return memory.getvalue()


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    import numpy as np

    memory = io.BytesIO()
    np.save(memory, array)
    return memory.getvalue()


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer it."""
    return [LabelsFile]
