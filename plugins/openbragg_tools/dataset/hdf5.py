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
    """An array as it stands in a shard: compressed, by whoever made it.

    Attributes
    ----------
    shape, dtype
        Of the array.
    content, mask
        The chunk, and which filters were left out in making it.
    """

    shape: tuple[int, ...]
    dtype: str
    content: bytes
    mask: int


def packed(array: Array) -> Packed:
    """An array compressed by bitshuffle and LZ4."""
    h5py, plugins = libraries()
    with h5py.File("packed", "w", driver="core", backing_store=False) as file:
        made = file.create_dataset("array", data=array, chunks=array.shape, **plugins.Bitshuffle(cname="lz4"))
        mask, content = made.id.read_direct_chunk((0,) * array.ndim)
    return Packed(array.shape, array.dtype.str, content, mask)


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
                            chunks=(1, *array.shape),
                            track_times=False,
                            **plugins.Bitshuffle(cname="lz4"),
                        )
                    elif out[name].shape[1:] != array.shape:
                        raise InputError(
                            f"shot {numbers[place]} has an image of {array.shape[1]} x {array.shape[0]} pixels, unlike "
                            f"shot {numbers[0]} with {out[name].shape[2]} x {out[name].shape[1]}"
                        )
                    start = (place, *(0 for _ in array.shape))
                    out[name].id.write_direct_chunk(start, array.content, array.mask)

    write_file(file, write)


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
