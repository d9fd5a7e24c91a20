"""Write docs/flags.md: every flag of ``openbragg simulate``, and what the reference program makes of it.

    python docs/generate_flags.py

The page is made from the declarations of the options, as help is; what is said of the reference beside its spellings
stands below. A test fails when the page is not what this program writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from openbragg.cli.compose import Flag, FlagOption, Section
from openbragg.cli.reference_flags import BEGINNINGS
from openbragg.cli.registry import load_registry, simulation_sections
from openbragg.options import option_spec
from openbragg.units import unit

PAGE = Path(__file__).parent / "flags.md"

#: Flags of which the reference wants every letter.
WHOLE_WORDS = """
    -N -MW -polar -phi -phistep -detpixels -detsize -mosaic -hdivstep -vdivstep -stol -4stol -Q -detector_thick -xtal_height
    -sample_height -height -sample_density -molecular_weight -mosaicity -mosaic_spread
""".split()
_FILES = "Written when asked for, or when no file is; the reference always writes its float and integer images."
_PIVOT = "For a custom convention the last flag that touches the pivot decides on it, in both."
#: What differs, by the first spelling of a flag. Quirks are described in quirks.md.
DIFFERENCES: dict[str, str] = {
    "-mosflm": "The reference's default too, whatever its usage text says.",
    "-img": "Quirks {header-keys}, {header-twotheta}, {header-distance}.",
    "-mask": "Quirks {header-keys}, {header-twotheta}, {header-distance}. A mask of another size is refused.",
    "-distance": f"{_PIVOT} With -img: quirk {{header-distance}}.",
    "-close_distance": _PIVOT,
    "-Xbeam": _PIVOT,
    "-Ybeam": _PIVOT,
    "-Xclose": _PIVOT,
    "-Yclose": _PIVOT,
    "-ORGX": _PIVOT,
    "-ORGY": _PIVOT,
    "-twotheta": _PIVOT,
    "-pivot": "Quirk {pivot-ignored}.",
    "-curved_det": "Quirk {flag-matching}: not read at the end of a command line.",
    "-detector_thick": "Quirk {last-layer}.",
    "-detector_abs": "In any order with -detector_thick; quirk {flag-matching}.",
    "-cell": "Quirk {oblique-cell}.",
    "-misset_seed": "Quirk {flag-matching}: read as -misset too when two more words follow.",
    "-N": "The reference decides by it whether to interpolate, even when -xtalsize follows: {interpolation-latch}.",
    "-water": "Quirks {water-over-steps}, {water-fluence}.",
    "-sourcefile": "Quirk {source-weights}.",
    "-phi": "Quirk {phi-carryover} in a scan through 0.",
    "-oversample_thick": "Quirk {running-product}.",
    "-oversample_polar": "Quirk {running-product}.",
    "-oversample_omega": "Quirk {running-product}.",
    "-dmin": "Quirk {water-over-steps}: with -water.",
    "-roi": "Limits beyond the detector are brought back to it, with a notice.",
    "-seed": "Equal seeds give the reference's counts with -noise reference-poisson.",
    "-pix0_vector": "Quirk {pix0-ignored}.",
    "-pix0_vector_mm": "Read as -pix0_vector; quirk {pix0-ignored}.",
    "-twotheta_axis": "Quirk {flag-matching}: its x is also read as -twotheta. Its length does not matter here.",
    "-hkl": "Quirk {fdump-cache}. A line that is not h k l F is an error.",
    "-dump": "Quirk {fdump-cache}: without it the reference uses Fdump.bin.",
    "-interpolate": "Quirk {interpolation-latch}.",
    "-floatfile": _FILES,
    "-intfile": f"{_FILES} Quirk {{smv-header}}.",
    "-noisefile": "The noise is poisson unless another is chosen. Quirk {smv-header}.",
    "-pgmfile": _FILES,
    "-progress": "A bar on a terminal; the reference prints per cents.",
    "-nonoise": "A later -noisefile takes it back, in both.",
    "-nopolar": "A later -polar takes it back, in both.",
    "-stol": "Read, and no effect, in both.",
    "-4stol": "Read, and no effect, in both.",
    "-Q": "Read, and no effect, in both.",
    "-stolout": "No effect in either.",
    "-coherent": "No effect in either.",
    "-density": "No effect in either.",
    "-MW": "No effect in either.",
}

HEAD = """# Every flag

The flags of `openbragg simulate`, those of the built-in plugins included; `openbragg simulate --help` shows what is installed.
Each has a double-dash alias: `-detector_rotx` is also `--detector-rotx`. Flags are read in order, and later ones win.
*The reference* is `nanoBragg.c`: where the last column says nothing, its flag has the same name, unit, default and meaning.
Its quirks are repeated with `--compat nanobragg`, or one by one; [quirks.md](quirks.md) describes them.

The reference looks for its names inside the words of the command line. A word that only begins like one of its flags, such
as `-matrixfile` or `-wavelen`, is therefore let through as that flag, with a notice. A word that begins like none is an error
here and passed over there.

This page is written by `docs/generate_flags.py`.
"""


def page() -> str:
    """The whole page."""
    registry = load_registry(("*",))
    return HEAD + "".join(_section(section) for section in simulation_sections(registry) if section.options)


def is_the_reference_s(spelling: str) -> bool:
    """Whether the reference program knows a spelling as a flag."""
    return spelling in WHOLE_WORDS or any(spelling.startswith(beginning) for beginning in BEGINNINGS)


def _section(section: Section) -> str:
    rows = [_row(option) for option in section.options]
    head = "| flag | value | default | what it does | the reference |\n| --- | --- | --- | --- | --- |\n"
    return f"\n## {section.title[:1].upper()}{section.title[1:]}\n\n{head}" + "".join(rows)


def _row(option: click.Option) -> str:
    if isinstance(option, FlagOption):
        flag = option.flag
        spellings, value, default = flag.spellings, option.metavar or "", _default(flag)
    else:
        spellings, value, default = tuple(name for name in option.opts if not name.startswith("--")), "", ""
    cells = (
        ", ".join(f"`{spelling}`" for spelling in spellings),
        value.strip("<>").replace("|", "or"),
        default,
        (option.help or "").replace("|", "or"),
        _reference(spellings),
    )
    return "| " + " | ".join(cells) + " |\n"


def _default(flag: Flag) -> str:
    """The default in the user's unit, where it is a number or a word; what help says of other defaults stands there."""
    value: Any = getattr(attrs.fields(flag.owner), flag.field).default
    if flag.constant is not None:
        return {True: "on", False: "off"}.get(value, "") if flag.constant else ""
    if isinstance(value, tuple):
        value = value[flag.component] if flag.component is not None else value
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
    if value is None or value == "" or (isinstance(value, tuple) and None in value) or isinstance(value, attrs.Factory):
        return ""
    spec = option_spec(getattr(attrs.fields(flag.owner), flag.field))
    assert spec is not None
    if spec.type not in (float, int) or isinstance(value, str):
        return str(value)
    numbers = value if isinstance(value, tuple) else (value,)
    return " ".join(f"{unit(flag.unit).from_si(number):.9g}" for number in numbers)


def _reference(spellings: tuple[str, ...]) -> str:
    """What the reference makes of a flag."""
    known = [spelling for spelling in spellings if is_the_reference_s(spelling)]
    said = []
    if not known:
        said.append("Not in the reference.")
    elif len(known) < len(spellings):
        said.append("There only " + ", ".join(f"`{spelling}`" for spelling in known) + ".")
    difference = DIFFERENCES.get(spellings[0], "")
    said.append(_linked(difference))
    return " ".join(word for word in said if word)


def _linked(text: str) -> str:
    """Names of quirks in braces as links to their paragraphs."""
    pieces = text.split("{")
    linked = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}")
        linked.append(f"[{name}](quirks.md#{name}){rest}")
    return "".join(linked)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
