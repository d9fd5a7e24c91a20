"""Programs that stand in for the ones that are measured: quick, and as right or wrong as a test wants them."""

import sys
from collections.abc import Callable
from pathlib import Path

#: Makes one; see `stand_in`, whose folder is given.
MakeProgram = Callable[..., Path]

#: Writes an image of ten pixels, the brightest of which is 100.
_SOURCE = """#!{python}
import array, sys, time
pixels = array.array("f", [10.0] * 9 + [100.0])
pixels[3] += {off}
open("floatimage.bin", "wb").write(pixels.tobytes())
{rest}
"""


def stand_in(folder: Path, name: str = "fake", *, off: float = 0.0, rest: str = "") -> Path:
    """Make an executable that adds `off` to a pixel, and runs `rest` in the end."""
    file = folder / name
    file.write_text(_SOURCE.format(python=sys.executable, off=off, rest=rest), encoding="utf-8")
    file.chmod(0o755)
    return file
