"""What ``openbragg trace --pixel`` and ``simulate -trace_pixel``, and so on, have in common."""

from typing import Any

from openbragg import COUNT_OR_NONE
from openbragg_tracers.traces.selection import SELECTION

PIXEL: dict[str, Any] = {
    "several": True,
    "type": int,
    "length": 2,
    "rule": COUNT_OR_NONE,
    "unit": "pixels",
    "metavar": "slow fast",
}
TRACER: dict[str, Any] = {
    "several": True,
    "type": str,
    "role": "tracers",
    "metavar": "NAME",
    "help": "Use this tracer; may be given several times. Default: all.",
}
FILE: dict[str, Any] = {"type": str, "output": "trace", "stdout": True, "metavar": "FILE | -"}
LATTICE: dict[str, Any] = {
    "type": int,
    "default": 0,
    "rule": COUNT_OR_NONE,
    "unit": "crystals",
    "metavar": "NUMBER",
    "help": "Of a scene trace this crystal's part of the pixel, from 0, the mounted one's.",
}
SELECT: dict[str, Any] = {
    "type": str,
    "default": "",
    "rule": SELECTION,
    "metavar": "AXIS=N|all,...",
    "help": "Terms to show: of layer, subpixel, source and mosaic the first (0), of phi all, unless said otherwise.",
}
