"""Images of detectors and programs that have formats of their own, read by the library fabio."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_plugins.image_formats.fabio.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import ImageReader, ImageSource, ReadImage


@attrs.frozen
class Fabio:
    """d*TREK, EDF, mar345, R-AXIS, Bruker, Oxford Diffraction and Esperanto images.

    Pixels and the words of the header are handed on; a geometry is made of an EDF header with the keys of SAXS programs
    alone, for the others do not say in whose sense their beam centre is. Needs the extra ``images``.
    """

    name: ClassVar[str] = "fabio"
    summary: ClassVar[str] = "EDF, mar345, R-AXIS, d*TREK, Bruker and others, read by fabio"
    flags: ClassVar[tuple[str, ...]] = ()
    general: ClassVar[bool] = True

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return kind_of(beginning) is not None

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`."""
        from openbragg_plugins.image_formats.fabio.reading import read_with_fabio

        return read_with_fabio(source)


@hookimpl
def image_formats() -> list[type[ImageReader]]:
    """Offer what fabio reads."""
    return [Fabio]
