"""Arrays of NumPy's own format, `.npy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import NPY_START, InputError, hookimpl, read_npy_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import ImageReader, ImageSource, ReadImage


@attrs.frozen
class Npy:
    """An array (slow, fast) of whole or floating-point numbers of up to 64 bits, in either order of its axes."""

    name: ClassVar[str] = "npy"
    summary: ClassVar[str] = "NumPy array (.npy), read only"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return beginning.startswith(NPY_START)

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`."""
        from openbragg import ReadImage
        from openbragg_plugins.image_formats.arrays import check_values, rest_as_array

        path = source.path
        with source.open() as stream:
            header = read_npy_header(stream, path)
            if len(header.shape) != 2:
                raise InputError(f"{path}: expected an array of shape (slow, fast), got {str(header.shape)[:60]}")
            slow, fast = header.shape
            stored_shape = (fast, slow) if header.by_columns else (slow, fast)
            stored = rest_as_array(source, stream, header.size, header.kind, stored_shape)
        return (ReadImage(pixels=check_values(path, stored.T if header.by_columns else stored)),)


@hookimpl
def image_formats() -> list[type[ImageReader]]:
    """Offer NumPy's format."""
    return [Npy]
