"""Arrays of NumPy's own format, `.npy`."""

from __future__ import annotations

import io
import struct
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, hookimpl, read_at_most

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from openbragg import ImageReader, ImageSource, ReadImage

_START = b"\x93NUMPY"
#: Where the header says, from version 2 on in four bytes, how long it is.
_LENGTHS = {1: struct.Struct("<8xH"), 2: struct.Struct("<8xI"), 3: struct.Struct("<8xI")}
#: That of two axes has some hundred bytes, and nested brackets take a thousand times theirs to be understood.
_LONGEST_HEADER = 1000


@attrs.frozen
class Npy:
    """An array (slow, fast) of whole or floating-point numbers of up to 64 bits, in either order of its axes."""

    name: ClassVar[str] = "npy"
    summary: ClassVar[str] = "NumPy array (.npy), read only"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return beginning.startswith(_START)

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`."""
        from openbragg import ReadImage
        from openbragg_plugins.image_formats.arrays import check_values, rest_as_array

        path = source.path
        with source.open() as stream:
            start = read_at_most(stream, _LENGTHS[2].size)
            length = _LENGTHS.get(start[6] if len(start) > 6 else 0)
            if length is None or len(start) < _LENGTHS[2].size:
                raise InputError(f"{path}: expected a NumPy array of format version 1 to 3")
            (announced,) = length.unpack_from(start)
            if announced > _LONGEST_HEADER:
                # NumPy would reserve what is announced, up to 4 GiB.
                raise InputError(f"{path}: the NumPy header is said to have {announced} bytes")
            header = start + read_at_most(stream, length.size + announced - len(start))
            shape, by_columns, kind = _header(source, header)
            slow, fast = shape
            before = length.size + announced
            stored = rest_as_array(source, stream, before, kind, (fast, slow) if by_columns else (slow, fast))
        return (ReadImage(pixels=check_values(path, stored.T if by_columns else stored)),)


def _header(source: ImageSource, header: bytes) -> tuple[tuple[int, int], bool, np.dtype[Any]]:
    """Shape, whether columns are stored together, and type; the header is a Python literal."""
    import numpy as np

    path, stream = source.path, io.BytesIO(header)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.lib.format.read_magic(stream)
            old = header[6] == 1
            read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            shape, by_columns, kind = read(stream)
    except Exception:
        # What the parser and the number type's constructor raise over a spoilt literal is of many classes.
        raise InputError(f"{path}: the NumPy header cannot be understood") from None
    if kind.kind not in "iuf" or kind.itemsize > np.dtype(np.float64).itemsize:
        raise InputError(f"{path}: expected whole or floating-point numbers of up to 64 bits, got {str(kind)[:40]}")
    if len(shape) != 2 or not all(type(length) is int and length > 0 for length in shape):
        raise InputError(f"{path}: expected an array of shape (slow, fast), got {str(shape)[:60]}")
    return (shape[0], shape[1]), by_columns, kind


@hookimpl
def image_formats() -> list[type[ImageReader]]:
    """Offer NumPy's format."""
    return [Npy]
