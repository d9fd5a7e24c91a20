"""What fabio reads: the shared properties on files that fabio itself has written, and what it must not do."""

import gzip
import struct
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openbragg import InputError, read_image, read_images
from openbragg.testing import check_image_reader
from openbragg_plugins.image_formats.fabio.format import Fabio

PIXELS = np.random.default_rng(1).poisson(300, (256, 256)).astype(np.int32)
#: The writer of each format, and the numbers that it takes.
WRITERS = {
    "dtrek": ("dtrekimage", "DtrekImage", np.int32),
    "edf": ("edfimage", "EdfImage", np.int32),
    "mar345": ("mar345image", "Mar345Image", np.uint32),
    "bruker": ("brukerimage", "BrukerImage", np.uint16),
    "bruker100": ("bruker100image", "Bruker100Image", np.uint16),
    "oxford": ("OXDimage", "OxdImage", np.int32),
    "esperanto": ("esperantoimage", "EsperantoImage", np.int32),
}


def raxis(pixels: np.ndarray) -> bytes:
    """An R-AXIS image: a header with its size at fixed places, then 16-bit pixels, the higher byte first."""
    header = bytearray(1400)
    header[:7] = b"R-AXIS4"
    slow, fast = pixels.shape
    struct.pack_into(">ii", header, 768, fast, slow)
    return bytes(header) + pixels.astype(">u2").tobytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each format."""
    folder = tmp_path_factory.mktemp("fabio")
    made = {"raxis": raxis(PIXELS)}
    for name, (module, cls, kind) in WRITERS.items():
        image: Any = getattr(import_module(f"fabio.{module}"), cls)(data=PIXELS.astype(kind))
        if name == "mar345":
            image.byteorder = "<"
        image.write(str(folder / name))
        made[name] = (folder / name).read_bytes()
    return made


@pytest.mark.parametrize("name", [*WRITERS, "raxis"])
def test_what_fabio_has_written_is_read(tmp_path: Path, files: dict[str, bytes], name: str) -> None:
    for content, path in ((files[name], tmp_path / name), (gzip.compress(files[name]), tmp_path / f"{name}.gz")):
        path.write_bytes(content)
        image = read_image(path)
        assert np.array_equal(image.pixels, PIXELS)
        assert image.header


@pytest.mark.parametrize("name", [*WRITERS, "raxis"])
def test_the_reader_keeps_the_contract(files: dict[str, bytes], name: str) -> None:
    check_image_reader(Fabio(), {name: files[name]})


def edf(header: str, pixels: np.ndarray = PIXELS) -> bytes:
    slow, fast = pixels.shape
    said = f"HeaderID = EH:000001:000000:000000 ;\nDim_1 = {fast} ;\nDim_2 = {slow} ;\nDataType = SignedInteger ;\n"
    text = f"{{\n{said}ByteOrder = LowByteFirst ;\nSize = {pixels.nbytes} ;\n{header}"
    return (text.ljust(1022) + "}\n").encode("ascii") + pixels.astype("<i4").tobytes()


def test_images_of_a_file_of_several_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    path.write_bytes(edf("") + edf("", PIXELS + 1) + edf("", PIXELS + 2))
    images = read_images(path)
    assert len(images) == 3
    assert [image.number for image in images] == [1, 2, 3]
    assert np.array_equal(read_image(path, number=3).pixels, PIXELS + 2)
    assert np.array_equal(images[-1].pixels, PIXELS + 2)


def test_keys_of_saxs_programs_place_an_edf_image(tmp_path: Path) -> None:
    keys = {
        "PSize_1": 1e-4,
        "PSize_2": 1e-4,
        "SampleDistance": 0.5,
        "WaveLength": 9e-11,
        "Center_1": 100,
        "Center_2": 60,
    }
    path = tmp_path / "a.edf"
    path.write_bytes(edf("".join(f"{key} = {value} ;\n" for key, value in keys.items())))
    geometry = read_image(path).geometry
    assert geometry is not None and geometry.wavelength == pytest.approx(9e-11)
    assert geometry.panels[0].position(100, 60) == pytest.approx((0.5, 0.0, 0.0), abs=1e-12)
    keys.pop("WaveLength")
    path.write_bytes(edf("".join(f"{key} = {value} ;\n" for key, value in keys.items())))
    assert read_image(path).geometry is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (edf("EDF_BinaryFileName = /etc/passwd ;\n"), "are said to be in another file, which is not read"),
        (edf("Compression = GZIP ;\n"), "expected pixels that are not packed within"),
        (edf("").replace(b"Dim_1 = 256", b"Dim_1 = 999999999"), "expected an image of 1 to"),
        (edf("").replace(b"Dim_2", b"Dam_2"), "does not say how many pixels it has"),
        (raxis(PIXELS)[:768] + struct.pack(">ii", 2**30, 2**30) + raxis(PIXELS)[776:], "expected an image of 1 to"),
        (raxis(PIXELS)[:-1], "the R-AXIS image of 256 x 256 pixels is cut short"),
    ],
    ids=["another file", "packed within", "large", "without size", "large R-AXIS", "short"],
)
def test_what_is_not_read_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_images(path)[0]
    assert str(path) in str(caught.value)


def test_without_fabio_the_extra_is_named(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openbragg_plugins.image_formats.fabio.reading.find_spec", lambda name: None)
    path = tmp_path / "a.edf"
    path.write_bytes(files["edf"])
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert str(caught.value) == (
        f"{path}: fabio is not installed, which reads this EDF image: pip install 'openbragg[images]'"
    )
