"""Which plugin reads an image, packed or not: by content, alone, in bounded memory, or refused in one line."""

import bz2
import gzip
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest

from openbragg import InputError, UsageError, read_image, read_images
from openbragg.orchestrator.finding import registry as registries
from openbragg.roles import Found, Registry
from openbragg.roles.image_source import ImageSource

Pack = Callable[[bytes], bytes]
PACKERS: dict[str, Pack] = {"gz": gzip.compress, "bz2": bz2.compress}


def smv(pixels: np.ndarray, **keys: object) -> bytes:
    slow, fast = pixels.shape
    said = {"HEADER_BYTES": 512, "SIZE1": fast, "SIZE2": slow, **keys}
    header = "{\n" + "".join(f"{key}={value};\n" for key, value in said.items()) + "}\f"
    return header.encode("ascii").ljust(512) + pixels.astype("<u2").tobytes()


PIXELS = np.random.default_rng(3).integers(0, 9, (50, 40)).astype(np.uint16)


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("name", ["image.img", "image.img.packed", "image"])
def test_a_packed_image_is_read_whatever_its_name(tmp_path: Path, packer: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKERS[packer](smv(PIXELS)))
    assert np.array_equal(read_image(path).pixels, PIXELS)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_raw_image_is_square_or_of_its_shape(tmp_path: Path, packer: str) -> None:
    path = tmp_path / "raw"
    path.write_bytes(PACKERS[packer](np.arange(16, dtype="<f4").tobytes()))
    assert read_image(path).pixels.shape == (4, 4)
    assert read_image(path, shape=(2, 8)).pixels.shape == (2, 8)
    with pytest.raises(InputError, match=r"expected 3 x 3 pixels .* the file has 64"):
        read_image(path, shape=(3, 3))


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_a_packed_file_that_is_cut_short_is_refused(tmp_path: Path, packer: str, part: float) -> None:
    path = tmp_path / "image"
    packed = PACKERS[packer](smv(np.random.default_rng(1).integers(0, 65536, (50, 40))))
    path.write_bytes(packed[: int(len(packed) * part)])
    with pytest.raises(InputError) as caught:
        read_image(path)
    (line,) = str(caught.value).splitlines()
    assert str(path) in line


@pytest.mark.parametrize("packer", PACKERS)
def test_a_damaged_packed_file_is_refused(tmp_path: Path, packer: str) -> None:
    path = tmp_path / "image"
    packed = bytearray(PACKERS[packer](smv(np.random.default_rng(1).integers(0, 65536, (50, 40)))))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(InputError, match="image"):
        read_image(path)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_bomb_unpacks_no_further_than_its_header_says(tmp_path: Path, packer: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(PACKERS[packer](smv(np.zeros((2, 2))) + bytes(100_000_000)))
    assert path.stat().st_size < 200_000
    assert read_image(path).pixels.shape == (2, 2)
    tracemalloc.start()
    try:
        read_image(path)
        # What is shown to the plugins, and buffers.
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packer", PACKERS)
def test_a_bomb_of_raw_pixels_is_counted_in_little_memory(tmp_path: Path, packer: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(PACKERS[packer](bytes(50_000_002)))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="its 50000002 bytes are no square"):
            read_image(path)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_more_than_any_image_has_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbragg.roles.image_source.MOST_UNPACKED", 1_000_000)
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(bytes(2_000_000)))
    with pytest.raises(InputError, match="it unpacks to more than 1000000 bytes"):
        read_image(path)


def test_a_source_reads_no_more_than_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(bytes(1000)))
    assert len(ImageSource(path=path).content(1000, "a thing")) == 1000
    with pytest.raises(InputError, match="file: too large for a thing"):
        ImageSource(path=path).content(999, "a thing")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, reason in (
        (tmp_path, "it is a folder"),
        (tmp_path / "none", "No such file"),
        (pipe, "it is not a regular file"),
        (Path("/dev/zero"), "it is not a regular file"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            read_image(path)
        assert str(path) in str(caught.value)


def test_an_image_that_is_not_there_is_refused_with_the_number_there_are(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(smv(PIXELS))
    assert np.array_equal(read_image(path, number=1).pixels, PIXELS)
    for number in (0, 2, -1):
        with pytest.raises(UsageError, match=f"there is no image {number}, it has 1"):
            read_image(path, number=number)


def reader(name: str, *, general: bool = False, start: bytes = b"{") -> type:
    """A plugin that recognises files by how they begin, and reads one pixel."""

    @attrs.frozen
    class Reader:
        name: ClassVar[str] = ""
        summary: ClassVar[str] = "a reader"
        flags: ClassVar[tuple[str, ...]] = ()
        general: ClassVar[bool] = False

        @classmethod
        def recognises(cls, beginning: bytes, name: str) -> bool:
            return beginning.startswith(start)

        def read(self, source: ImageSource) -> Any:
            raise InputError(f"{source.path}: read by {name}")

    Reader.name, Reader.general = name, general
    return Reader


def registry(*classes: type) -> Registry:
    """One with these image formats."""
    installed = registries.default_registry()
    role = next(role for role in installed.roles if role.hook == "image_formats")
    found = [
        Found(role=role, cls=cls, distribution="test", version="1", entry_point="test", path="test.py")
        for cls in classes
    ]
    return Registry(tuple(found), (), (), installed.roles)


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ([reader("one")], "read by one"),
        ([reader("all", general=True), reader("one")], "read by one"),
        ([reader("all", general=True)], "read by all"),
        ([reader("raw", start=b"never")], "read by raw"),
        ([reader("one"), reader("two")], "is recognised by one and two: block one with --no-plugin"),
        ([reader("one", start=b"never")], "is no image that an installed format reads; installed: one"),
        ([], "is no image that an installed format reads; installed: none"),
    ],
)
def test_the_plugin_that_is_made_for_a_file_reads_it(tmp_path: Path, classes: list[type], reason: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(smv(PIXELS))
    with pytest.raises((InputError, UsageError), match=reason) as caught:
        read_images(path, registry=registry(*classes))
    assert str(path) in str(caught.value)


def test_a_plugin_may_read_without_writing_and_no_other_half() -> None:
    (role,) = (role for role in registries.default_registry().roles if role.hook == "image_formats")
    assert role.missing(reader("one")) == []
    assert role.missing(type("Neither", (), {})) == ["write", "default_file"]
    assert role.missing(type("Half", (), {"write": print})) == ["default_file"]
