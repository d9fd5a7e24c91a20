"""An image as a PNG, one pixel a pixel."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from openbragg_tools.view import shades
from openbragg_tools.view.page import Look
from openbragg_tools.view.reading import Shown


def write_picture(stream: BinaryIO, image: Shown, look: Look) -> None:
    """Write an image in the colours and with the contrast of a look."""
    contrast = look.contrast or shades.automatic_contrast(image.frame)
    Image.fromarray(shades.colours_of(image.frame, look.colours, contrast)).save(stream, format="PNG")
