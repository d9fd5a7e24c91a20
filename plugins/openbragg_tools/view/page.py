"""A page with images: one HTML file that needs nothing else, with its code, its style and the exact pixels in it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any, BinaryIO

import attrs
import numpy as np

from openbragg_tools.view import shades
from openbragg_tools.view.geometry import Geometry
from openbragg_tools.view.packing import Packed, pack
from openbragg_tools.view.prediction import Spots
from openbragg_tools.view.reading import Shown

#: Code in the order in which it stands in the page.
SCRIPTS = ("inflate.js", "unpack.js", "geometry.js", "pyramid.js", "overlay.js", "viewer.js", "controls.js", "main.js")
_ASSETS = "assets"


@attrs.frozen(kw_only=True)
class Look:
    """How a page looks at first.

    Attributes
    ----------
    colours
        Name of the colour map.
    contrast
        Values at its ends; None for those that suit each image.
    """

    colours: str = "inverse"
    contrast: tuple[float, float] | None = None


def write_page(stream: BinaryIO, images: Iterable[Shown], title: str, look: Look) -> None:
    """Write the page; images are taken one after the other, and none is kept."""
    before, after = asset("page.html").split("<!-- images -->")
    stream.write(_filled(before, title).encode())
    said = []
    for number, image in enumerate(images):
        content, blocks = describe(image, number, look)
        said.append(content)
        for name, block in blocks.items():
            stream.write(f'<script type="text/plain" id="{name}">{block.text}</script>\n'.encode("ascii"))
    about = {
        "images": said,
        "colours": look.colours,
        "maps": {name: pack(colours).text for name, colours in shades.colour_maps().items()},
        "masked": shades.MASKED,
        "percentiles": shades.PERCENTILES,
        "percentile": shades.AUTOMATIC[1],
    }
    stream.write(f'<script type="application/json" id="about">{_json(about)}</script>\n'.encode("ascii"))
    stream.write(after.replace("/* code */", _code()).encode())


def describe(image: Shown, number: int, look: Look) -> tuple[dict[str, Any], dict[str, Packed]]:
    """What a page says of an image, and its arrays by the identities of their elements."""
    frame = image.frame
    slow, fast = frame.pixels.shape
    low, high = look.contrast or shades.automatic_contrast(frame)
    blocks = {f"pixels-{number}": pack(frame.pixels)}
    said: dict[str, Any] = {
        "name": image.name,
        "slow": slow,
        "fast": fast,
        "type": blocks[f"pixels-{number}"].type,
        "percentiles": shades.percentiles(frame),
        "contrast": [low, high],
        "overload": frame.overload,
        "geometry": None if image.geometry is None else plain_geometry(image.geometry),
        "notices": list(image.notices),
        "masked": frame.masked is not None,
        "spots": 0,
    }
    if frame.masked is not None:
        blocks[f"masked-{number}"] = pack(np.packbits(frame.masked.reshape(-1), bitorder="little"))
    if image.spots is not None:
        packed = _spots(image.spots)
        said["spots"] = len(image.spots.fast)
        said["spotTypes"] = {name: block.type for name, block in packed.items()}
        blocks |= {f"spots-{name}-{number}": block for name, block in packed.items()}
    return said, blocks


def plain_geometry(geometry: Geometry) -> dict[str, Any]:
    """A geometry as a page has it: metres, radians, and vectors as lists."""
    return {
        "wavelength": geometry.wavelength,
        "beam": geometry.beam.tolist(),
        "spindle": geometry.spindle.tolist(),
        "start": geometry.start,
        "range": geometry.range,
        "cell": None if geometry.cell is None else geometry.cell.tolist(),
        "source": geometry.source,
        "panels": [
            {
                "origin": panel.origin.tolist(),
                "fast": panel.fast.tolist(),
                "slow": panel.slow.tolist(),
                "pixelSize": panel.pixel_size,
                "pixels": list(panel.pixels),
                "first": list(panel.first),
            }
            for panel in geometry.panels
        ],
    }


def asset(name: str) -> str:
    """The text of a file that pages are made from."""
    return (files("openbragg_tools.view") / _ASSETS / name).read_text(encoding="utf-8")


def _spots(spots: Spots) -> dict[str, Packed]:
    return {
        "indices": pack(spots.indices),
        "places": pack(np.column_stack([spots.fast, spots.slow, spots.phi]), double=True),
        "crosses": pack(spots.crosses),
    } | ({} if spots.amplitudes is None else {"amplitudes": pack(spots.amplitudes)})


def _filled(template: str, title: str) -> str:
    return template.replace("<!-- title -->", html.escape(title)).replace("/* style */", asset("page.css"))


def _code() -> str:
    return "\n".join(_sources())


def _sources() -> Iterator[str]:
    yield from (asset(name) for name in SCRIPTS)


def _json(content: Any) -> str:
    # Nothing in it may end the element.
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
