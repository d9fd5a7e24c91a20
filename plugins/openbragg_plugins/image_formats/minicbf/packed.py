"""Packed pixels of CBF images, as the library pycbf takes them out."""

from __future__ import annotations

import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from openbragg import InputError

#: What follows the pixels: the library reads the file up to here.
_END = b"\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n"
_BYTES = 4
_INSTALL = "pip install 'openbragg[images]'"


def unpacked(path: Path, content: bytes, pixels: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The pixels of a packed CBF image, one after the other.

    Parameters
    ----------
    path
        What messages call the file.
    content
        The file up to the end of its pixels, unpacked if it was packed as a whole.
    pixels
        How many there are to be.

    Raises
    ------
    InputError
        When pycbf is not installed, or cannot take them out.
    """
    if find_spec("pycbf") is None:
        raise InputError(f"{path}: pycbf is not installed, which reads packed CBF images: {_INSTALL}")
    pycbf: Any = import_module("pycbf")

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.cbf"
        file.write_bytes(content + _END)
        handle = pycbf.cbf_handle_struct()
        try:
            handle.read_widefile(str(file).encode(), pycbf.MSG_DIGEST)
            handle.rewind_datablock()
            handle.find_category(b"array_data")
            handle.find_column(b"data")
            handle.rewind_row()
            found = handle.get_integerarray_as_string()
        except Exception as error:  # its own errors are of no class of their own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{path}: the packed pixels cannot be read: {reason}") from None
    if len(found) != _BYTES * pixels:
        raise InputError(f"{path}: expected {pixels} pixels, the file holds {len(found) // _BYTES}")
    return np.frombuffer(found, dtype="<i4").astype(np.int32)
