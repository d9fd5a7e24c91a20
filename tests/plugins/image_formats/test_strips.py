"""Large images: they are worked on in strips, and no file shows where one ends."""

import io

import numpy as np
import pytest

from openbragg import ImageFormat
from openbragg.testing import make_image
from openbragg_plugins.image_formats import strips as strips_module
from openbragg_plugins.image_formats.pgm import Pgm
from openbragg_plugins.image_formats.png.format import Png
from openbragg_plugins.image_formats.smv.format import Smv
from openbragg_plugins.image_formats.strips import strips


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (7, 100_000), (1000, 70), (3, 0)])
def test_strips_cover_every_row_once(shape: tuple[int, int]) -> None:
    rows = np.arange(shape[0])
    found = [rows[strip] for strip in strips(np.zeros(shape, dtype=np.int8))]
    assert np.concatenate([*found, rows[:0]]).tolist() == rows.tolist()


@pytest.mark.parametrize("image_format", [Smv(), Pgm(), Png(gamma=0.5)], ids=lambda format_: format_.name)
@pytest.mark.parametrize("content", ["photons", "counts"])
@pytest.mark.parametrize("region", [None, (3, 90, 11, 180)], ids=["all", "region"])
def test_a_file_does_not_depend_on_the_strips(
    monkeypatch: pytest.MonkeyPatch, image_format: ImageFormat, content: str, region: tuple[int, int, int, int] | None
) -> None:
    pixels = np.random.default_rng(1).gamma(0.1, 1e4, size=(200, 100)).astype(np.float32)
    image = make_image(pixels if content == "photons" else pixels.round().astype(np.float64), content, region)
    files = []
    for together in (1, 1234, pixels.size):
        monkeypatch.setattr(strips_module, "_PIXELS", together)
        stream = io.BytesIO()
        image_format.write(stream, image)
        files.append(stream.getvalue())
    assert files[0] == files[1] == files[2]
