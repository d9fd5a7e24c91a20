"""Files that ``openbragg view`` cannot show: each gives one line that says why, and nothing is written."""

import base64
import hashlib
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from command_line import run
from openbragg.errors import InputError
from openbragg_tools.view.page import Look, describe
from viewing import only, simulate

Spoil = Callable[[bytes], bytes]
DETECTOR = "entry/instrument/detector"


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
        ("a.cbf", replaced(b"x-CBF_BYTE_OFFSET", b"x-CBF_CANONICAL"), "expected pixels in byte-offset or packed compr"),
        ("a.cbf", replaced(b"x-CBF_BYTE_OFFSET", b"x-CBF_PACKED"), "the packed pixels cannot be read: CBFlib Error"),
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
    Image.fromarray(np.zeros((4, 5), dtype=np.uint8)).save(path, format="PNG")


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


def described(path: Path) -> dict[str, Any]:
    """What a page says of an image, as it stands in the page."""
    content, _ = describe(only(path), 0, Look())
    said: dict[str, Any] = json.loads(json.dumps(content, allow_nan=False))
    return said


def refusal(path: Path) -> str | None:
    """What is said of a file that is refused; None when a page can be made of it."""
    try:
        described(path)
    except InputError as error:
        return str(error)
    return None


def test_a_missing_library_is_named_with_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert complaint("a.h5").endswith("a.h5: h5py is not installed, which reads HDF5: pip install 'openbragg[hdf5]'")


@pytest.mark.parametrize("name", ["a.cbf", "a.tif", "a.h5"])
def test_no_spoilt_byte_brings_a_traceback(folder: Path, name: str) -> None:
    """Bytes here and there, each changed alone: read and described, or refused in one line that names the file."""
    content = Path(name).read_bytes()
    random = np.random.default_rng(5)
    # Most of what can go wrong is said at the beginning, and at the end of a TIFF.
    places = np.concatenate([random.integers(0, min(2000, len(content)), 40), random.integers(0, len(content), 20)])
    for place in places.tolist():
        spoilt = bytearray(content)
        spoilt[place] ^= int(random.integers(1, 256))
        Path(name).write_bytes(spoilt)
        line = refusal(Path(name))
        assert line is None or (name in line and "\n" not in line)


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
    frame = only(folder / "e.h5").frame
    assert frame.masked is not None
    assert frame.masked.tolist() == [[False, True, False], [False, False, True]]
    assert frame.geometry is not None
    assert frame.geometry.wavelength == pytest.approx(0.9e-10)
    (panel,) = frame.geometry.panels
    assert panel.origin @ frame.geometry.beam == pytest.approx(0.2)
    assert -panel.origin @ panel.fast == pytest.approx(1.5 * 75e-6)
    assert -panel.origin @ panel.slow == pytest.approx(75e-6)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("a.img", replaced(b"SATURATION=", "SATURATION=\u00b2;\nOLD=".encode("latin-1"))),
        ("a.img", replaced(b"SATURATION=", b"SATURATION=" + b"9" * 400 + b";\nOLD=")),
        ("a.cbf", replaced(b"Count_cutoff 1048575", b"Count_cutoff 1e999")),
    ],
    ids=["no digit", "400 digits", "exponent"],
)
def test_an_overload_that_is_no_number_is_none(folder: Path, name: str, spoil: Spoil) -> None:
    content = Path(name).read_bytes()
    changed = spoil(content)
    if name == "a.img":
        # The header keeps its length.
        size = int(content.split(b"HEADER_BYTES=")[1].split(b";")[0])
        added = len(changed) - len(content)
        assert not content[size - added : size].strip(b" \0")
        changed = changed[:size] + changed[size + added :]
    Path(name).write_bytes(changed)
    assert described(Path(name))["overload"] is None


def test_a_camera_too_far_for_numbers_places_nothing(folder: Path) -> None:
    content = Path("a.cbf").read_bytes()
    old = content.split(b"Beam_xy ")[1].split(b" pixels")[0]
    Path("a.cbf").write_bytes(content.replace(old, b"(1e308, 1e308)"))
    said = described(Path("a.cbf"))
    assert said["geometry"] is None or np.isfinite(said["geometry"]["panels"][0]["origin"]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["saturation_value", "vector", "offset", "translation", "start", "increment"])
def test_numbers_of_an_nxmx_file_that_are_none_place_nothing(folder: Path, name: str, value: float) -> None:
    with h5py.File("a.h5", "r+") as file:
        detector = file[DETECTOR]
        (module,) = (detector[key] for key in detector if detector[key].attrs.get("NX_class") == "NXdetector_module")
        fast = module["fast_pixel_direction"]
        axis = file["entry/sample"][file["entry/sample/depends_on"][()].decode()]
        plain = axis.name.rsplit("/", 1)[-1]
        if name == "saturation_value":
            del detector[name]
            detector[name] = value
        elif name == "translation":
            module[fast.attrs["depends_on"]][...] = value
        elif name == "start":
            axis[...] = value
        elif name == "increment":
            axis.parent[f"{plain}_increment_set"][...] = value
        else:
            fast.attrs[name] = np.array([0.0, value, 0.0])
    said = described(Path("a.h5"))
    assert (said["overload"] is None) == (name == "saturation_value")
    assert (said["geometry"] is None) == (name != "saturation_value")


@pytest.mark.parametrize("key", ["distance", "beam_center_x", "omega"])
def test_an_unknown_unit_beside_a_beam_centre_places_nothing(folder: Path, key: str) -> None:
    def place(unit: str) -> dict[str, Any] | None:
        with h5py.File("e.h5", "w") as file:
            file["entry/data/data"] = np.ones((1, 2, 3), dtype=np.uint16)
            file["entry/instrument/beam/incident_wavelength"] = 0.9
            detector = file.create_group(DETECTOR)
            for name, value in (
                ("x_pixel_size", 1e-4),
                ("distance", 0.2),
                ("beam_center_x", 1.5),
                ("beam_center_y", 1.0),
            ):
                detector[name] = value
            sample = file.create_group("entry/sample")
            sample["depends_on"], sample["omega"] = "omega", 3.0
            sample["omega"].attrs.update({"transformation_type": "rotation", "vector": (-1.0, 0.0, 0.0)})
            (sample if key == "omega" else detector)[key].attrs["units"] = unit
        said = described(Path("e.h5"))["geometry"]
        assert said is None or isinstance(said, dict)
        return said

    assert place("") is not None
    assert place("furlong") is None


def shifted(unit: str | None) -> None:
    """An NXmx file whose one pixel direction has an offset, and no other in its chain."""
    with h5py.File("o.h5", "w") as file:
        file["entry/data/data"] = np.ones((1, 4, 5), dtype=np.uint16)
        file["entry/instrument/beam/incident_wavelength"] = 1.0
        module = file.create_group(f"{DETECTOR}/module")
        module.attrs["NX_class"] = "NXdetector_module"
        for name, along in (("fast", (-1.0, 0.0, 0.0)), ("slow", (0.0, -1.0, 0.0))):
            step = module.create_dataset(f"{name}_pixel_direction", data=1e-4)
            step.attrs.update({"vector": along, "units": "m", "depends_on": "distance", "offset": (1.0, 2.0, 3.0)})
            if unit is not None:
                step.attrs["offset_units"] = unit
        distance = module.create_dataset("distance", data=100.0)
        distance.attrs.update({"vector": (0.0, 0.0, 1.0), "units": "mm", "transformation_type": "translation"})
        distance.attrs.update({"offset": (0.0, 0.0, 1.0), "depends_on": "."})
        if unit is not None:
            distance.attrs["offset_units"] = unit


@pytest.mark.parametrize(
    ("unit", "length"),
    [
        *((None, 1.0), ("m", 1.0), ("mm", 1e-3), ("Millimeter", 1e-3), ("micron", 1e-6), ("um", 1e-6)),
        *(("\u00b5m", 1e-6), ("\u03bcm", 1e-6)),
    ],
)
def test_offsets_are_in_their_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str | None, length: float
) -> None:
    monkeypatch.chdir(tmp_path)
    shifted(unit)
    geometry = only(Path("o.h5")).geometry
    assert geometry is not None
    # In McStas's frame, whose z is the beam and whose -x the spindle.
    assert geometry.panels[0].origin == pytest.approx([0.1 + 4.0 * length, 2.0 * length, -length], abs=1e-15)


@pytest.mark.parametrize("unit", ["furlong", "deg"])
@pytest.mark.parametrize("name", ["fast_pixel_direction", "distance"])
@pytest.mark.parametrize("key", ["units", "offset_units"])
def test_an_unknown_unit_of_an_nxmx_file_places_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, name: str, unit: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shifted("mm")
    with h5py.File("o.h5", "r+") as file:
        file[f"{DETECTOR}/module/{name}"].attrs[key] = unit
    assert only(Path("o.h5")).geometry is None


@pytest.mark.parametrize("kind", ["u4", "u8", "i8", "f8"])
def test_masked_pixels_may_have_any_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], dtype=kind)
    pixels[0, 0, 1] = 1e300 if kind == "f8" else np.iinfo(kind).max
    with h5py.File("m.h5", "w") as file:
        file["entry/data/data"] = pixels
        file[f"{DETECTOR}/pixel_mask"] = np.array([[0, 1, 0], [0, 0, 0]], dtype=np.uint32)
    frame = only(Path("m.h5")).frame
    assert frame.masked is not None
    assert frame.masked.tolist() == [[False, True, False], [False, False, False]]
    assert frame.pixels.dtype == kind
    assert np.array_equal(frame.pixels[~frame.masked], [1, 3, 4, 5, 6])
    assert described(Path("m.h5"))["percentiles"][-1] == 6.0


@pytest.mark.parametrize("kind", ["u8", "i8", "f8"])
def test_a_pixel_that_counts_and_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File("m.h5", "w") as file:
        file["entry/data/data"] = np.array([[[1, 1e300 if kind == "f8" else 2**60]]], dtype=kind)
        file[f"{DETECTOR}/pixel_mask"] = np.array([[1, 0]], dtype=np.uint32)
    assert "is beyond what can be shown" in complaint("m.h5")


#: As many numbers as no machine holds, in a file of some kilobytes.
ENDLESS = (1 << 22, 1 << 20)


def endless(file: Any, name: str, shape: tuple[int, ...] = ENDLESS) -> None:
    """Put a sparse data set, of zeros, in the place of another."""
    attributes = dict(file[name].attrs) if name in file else {}
    if name in file:
        del file[name]
    file.create_dataset(name, shape, "f8", chunks=(1,) * (len(shape) - 1) + (64,)).attrs.update(attributes)


@pytest.mark.parametrize(
    "name",
    [
        "entry/instrument/beam/incident_wavelength",
        f"{DETECTOR}/module/fast_pixel_direction",
        f"{DETECTOR}/module/distance",
        f"{DETECTOR}/module/data_size",
        "entry/sample/depends_on",
    ],
)
def test_a_data_set_that_is_far_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shifted("mm")
    with h5py.File("o.h5", "r+") as file:
        endless(file, name)
    assert f"o.h5: expected up to 64 values in /{name}, got (4194304, 1048576)" in complaint("o.h5")


def test_of_an_endless_mask_the_first_image_s_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shifted("mm")
    with h5py.File("o.h5", "r+") as file:
        endless(file, f"{DETECTOR}/saturation_value")
        mask = file.create_dataset(f"{DETECTOR}/pixel_mask", (1 << 40, 4, 5), "u4", chunks=(1, 4, 5))
        mask[0, 2, 3] = 1
    frame = only(Path("o.h5")).frame
    assert frame.overload is None
    assert frame.masked is not None and np.argwhere(frame.masked).tolist() == [[2, 3]]
