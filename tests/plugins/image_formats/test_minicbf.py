"""miniCBF: the shared properties, read back by fabio; its compression, marks and header."""

import io
import math
import re
import struct
import tempfile
from pathlib import Path

import attrs
import fabio
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import openbragg
from openbragg import Beam, Detector, Image, InputError, Scan
from openbragg.testing import check_image_format, make_image
from openbragg_plugins.image_formats.minicbf.byte_offset import byte_offsets
from openbragg_plugins.image_formats.minicbf.format import MiniCbf, cbf, contents

MM = 1e-3
CUTOFF = 1048575
# Beyond, differences have 64 bits, which fabio does not read.
WIDE = 1 << 30
# Differences at which a number needs the next width, on both sides of each.
EDGES = [sign * (limit + step) for limit in (127, 128, 32767, 32768) for step in (-1, 0, 1) for sign in (1, -1)]
WHOLE = st.integers(-WIDE + 1, WIDE - 1) | st.integers(-2, 300) | st.sampled_from(EDGES)


def opened(data: bytes) -> fabio.fabioimage.FabioImage:
    """The file as fabio, a program of its own, reads it; fabio also checks the digest of the binary part."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.cbf"
        path.write_bytes(data)
        picture = fabio.open(path)
        assert isinstance(picture, fabio.cbfimage.CbfImage)
        return picture


def written(cbf: MiniCbf, image: Image) -> bytes:
    stream = io.BytesIO()
    cbf.write(stream, image)
    return stream.getvalue()


def read(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    return np.array(opened(data).data)


def header(image: Image, cbf: MiniCbf | None = None) -> str:
    return str(opened(written(cbf or MiniCbf(), image)).header["_array_data.header_contents"])


def number(text: str, key: str) -> float:
    found = re.search(rf"# {key}[ :=]+\(?([-+.e\d]+)", text)
    assert found is not None, key
    return float(found.group(1))


@pytest.mark.parametrize(("scale", "cutoff"), [(1.0, CUTOFF), (2.5, 1000)])
def test_minicbf_keeps_the_contract_of_an_image_format(scale: float, cutoff: int) -> None:
    def expected(image: Image) -> np.ndarray:
        values = image.pixels.astype(np.float64)
        whole = np.rint(values * scale) if image.content == "photons" else np.trunc(values)
        return np.minimum(whole, cutoff + 1)

    check_image_format(MiniCbf(scale=scale, cutoff=cutoff), read, expected=expected)


@settings(max_examples=60, deadline=None)
@given(pixels=arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=WHOLE))
@example(pixels=np.array([[-(1 << 31) + 1, 0, (1 << 31) - 1, 0]], dtype=np.int32))
@example(pixels=np.cumsum([EDGES], axis=1).astype(np.int32))
def test_any_whole_numbers_come_back(pixels: np.ndarray) -> None:
    assert (read(cbf(pixels, "# nothing\r\n"), pixels.shape) == pixels).all()


def test_differences_of_more_than_32_bits_follow_all_three_escapes() -> None:
    low, high = -(1 << 31), (1 << 31) - 1
    escapes = struct.pack("<bhi", -128, -32768, low)
    wanted = escapes + struct.pack("<q", low) + escapes + struct.pack("<q", high - low) + struct.pack("<b", 0)
    assert byte_offsets(np.array([[low, high, high]], dtype=np.int32)) == wanted


def test_counts_beyond_the_cutoff_are_marked_overloads_and_counted() -> None:
    image = make_image(np.array([[0.0, 5.0, 1048575.0, 1048576.0, 1e12, 3.9]]), "counts")
    assert read(written(MiniCbf(), image), (1, 6)).tolist() == [[0, 5, CUTOFF, CUTOFF + 1, CUTOFF + 1, 3]]
    assert MiniCbf().overloads(image) == 2


def test_masked_pixels_are_minus_one_and_counted_as_excluded() -> None:
    seen = np.array([[True, False, True], [True, True, True]])
    image = make_image(np.full((2, 3), 7.0), "counts", detector=Detector(pixels=(2, 3), mask=seen))
    assert read(written(MiniCbf(), image), (2, 3)).tolist() == [[7, -1, 7], [7, 7, 7]]
    assert number(header(image), "N_excluded_pixels") == 1


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    pixel=st.sampled_from((0.075 * MM, 0.172 * MM)),
    distance=st.integers(20, 2000).map(lambda distance: distance * MM),
    wavelength=st.floats(0.3e-10, 5e-10),
    phi=st.integers(-180, 180),
    polarization=st.floats(-1, 1),
)
def test_the_header_says_how_the_image_was_recorded(
    shape: tuple[int, int], pixel: float, distance: float, wavelength: float, phi: int, polarization: float
) -> None:
    detector = Detector(pixels=shape, pixel_size=pixel, distance=distance, sensor_thickness=0.32 * MM)
    image = make_image(np.zeros(shape), "counts", detector=detector)
    experiment = attrs.evolve(
        image.experiment,
        beam=Beam(wavelength=wavelength, exposure=0.25, flux=2e11, polarization=polarization),
        scan=Scan(start=math.radians(phi), range=math.radians(0.1), step=0.0, steps=1),
    )
    text = header(attrs.evolve(image, experiment=experiment))
    wanted = {
        "Pixel_size": pixel,
        "Silicon sensor, thickness": 0.32 * MM,
        "Exposure_time": 0.25,
        "Exposure_period": 0.25,
        "Count_cutoff": CUTOFF,
        "Wavelength": wavelength * 1e10,
        "Detector_distance": distance,
        "Beam_xy": shape[1] / 2,
        "Flux": 2e11,
        "Start_angle": phi,
        "Angle_increment": 0.1,
        "Detector_2theta": 0,
        "Polarization": (1 + polarization) / 2,
        "Phi": phi,
    }
    for key, value in wanted.items():
        # Numbers have nine digits.
        assert number(text, key) == pytest.approx(value, rel=1e-8, abs=1e-8), key


def test_the_header_has_the_gain_of_the_noise() -> None:
    image = make_image(np.zeros((4, 5)), "counts")
    assert "# Gain_setting: not implemented" in header(image)
    assert "# Gain_setting: 1.8 counts/photon" in header(attrs.evolve(image, levels=openbragg.Levels(gain=1.8)))


def test_only_images_of_whole_modules_say_pilatus() -> None:
    data = written(MiniCbf(), make_image(np.zeros((407, 487)), "counts"))
    assert b'header_convention "PILATUS_1.2"\r\n' in data and b"# Detector: PILATUS, " in data
    other = written(MiniCbf(), make_image(np.zeros((407, 486)), "counts"))
    assert b'header_convention "GENERIC_MINI"\r\n' in other and b"PILATUS" not in other


def test_what_the_header_cannot_say_is_said() -> None:
    upright = make_image(np.zeros((50, 60)), "counts")
    assert MiniCbf().unsaid(upright) is None
    tilted = make_image(np.zeros((50, 60)), "counts", detector=Detector(pixels=(50, 60), rotation=(0.0, 0.1, 0.0)))
    assert re.match(r"how the detector stands: readers are up to [\d.]+ pixels off", MiniCbf().unsaid(tilted) or "")
    swung = make_image(np.zeros((50, 60)), "counts", detector=Detector(pixels=(50, 60), twotheta=math.radians(20.0)))
    assert "(DIALS passes over the two-theta of 20 degrees in it)" in (MiniCbf().unsaid(swung) or "")
    beam = attrs.evolve(upright.experiment.beam, polarization=0.998)
    turning = attrs.evolve(upright.experiment, beam=beam, scan=Scan(start=0.0, range=0.1, step=0.1, steps=1))
    slow = upright.laboratory.panels[0].slow
    across = attrs.evolve(upright.laboratory, spindle=slow, polarization=slow)
    assert MiniCbf().unsaid(attrs.evolve(upright, experiment=turning)) is None
    assert MiniCbf().unsaid(attrs.evolve(upright, experiment=turning, laboratory=across)) == (
        "that the spindle is not along the fast axis"
    )


def test_scale_and_cutoff_must_be_possible() -> None:
    with pytest.raises(InputError, match=r"MiniCbf\.cutoff: expected a whole number from 1 to 2147483647, got 0"):
        MiniCbf(cutoff=0)
    with pytest.raises(InputError, match=r"MiniCbf\.scale: expected a number above 0, got nan"):
        MiniCbf(scale=math.nan)


@pytest.mark.parametrize(("name", "words"), [("pilatus-6m", "Silicon sensor"), ("pilatus3-2m-cdte", "CdTe sensor")])
def test_the_sensor_is_called_what_readers_understand(name: str, words: str) -> None:
    detector = openbragg.detector_preset(name, 1e-10)
    image = make_image(np.zeros(detector.frame_shape()), "counts", detector=detector)
    assert f"# {words}, thickness 0.00" in contents(image, 1)


def test_the_cutoff_is_below_the_count_at_which_the_noise_model_saturates() -> None:
    image = attrs.evolve(make_image(np.full((4, 5), 7.0), "counts"), levels=openbragg.Levels(saturation=7.0))
    data = written(MiniCbf(), image)
    assert b"# Count_cutoff 6 counts" in data
    assert MiniCbf().overloads(image) == 20
