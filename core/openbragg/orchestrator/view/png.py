"""An image as a PNG, one pixel a pixel."""

from __future__ import annotations

from typing import BinaryIO

from openbragg.orchestrator.previews import write_png
from openbragg.orchestrator.view import shades
from openbragg.orchestrator.view.page import Look
from openbragg.orchestrator.view.reading import Shown


def write_picture(stream: BinaryIO, image: Shown, look: Look) -> None:
    """Write an image in the colours and with the contrast of a look."""
    contrast = look.contrast or shades.automatic_contrast(image.frame)
    write_png(stream, shades.colours_of(image.frame, look.colours, contrast))
