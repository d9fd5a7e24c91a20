"""SMV: the shared properties, read back by fabio; its scale, offset, rounding and header."""

import io
import math
import tempfile
from pathlib import Path

import attrs
import fabio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import openbragg
from openbragg import Detector, Image, InputError, Scan
from openbragg.testing import check_image_format, make_image
from openbragg_plugins.image_formats.smv.format import Smv

MM = 1e-3
LARGEST = 65535
# Header numbers have six digits.
SIX_DIGITS = 5e-6


def written(smv: Smv, image: Image) -> bytes:
    stream = io.BytesIO()
    smv.write(stream, image)
    return stream.getvalue()


def opened(data: bytes) -> fabio.fabioimage.FabioImage:
    """The file as fabio, a program of its own, reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.img"
        path.write_bytes(data)
        picture = fabio.open(path)
        assert isinstance(picture, fabio.adscimage.AdscImage)
        return picture


def read(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    return np.array(opened(data).data)


def numbers(image: Image) -> dict[str, float]:
    """The header's numbers, as fabio reads them."""
    header = opened(written(Smv(), image)).header
    found = {}
    for key, value in header.items():
        try:
            found[key] = float(value)
        except ValueError:
            continue
    return found


def counts(smv: Smv, pixels: list[list[float]], content: str = "photons") -> list[list[int]]:
    dtype = np.float32 if content == "photons" else np.float64
    image = make_image(np.array(pixels, dtype=dtype), content)
    return [[int(value) for value in row] for row in read(written(smv, image), image.pixels.shape)]


@pytest.mark.parametrize(("scale", "offset"), [(0.0, 40.0), (2.5, 0.0), (1e-3, 1000.0)])
def test_smv_keeps_the_contract_of_an_image_format(scale: float, offset: float) -> None:
    def expected(image: Image) -> np.ndarray:
        values = image.pixels.astype(np.float64)
        if image.content == "counts":
            return np.floor(np.minimum(values + offset, LARGEST))
        brightest = float(values[image.rendered()].max())
        factor = scale or (55000 / brightest if brightest > 0 else 1)
        return np.floor(np.minimum(values * factor + offset + 0.5, LARGEST))

    # The rounding is in single precision, which may carry a value near a half to the other side.
    check_image_format(Smv(scale=scale, adc_offset=offset), read, expected=expected, tolerance=1.0)


def test_the_brightest_pixel_becomes_55000_above_the_offset() -> None:
    assert counts(Smv(), [[0.0, 1.5], [3.0, 0.3]]) == [[40, 27540], [55040, 5540]]
    assert counts(Smv(adc_offset=0.0), [[0.0, 1e-9], [2e-9, 0.0]]) == [[0, 27500], [55000, 0]]


def test_only_rendered_pixels_decide_the_scale() -> None:
    pixels = np.array([[9.0, 1.0, 2.0]], dtype=np.float32)
    image = make_image(pixels, region=(1, 2, 0, 0))
    assert read(written(Smv(), image), pixels.shape).tolist() == [[0, 27540, 55040]]


def test_an_empty_image_is_the_offset() -> None:
    assert counts(Smv(), [[0.0, 0.0]]) == [[40, 40]]


def test_photons_are_rounded_and_counts_truncated() -> None:
    assert counts(Smv(scale=1.0), [[0.4, 0.5, 0.6, 1.49]]) == [[40, 41, 41, 41]]
    assert counts(Smv(adc_offset=0.75), [[0.0, 1.0, 2.0]], "counts") == [[0, 1, 2]]


def test_values_are_clipped_at_both_ends() -> None:
    assert counts(Smv(scale=1.0), [[65494.0, 65495.0, 65496.0, 1e12]]) == [[65534, LARGEST, LARGEST, LARGEST]]
    assert counts(Smv(), [[1e9, 65495.0, 7.0]], "counts") == [[LARGEST, LARGEST, 47]]
    assert counts(Smv(adc_offset=-50.0), [[10.0, 60.0]], "counts") == [[0, 10]]
    assert counts(Smv(scale=1.0, adc_offset=-50.0), [[10.0, 60.0]]) == [[0, 10]]


@given(offset=st.floats(0.0, 1000.0), value=st.integers(0, 60000))
@settings(max_examples=25, deadline=None)
def test_noise_never_changes_by_more_than_the_offset(offset: float, value: int) -> None:
    assert counts(Smv(adc_offset=offset), [[float(value)]], "counts") == [[math.floor(value + offset)]]


def test_bad_scales_and_offsets_are_refused() -> None:
    with pytest.raises(InputError, match=r"Smv\.scale: expected a number of 0 or more, got -1"):
        Smv(scale=-1.0)
    with pytest.raises(InputError, match=r"Smv\.adc_offset: expected a finite number, got nan"):
        Smv(adc_offset=math.nan)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    pixel=st.sampled_from((0.01 * MM, 0.05 * MM, 0.172 * MM)),
    distance=st.integers(20, 2000).map(lambda distance: distance * MM),
    twotheta=st.sampled_from((0.0, 0.25, -0.1)),
    rotation=st.tuples(*(st.sampled_from((0.0, 0.1)) for _ in range(3))),
    phi=st.integers(-180, 180).map(math.radians),
)
def test_the_header_says_where_the_detector_stands(
    shape: tuple[int, int],
    pixel: float,
    distance: float,
    twotheta: float,
    rotation: tuple[float, float, float],
    phi: float,
) -> None:
    detector = Detector(pixels=shape, pixel_size=pixel, distance=distance, twotheta=twotheta, rotation=rotation)
    image = make_image(np.zeros(shape, dtype=np.float32), detector=detector)
    scan = Scan(start=phi, range=0.1, step=0.05, steps=2)
    image = attrs.evolve(image, experiment=attrs.evolve(image.experiment, scan=scan))
    found = numbers(image)
    slow, fast = shape
    # `make_image` puts the beam in the middle, and its beam centre is (fast, slow) from the first corner.
    beam_fast, beam_slow = fast * pixel / 2, slow * pixel / 2
    frame = image.laboratory.panels[0]
    wanted = {
        "SIZE1": fast,
        "SIZE2": slow,
        "PIXEL_SIZE": pixel / MM,
        "WAVELENGTH": 1.0,
        "BEAM_CENTER_X": beam_slow / MM,
        "BEAM_CENTER_Y": beam_fast / MM,
        "XBEAM": beam_fast / MM,
        "YBEAM": beam_slow / MM,
        "ADXV_CENTER_X": beam_fast / MM,
        "ADXV_CENTER_Y": (slow * pixel - beam_slow) / MM,
        "MOSFLM_CENTER_X": (beam_slow - pixel / 2) / MM,
        "MOSFLM_CENTER_Y": (beam_fast - pixel / 2) / MM,
        "DENZO_X_BEAM": beam_slow / MM,
        "DENZO_Y_BEAM": beam_fast / MM,
        "XDS_ORGX": -float(frame.origin @ frame.fast) / pixel + 0.5,
        "XDS_ORGY": -float(frame.origin @ frame.slow) / pixel + 0.5,
        "CLOSE_DISTANCE": float(frame.origin @ frame.normal) / MM,
        "PHI": math.degrees(phi),
        "OSC_START": math.degrees(phi),
        "OSC_RANGE": math.degrees(0.1),
        "TWOTHETA": math.degrees(twotheta),
    }
    for key, value in wanted.items():
        # What is left of a difference of nearly equal numbers is not judged below a millionth of a millimetre or pixel.
        assert found[key] == pytest.approx(value, rel=SIX_DIGITS, abs=1e-6), key


def test_the_header_has_the_distance_of_an_upright_detector() -> None:
    image = make_image(np.zeros((3, 3), dtype=np.float32), detector=Detector(pixels=(3, 3), distance=123.4 * MM))
    assert numbers(image)["DISTANCE"] == 123.4


@pytest.mark.parametrize(("quirks", "length"), [((), 1024), (("smv-header",), 512)])
def test_pixels_follow_a_header_of_whole_blocks(quirks: tuple[str, ...], length: int) -> None:
    image = attrs.evolve(make_image(np.ones((7, 9), dtype=np.float32)), quirks=frozenset(quirks))
    data = written(Smv(), image)
    assert len(data) == length + 2 * 7 * 9
    text = data[:length].decode("ascii")
    assert text.startswith(f"{{\nHEADER_BYTES={length};\n")
    assert text.rstrip(" ").endswith("\n}\f")


def test_without_output_flags_the_reference_programs_files_are_written() -> None:
    assert Smv().default_file("photons") == "intimage.img"
    assert Smv().default_file("counts") == "noiseimage.img"


def test_the_header_has_the_gain_and_the_saturation_of_the_noise() -> None:
    levels = openbragg.Levels(gain=1.8, saturation=1000.0)
    image = attrs.evolve(make_image(np.zeros((4, 5)), "counts"), levels=levels)
    found = written(Smv(), image)[:1024]
    assert b"\nGAIN=1.8;" in found and b"\nCCD_IMAGE_SATURATION=1040;" in found
