"""A contact sheet: some shots of a data set with their boxes, and what was drawn, as a picture or a page."""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from openbragg import UsageError, write_file
from openbragg.commands import write_text

if TYPE_CHECKING:
    from PIL import Image as Picture

    from openbragg_tools.dataset.reading import Images

#: Shots on a sheet, and in a row of it.
_MOST, _ROW = 12, 4
#: Pixels along the longer side of a shot on the sheet.
_SIDE = 360
_MARGIN, _CAPTION = 6, 16
_COLOURS = ((200, 40, 30), (30, 90, 200), (20, 130, 60), (150, 60, 170))
_BARS = 20


def write_sheet(file: Path, images: Images, seed: int = 1) -> int:
    """Write a sheet of shots that are chosen at random, and return how many; a page has histograms too.

    Raises
    ------
    UsageError
        When the name is none of a PNG picture or an HTML page.
    InputError
        When it cannot be written.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:_MOST]).tolist()
    suffix = file.suffix.lower()
    if suffix not in (".png", ".html"):
        raise UsageError(f"--sheet: expected a name that ends in .png or .html, got {file}")
    buffer = io.BytesIO()
    _sheet(images, chosen).save(buffer, format="PNG")
    if suffix == ".png":
        write_file(file, partial(_put, buffer.getvalue()))
        return len(chosen)
    table = images.table("shots")
    told = [name for name in table if name in ("kind", "lattices", "reflections", "d_min") or name.startswith("drawn_")]
    pictures = "".join(_histogram(name, table[name]) for name in told)
    content = base64.b64encode(buffer.getvalue()).decode()
    write_text(
        file,
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(images.folder.name)}</title>'
        "<style>body{font:14px sans-serif;margin:1em}figure{display:inline-block;margin:.5em}"
        "img{max-width:100%}</style>"
        f"<h1>{html.escape(images.folder.name)}: {len(images)} shots</h1>"
        f'<img alt="Shots with the boxes of their spots" src="data:image/png;base64,{content}">'
        f"<h2>Drawn</h2>{pictures}\n",
    )
    return len(chosen)


def _put(content: bytes, stream: BinaryIO) -> None:
    stream.write(content)


def _sheet(images: Images, chosen: list[int]) -> Picture.Image:
    from PIL import Image, ImageDraw

    slow, fast = images.array("counts", 0).shape[-2:]
    scale = max(1, -(-max(slow, fast) // _SIDE)) if max(slow, fast) > _SIDE else 1
    larger = max(1, _SIDE // max(slow, fast))
    width, height = fast // scale * larger, slow // scale * larger
    across = min(_ROW, len(chosen))
    down = -(-len(chosen) // across)
    size = (across * (width + _MARGIN) + _MARGIN, down * (height + _CAPTION + _MARGIN) + _MARGIN)
    sheet = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    shots, rows = images.table("shots"), images.table("reflections")
    for place, number in enumerate(chosen):
        x = _MARGIN + place % across * (width + _MARGIN)
        y = _MARGIN + place // across * (height + _CAPTION + _MARGIN)
        # Of several images the first.
        shade = Image.fromarray(_shade(images.array("counts", number).reshape(-1, slow, fast)[0], scale))
        sheet.paste(shade.resize((width, height), Image.Resampling.NEAREST), (x, y + _CAPTION))
        shown = (rows["shot"] == shots["shot"][number]) & (rows["image"] == 0) & (rows["spot_pixels"] > 0)
        for row in np.flatnonzero(shown):
            left, right, top, bottom = (int(rows[f"box_{side}"][row]) for side in ("left", "right", "top", "bottom"))
            corners = np.array([left, top, right + 1, bottom + 1]) * larger / scale
            box = corners + np.array([x, y + _CAPTION, x - 1, y + _CAPTION - 1])
            draw.rectangle(tuple(box.tolist()), outline=_COLOURS[int(rows["lattice"][row]) % len(_COLOURS)])
        words = f"{shots['shot'][number]}: {shots['kind'][number]}, {shots['lattices'][number]} lattices"
        draw.text((x, y), f"{words}, {shots['reflections'][number]} reflections", fill=(0, 0, 0))
    return sheet


def _shade(counts: np.ndarray[Any, np.dtype[Any]], scale: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Dark where there are many counts; of pixels that fall together the largest."""
    slow, fast = (side // scale for side in counts.shape)
    tiles = counts[: slow * scale, : fast * scale].reshape(slow, scale, fast, scale).max(axis=(1, 3)).astype(float)
    low, high = np.percentile(tiles, [5.0, 99.5])
    part = np.clip((tiles - low) / max(high - low, 1.0), 0.0, 1.0)
    return np.asarray(255.0 * (1.0 - np.sqrt(part)), dtype=np.uint8)


def _histogram(name: str, values: np.ndarray[Any, np.dtype[Any]]) -> str:
    """A figure of bars: of numbers in equal steps, of words the most frequent ones."""
    if values.dtype.kind in "if":
        finite = values[np.isfinite(values.astype(float))]
        counts, edges = np.histogram(finite, bins=_BARS) if len(finite) else (np.zeros(1), np.zeros(2))
        below = f"{edges[0]:.4g} to {edges[-1]:.4g}"
    else:
        frequent = Counter(map(str, values)).most_common(_BARS)
        counts = np.array([count for _, count in frequent])
        below = ", ".join(f"{word[:20]} ({count})" for word, count in frequent[:3])
    top = max(float(counts.max()), 1.0)
    heights = [60.0 * float(count) / top for count in counts]
    bars = "".join(
        f'<rect x="{10 * place}" y="{60.0 - height:.1f}" width="9" height="{height:.1f}" fill="#47a"/>'
        for place, height in enumerate(heights)
    )
    label = html.escape(name.removeprefix("drawn_"))
    return (
        f'<figure><svg width="200" height="60">{bars}</svg><br>{label}<br><small>{html.escape(below)}</small></figure>'
    )
