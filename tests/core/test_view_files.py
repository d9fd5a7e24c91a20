"""Files that ``openbragg view`` cannot show: each gives one line that says why, and nothing is written."""

import base64
import hashlib
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import fabio
import h5py
import numpy as np
import pytest
import tifffile

from command_line import run
from openbragg.errors import InputError
from openbragg.orchestrator.view.cbf import from_byte_offsets, read_cbf
from openbragg.orchestrator.view.nxmx import read_nxmx
from openbragg.orchestrator.view.tiff import read_tiff
from openbragg_plugins.image_formats.byte_offset import byte_offsets
from viewing import simulate

Spoil = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image in every format, and no record."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulate(folder)
    (folder / "run.json").unlink()
    return folder


@pytest.fixture
def folder(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(name: str) -> str:
    """The one line about a file; no page is written."""
    finished = run("view", name, "--html", "out.html")
    assert (finished.status, finished.out) == (1, ""), finished.err
    assert not Path("out.html").exists()
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: ") and name in line
    assert len(line) < 300
    return line


def replaced(old: bytes, new: bytes) -> Spoil:
    def spoil(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return spoil


def cut(size: int) -> Spoil:
    return lambda content: content[:size]


def with_pixels_changed(content: bytes) -> bytes:
    place = content.index(b"\x0c\x1a\x04\xd5") + 500
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def with_fewer_pixels(content: bytes) -> bytes:
    """Compressed data of one pixel less, with its own checksum."""
    start = content.index(b"\x0c\x1a\x04\xd5") + 4
    size = int(content.split(b"X-Binary-Size: ")[1].split(b"\r")[0])
    packed = content[start : start + size - 1]
    digest = base64.b64encode(hashlib.md5(packed).digest())
    old = content.split(b"Content-MD5: ")[1].split(b"\r")[0]
    head = content[:start].replace(old, digest).replace(f"Size: {size}\r".encode(), f"Size: {size - 1}\r".encode())
    return head + packed + content[start + size :]


@pytest.mark.parametrize(
    ("name", "spoil", "reason"),
    [
        ("a.img", cut(0), "the file is empty"),
        ("a.img", cut(300), "the header is said to have"),
        ("a.img", cut(5000), "expected 90 x 70 pixels after the header"),
        ("a.img", replaced(b"unsigned_short", b"mad"), "expected pixels of TYPE unsigned_short"),
        ("a.img", replaced(b"\nDISTANCE=", b"\nDISTANCE=x"), "expected a number for DISTANCE"),
        ("a.img", replaced(b"\nWAVELENGTH=", b"\nWAVELENGTH=-"), "expected a wavelength above 0"),
        ("a.img", replaced(b"SIZE1=90", b"SIZE1=0"), "expected SIZE1 and SIZE2"),
        ("a.bin", cut(1001), "no square of float32 pixels"),
        ("a.bin", lambda content: struct.pack("<f", np.nan) + content[4:6400], "expected finite numbers"),
        ("a.cbf", cut(600), "the CBF has no binary section"),
        ("a.cbf", cut(4000), "bytes of compressed pixels, the file has"),
        ("a.cbf", with_pixels_changed, "the pixels are damaged: their checksum"),
        ("a.cbf", with_fewer_pixels, "expected 6300 pixels (90 x 70), the file holds 6299"),
        ("a.cbf", replaced(b"x-CBF_BYTE_OFFSET", b"x-CBF_PACKED"), "expected pixels in byte-offset compression"),
        ("a.cbf", replaced(b"signed 32-bit", b"signed 16-bit"), 'expected pixels of type "signed 32-bit integer"'),
        ("a.cbf", replaced(b"Fastest-Dimension: 90", b"Fastest-Dimension: -1"), "expected a whole number for X-Binary"),
        ("a.cbf", replaced(b"Fastest-Dimension: 90", b"Fastest-Dimension: 999999999"), "expected an image of 1 to"),
        ("a.cbf", replaced(b"Pixel_size 500e-6", b"Pixel_size -5e-6"), "expected a pixel size above 0"),
        ("a.tif", cut(200), "expected 25200 bytes of pixels, the file is shorter"),
        ("a.tif", cut(4), "the TIFF is damaged"),
        ("a.tif", lambda content: content[:8], "the TIFF is damaged"),
        ("a.h5", cut(200), "the HDF5 file is damaged"),
        ("a.h5", cut(5000), "the HDF5 file is damaged"),
        ("a.h5", lambda content: content[:8] + bytes(len(content) - 8), "the HDF5 file is damaged"),
    ],
)
def test_a_spoilt_file_is_refused_in_one_line(folder: Path, name: str, spoil: Spoil, reason: str) -> None:
    Path(name).write_bytes(spoil(Path(name).read_bytes()))
    assert reason in complaint(name)


def colour_tiff(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((4, 5, 3), dtype=np.uint8), photometric="rgb")


def packed_tiff(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((40, 50), dtype=np.uint16), compression="deflate")


def infinite_tiff(path: Path) -> None:
    tifffile.imwrite(path, np.full((4, 5), 1e300))


def png(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n")


def folder_of_nothing(path: Path) -> None:
    path.mkdir()


def no_images(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["entry/other"] = 1


def words_for_images(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = np.array([[b"a", b"b"]])


def four_axes(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = np.zeros((1, 2, 3, 4))


def lost_block(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["entry/data/data_000001"] = h5py.ExternalLink("lost.h5", "/entry/data/data")


def far_too_large(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data/data", (1, 1 << 20, 1 << 20), "u1", chunks=(1, 1024, 1024))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (colour_tiff, "expected a TIFF of one number a pixel, got the shape (4, 5, 3)"),
        (packed_tiff, "expected an uncompressed TIFF"),
        (infinite_tiff, "a value of 1e+300 is beyond what can be shown"),
        (png, "a PNG has shades of grey, not counts"),
        (folder_of_nothing, "it is a folder"),
        (no_images, "expected images in /entry/data of the HDF5 file, it has none"),
        (words_for_images, "expected whole or floating-point numbers"),
        (four_axes, "expected images (image, slow, fast)"),
        (lost_block, "there is no lost.h5"),
        (far_too_large, "expected an image of 1 to"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_file_of_something_else_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "file")
    assert reason in complaint("file")


def refusal(read: Callable[[Path], object], path: Path) -> str | None:
    """What a reader says of a file that it refuses."""
    try:
        read(path)
    except InputError as error:
        return str(error)
    return None


def test_a_missing_library_is_named_with_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert complaint("a.h5").endswith("a.h5: h5py is not installed, which reads HDF5: pip install 'openbragg[hdf5]'")


@pytest.mark.parametrize("name", ["a.cbf", "a.tif", "a.h5"])
def test_no_spoilt_byte_brings_a_traceback(folder: Path, name: str) -> None:
    """Bytes here and there, each changed alone: read, or refused in one line that names the file."""
    readers = {"a.cbf": read_cbf, "a.tif": read_tiff, "a.h5": lambda path: list(read_nxmx(path, lambda count: [1]))}
    content = Path(name).read_bytes()
    random = np.random.default_rng(5)
    # Most of what can go wrong is said at the beginning, and at the end of a TIFF.
    places = np.concatenate([random.integers(0, min(2000, len(content)), 40), random.integers(0, len(content), 20)])
    for place in places.tolist():
        spoilt = bytearray(content)
        spoilt[place] ^= int(random.integers(1, 256))
        Path(name).write_bytes(spoilt)
        line = refusal(readers[name], Path(name))
        assert line is None or (name in line and "\n" not in line)


@pytest.mark.parametrize("largest", [100, 127, 128, 40000, 2**31 - 1])
def test_byte_offsets_are_those_that_were_packed(largest: int) -> None:
    random = np.random.default_rng(largest)
    pixels = random.integers(-largest - 1, largest, (31, 17), endpoint=True).astype(np.int32)
    # Differences at the limits of each length.
    pixels[0, :8] = np.clip([0, 127, 0, 128, 0, 32767, 0, 32768], -largest - 1, largest)
    packed = np.frombuffer(byte_offsets(pixels), dtype=np.uint8)
    assert np.array_equal(from_byte_offsets(packed).reshape(31, 17), pixels)


def test_a_cbf_is_read_as_fabio_reads_it(folder: Path) -> None:
    frame = read_cbf(folder / "a.cbf")
    assert np.array_equal(frame.pixels, fabio.open("a.cbf").data)
    assert frame.overload == 1048576.0


def test_a_cbf_of_fabio_is_read(folder: Path) -> None:
    pixels = np.random.default_rng(2).poisson(40, (20, 30)).astype(np.int32)
    pixels[3:5] = -1
    fabio.cbfimage.CbfImage(data=pixels).write("f.cbf")
    frame = read_cbf(folder / "f.cbf")
    assert np.array_equal(frame.pixels, pixels)
    assert frame.geometry is None
    assert frame.masked is not None and np.array_equal(frame.masked, pixels < 0)


def test_an_nxmx_file_without_modules_is_placed_by_its_beam_centre(folder: Path) -> None:
    with h5py.File("e.h5", "w") as file:
        file["entry/data/data"] = np.array([[[1, 2**32 - 1, 3], [4, 5, 6]]], dtype=np.uint32)
        detector = file.create_group("entry/instrument/detector")
        for name, value, unit in (("x_pixel_size", 0.075, "mm"), ("detector_distance", 200.0, "mm")):
            detector[name] = value
            detector[name].attrs["units"] = unit
        detector["beam_center_x"], detector["beam_center_y"] = 1.5, 1.0
        detector["pixel_mask"] = np.array([[0, 0, 0], [0, 0, 8]], dtype=np.uint32)
        file["entry/instrument/beam/incident_wavelength"] = 0.9
    (frame,) = read_nxmx(folder / "e.h5", lambda count: [1])
    assert frame.masked is not None
    assert frame.masked.tolist() == [[False, True, False], [False, False, True]]
    assert frame.geometry is not None
    assert frame.geometry.wavelength == pytest.approx(0.9e-10)
    (panel,) = frame.geometry.panels
    assert panel.origin @ frame.geometry.beam == pytest.approx(0.2)
    assert -panel.origin @ panel.fast == pytest.approx(1.5 * 75e-6)
    assert -panel.origin @ panel.slow == pytest.approx(75e-6)
