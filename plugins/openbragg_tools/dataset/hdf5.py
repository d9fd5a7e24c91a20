"""Shards in HDF5: the arrays of some shots, a chunk for each image, and a master that shows all of them as one."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from openbragg import InputError, UsageError, write_file

Array = np.ndarray[Any, np.dtype[Any]]

#: The numbers of the shots, beside their arrays.
NUMBERS = "shot"


@cache
def libraries() -> tuple[Any, Any]:
    """HDF5, and its compressions.

    Raises
    ------
    UsageError
        When they are not there.
    """
    try:
        import h5py
        import hdf5plugin
    except ImportError:
        raise UsageError("a data set needs h5py and hdf5plugin: pip install 'openbragg[datasets]'") from None
    # Where HDF5_PLUGIN_PATH leads to the same filter, HDF5 has loaded it by itself, and without what it needs of h5py.
    hdf5plugin.register("bshuf", force=True)
    return h5py, hdf5plugin


@attrs.frozen(eq=False)
class Packed:
    """An array of a shot as it stands in a shard: compressed, by whoever made it.

    Attributes
    ----------
    shape, dtype
        Of the array.
    chunks, mask
        The chunks, of the whole array or one for each step along its first axis, and which filters were left out in
        making them.
    """

    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[bytes, ...]
    mask: int

    def chunk_shape(self) -> tuple[int, ...]:
        """The shape of a chunk in a shard, whose first axis is that of the shots."""
        return (1, *self.shape) if len(self.chunks) == 1 else (1, 1, *self.shape[1:])


def packed(array: Array, *, stacked: bool = False) -> Packed:
    """An array compressed by bitshuffle and LZ4; if it is a stack of images, each for itself."""
    h5py, plugins = libraries()
    shape = (1, *array.shape[1:]) if stacked else array.shape
    chunks = []
    with h5py.File("packed", "w", driver="core", backing_store=False) as file:
        made = file.create_dataset("array", data=array, chunks=shape, **plugins.Bitshuffle(cname="lz4"))
        for number in range(len(array) if stacked else 1):
            mask, content = made.id.read_direct_chunk((number, *(0 for _ in shape[1:])))
            chunks.append(content)
    return Packed(array.shape, array.dtype.str, tuple(chunks), mask)


def write_shard(file: Path, numbers: Sequence[int], shots: Iterable[Mapping[str, Packed]]) -> None:
    """Write the arrays of shots, one after the other; equal shots give equal bytes.

    Raises
    ------
    InputError
        When the file cannot be written; there is no half a file then.
    """
    h5py, plugins = libraries()

    def write(stream: Any) -> None:
        with h5py.File(stream, "w", libver=("v110", "v110"), track_order=False) as out:
            out.create_dataset(NUMBERS, data=np.array(numbers, dtype=np.int64), track_times=False)
            for place, arrays in enumerate(shots):
                for name, array in arrays.items():
                    if place == 0:
                        out.create_dataset(
                            name,
                            shape=(len(numbers), *array.shape),
                            dtype=array.dtype,
                            chunks=array.chunk_shape(),
                            track_times=False,
                            **plugins.Bitshuffle(cname="lz4"),
                        )
                    elif out[name].shape[1:] != array.shape:
                        here, first = array.shape, out[name].shape[1:]
                        raise InputError(
                            f"shot {numbers[place]} has an image of {_pixels(here)} pixels, unlike "
                            f"shot {numbers[0]} with {_pixels(first)}"
                        )
                    for number, content in enumerate(array.chunks):
                        start = (place, number, *(0 for _ in array.shape[1:]))
                        out[name].id.write_direct_chunk(start, content, array.mask)

    write_file(file, write)


def _pixels(shape: tuple[int, ...]) -> str:
    """The size of images for people, fast first."""
    return " x ".join(map(str, reversed(shape)))


@attrs.frozen
class Part:
    """A shard as the master needs it: its file, and how many shots are in it."""

    file: str
    shots: int


def write_master(file: Path, parts: Sequence[Part]) -> None:
    """Write a file in which the arrays of all shards, which lie in its folder, look like one.

    Raises
    ------
    InputError
        When it cannot be written, or the shards do not fit together.
    """
    h5py, _ = libraries()
    total = sum(part.shots for part in parts)
    with h5py.File(file.parent / parts[0].file, "r") as first:
        kinds = {name: (data.shape[1:], data.dtype) for name, data in first.items()}

    def write(stream: Any) -> None:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", libver=("v110", "v110")) as out:
            for name, (shape, dtype) in kinds.items():
                # The low level, for create_virtual_dataset notes the time, by which equal data sets would differ.
                made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                made.set_obj_track_times(False)
                space = h5py.h5s.create_simple((total, *shape))
                start = 0
                for part in parts:
                    size = (part.shots, *shape)
                    space.select_hyperslab((start, *(0 for _ in shape)), size)
                    made.set_virtual(space, part.file.encode(), name.encode(), h5py.h5s.create_simple(size))
                    start += part.shots
                space.select_all()
                h5py.h5d.create(out.id, name.encode(), h5py.h5t.py_create(dtype, logical=True), space, made)
        stream.write(buffer.getvalue())

    write_file(file, write)


def read_shots(file: Path) -> Iterator[tuple[int, dict[str, Array]]]:
    """The shots of a shard with their numbers.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    h5py, _ = libraries()
    try:
        with h5py.File(file, "r") as shard:
            for place, number in enumerate(shard[NUMBERS][...]):
                yield int(number), {name: data[place] for name, data in shard.items() if name != NUMBERS}
    except (OSError, KeyError) as error:
        raise InputError(f"{file}: {str(error).splitlines()[0]}") from None
