"""Write docs/reference/flags.md: every flag of ``openbragg simulate``, and what the reference program makes of it.

    python docs/generate_flags.py

The page is made from the declarations of the options, as help is; what is said of the reference beside its spellings
stands below. A test fails when the page is not what this program writes.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import click

from openbragg.cli.compose import FlagOption, Section
from openbragg.cli.defaults import default_of, typed
from openbragg.cli.reference_flags import BEGINNINGS, MEANT
from openbragg.cli.registry import load_registry, simulation_sections
from openbragg.orchestrator.finding.registry import kebab

PAGE = Path(__file__).parent / "reference" / "flags.md"
#: Fields that name a file of a format which is not the one that it writes unasked.
_NO_DEFAULT = ("noise_file",)

#: Flags of which the reference wants every letter.
WHOLE_WORDS = """
    -N -MW -polar -phi -phistep -detpixels -detsize -mosaic -hdivstep -vdivstep -stol -4stol -Q -detector_thick
""".split()

_PIVOT = "For a custom convention the last flag that touches the pivot decides on it, in both."
_SHAPE = "There the last of several shapes counts; two different ones are an error here."
_CONVENTION = "In both the last convention counts; here a notice says which one it overrules."
_HEADER = "Quirks {header-keys}, {header-twotheta}, {header-distance}, {header-beam-centre}."
_USAGE = "The reference's usage text says"


@attrs.frozen
class Reference:
    """What the reference program makes of a flag that it knows.

    Attributes
    ----------
    default
        Its default in the unit of the flag, as it is in the source and not in the usage text; None for bare flags and
        where it says with other words what the default is here.
    differs
        What is different, or worth knowing; the names of quirks in braces.
    """

    default: str | None = None
    differs: str = ""


#: By the first spelling of a flag; those without an entry are not in the reference, or the page is not written.
REFERENCE: dict[str, Reference] = {
    "-img": Reference("", _HEADER),
    "-detpixels": Reference(),
    "-detpixels_s": Reference(),
    "-detpixels_f": Reference(),
    "-detsize": Reference("102.4"),
    "-detsize_s": Reference("102.4"),
    "-detsize_f": Reference("102.4"),
    "-pixel": Reference("0.1"),
    "-distance": Reference("100", f"{_PIVOT} With -img or -mask: quirk {{header-distance}}."),
    "-close_distance": Reference("", _PIVOT),
    "-Xbeam": Reference(None, f"{_PIVOT} {_USAGE} that it is along fast; that depends on the convention."),
    "-Ybeam": Reference(None, f"{_PIVOT} {_USAGE} that it is along slow; that depends on the convention."),
    "-Xclose": Reference(None, _PIVOT),
    "-Yclose": Reference(None, _PIVOT),
    "-ORGX": Reference("", _PIVOT),
    "-ORGY": Reference("", _PIVOT),
    "-detector_rotx": Reference("0"),
    "-detector_roty": Reference("0"),
    "-detector_rotz": Reference("0"),
    "-twotheta": Reference("0", f"{_PIVOT} {_USAGE} about the spindle axis; it is the two-theta axis."),
    "-pivot": Reference(None, "Quirk {pivot-ignored}."),
    "-point_pixel": Reference(),
    "-curved_det": Reference(None, "Quirk {flag-matching}: not read at the end of a command line."),
    "-detector_thick": Reference("0", "Quirks {last-layer} and, after -detector_abs inf, {flag-matching}."),
    "-detector_thicksteps": Reference(None, f"{_USAGE} 1 layer by default. Here 65536 at most."),
    "-detector_abs": Reference(
        None, f"Here in any order with -detector_thick; quirk {{flag-matching}}. {_USAGE} inf by default."
    ),
    "-mask": Reference(
        "", f"{_HEADER} The quirk also takes a mask's BEAM_CENTER_Y from the other edge. A mask of another size is refused."
    ),
    "-lambda": Reference("1"),
    "-energy": Reference("12398.42"),
    "-fluence": Reference("1.25932015e+29"),
    "-flux": Reference(None, "One above 0 replaces -fluence wherever it stands, in both."),
    "-exposure": Reference("1"),
    "-beamsize": Reference("0.1"),
    "-divergence": Reference(""),
    "-hdivrange": Reference(""),
    "-vdivrange": Reference(""),
    "-hdivstep": Reference("", f"{_USAGE} a number of sources; it is an angle."),
    "-vdivstep": Reference("", f"{_USAGE} a number of sources; it is an angle."),
    "-divsteps": Reference(None, "Here 65536 sources at most, wavelengths included."),
    "-hdivsteps": Reference(None, "Quirk {rounded-counts}: where -hdivrange and -hdivstep decide."),
    "-vdivsteps": Reference(None, "Quirk {rounded-counts}: where -vdivrange and -vdivstep decide."),
    "-round_div": Reference(),
    "-square_div": Reference(),
    "-dispersion": Reference("0"),
    "-dispsteps": Reference(),
    "-sourcefile": Reference("", "Quirks {source-units}, {source-weights}, {comments-refused}."),
    "-polar": Reference("0", f"Quirk {{parallel-polarization}}. {_USAGE} 1 by default."),
    "-nopolar": Reference(None, "A later -polar takes it back, in both."),
    "-cell": Reference("", "Quirk {oblique-cell}. Impossible angles are an error here."),
    "-mat": Reference("", "Quirk {comments-refused}. A file that is missing or singular is an error here."),
    "-misset": Reference("", "There any word with rand in it is random."),
    "-misset_seed": Reference(
        None,
        "Quirk {flag-matching}: read as -misset too when two more words follow. "
        f"{_USAGE} that -seed is the default; it is the clock.",
    ),
    "-N": Reference(
        "1", "0 counts as 1, in both. The reference decides by it whether to interpolate, even when -xtalsize follows: {interpolation-latch}."
    ),
    "-Na": Reference("1"),
    "-Nb": Reference("1"),
    "-Nc": Reference("1"),
    "-xtalsize": Reference("", "Quirk {rounded-counts}. Replaces -N wherever it stands, in both."),
    "-xtal_x": Reference(""),
    "-xtal_y": Reference("", "Clipped to -beamsize, in both; here with a notice."),
    "-xtal_z": Reference("", "Clipped to -beamsize, in both; here with a notice."),
    "-fudge": Reference("1"),
    "-water": Reference("0", "Quirks {water-over-steps}, {water-fluence}."),
    "-mosaic": Reference(""),
    "-mosaic_domains": Reference(),
    "-mosaic_seed": Reference("12345678", f"{_USAGE} 1234567."),
    "-phi": Reference("0", "Quirk {phi-carryover} in a scan through 0."),
    "-osc": Reference(""),
    "-phistep": Reference("", "With -phisteps and without -osc it makes two steps, in both."),
    "-phisteps": Reference(None, "Quirk {rounded-counts}: where -osc and -phistep decide."),
    "-oversample": Reference(None, "Quirk {rounded-counts}. More than 1000 are never chosen by default here."),
    "-oversample_thick": Reference(None, "Quirk {running-product}."),
    "-oversample_polar": Reference(None, "Quirk {running-product}."),
    "-oversample_omega": Reference(None, "Quirk {running-product}."),
    "-dmin": Reference("0", "Quirk {water-over-steps}: with -water."),
    "-roi": Reference(
        "",
        "Limits beyond the detector are brought back to it here, with a notice; a negative last pixel is an error, "
        "where the reference takes the edge.",
    ),
    "-seed": Reference(None, "Equal seeds give the reference's counts with -noise reference-poisson."),
    "-progress": Reference("on", "A bar here; the reference prints per cents."),
    "-noprogress": Reference(),
    "-printout": Reference(),
    "-printout_pixel": Reference(),
    "-stol": Reference("", "Quirk {stol-ignored}."),
    "-4stol": Reference("", "Quirk {stol-ignored}."),
    "-Q": Reference("", "Quirk {stol-ignored}."),
    "-stolout": Reference("output.stol", "No effect in either; it is never written."),
    "-coherent": Reference(None, "No effect in either."),
    "-hdiv": Reference(None, "No effect in either; it stands in the reference's examples, and -hdivrange is meant."),
    "-vdiv": Reference(None, "No effect in either; it stands in the reference's examples, and -vdivrange is meant."),
    "-dispstep": Reference(None, "No effect in either; it stands in the reference's examples, and -dispsteps is meant."),
    "-density": Reference("1", "Quirk {stol-ignored}. Without a table no effect in either."),
    "-MW": Reference("18", "Quirk {stol-ignored}. Without a table no effect in either."),
    "-adxv": Reference(None, f"{_CONVENTION} {_USAGE} that it is the default; that is MOSFLM."),
    "-fdet_vector": Reference("0 0 1"),
    "-sdet_vector": Reference("0 -1 0"),
    "-odet_vector": Reference("1 0 0", "One that is not of unit length is replaced by fast x slow, in both."),
    "-beam_vector": Reference("1 0 0"),
    "-polar_vector": Reference("0 0 1"),
    "-spindle_axis": Reference("0 0 1"),
    "-twotheta_axis": Reference(
        "0 1 0", "Quirk {flag-matching}: its x is also read as -twotheta. Its length does not matter here."
    ),
    "-pix0_vector": Reference("", "Quirk {pix0-ignored}."),
    "-pix0_vector_mm": Reference("", "Read as -pix0_vector; quirk {pix0-ignored}."),
    "-denzo": Reference(None, _CONVENTION),
    "-dials": Reference(None, _CONVENTION),
    "-mosflm": Reference(None, f"{_CONVENTION} The default there too."),
    "-xds": Reference(None, _CONVENTION),
    "-hkl": Reference("", "Quirks {fdump-cache}, {comments-refused}. A line that is not h k l F is an error here."),
    "-default_F": Reference("0"),
    "-interpolate": Reference(None, "Quirk {interpolation-latch}."),
    "-nointerpolate": Reference(),
    "-dump": Reference("Fdump.bin", "Quirk {fdump-cache}."),
    "-gauss_xtal": Reference(None, _SHAPE),
    "-round_xtal": Reference(None, f"Quirk {{sphere-cancellation}}. {_SHAPE}"),
    "-square_xtal": Reference(None, f"{_SHAPE} The default there too."),
    "-tophat_spots": Reference(None, _SHAPE),
    "-nonoise": Reference(None, "A later -noisefile takes it back, in both."),
    "-pgmfile": Reference("image.pgm, always"),
    "-nopgm": Reference(None, "A later -pgmfile or -pgmscale takes it back, in both."),
    "-pgmscale": Reference(),
    "-floatfile": Reference("floatimage.bin, always"),
    "-intfile": Reference("intimage.img, always", "Quirk {smv-header}."),
    "-noisefile": Reference(
        "noiseimage.img, always", "Other counts unless -noise is reference-poisson. Quirk {smv-header}."
    ),
    "-scale": Reference(),
    "-adc": Reference("40"),
}

HEAD = """# Every flag

The flags of `openbragg simulate`, those of the built-in plugins included; `openbragg simulate --help all` shows what is
installed. Flags are read in order, and later ones win. All spellings in a cell mean the same; behind each stands its
double-dash alias.

*The reference* is `nanoBragg.c`. Where the last column says "the same", it has a flag of these names, with this unit,
default and meaning. A default stands there where it is another one, as it is in the source, not as the usage text has
it. Quirks are repeated with `--compat nanobragg`, or one by one; [Quirks of the reference](../explanation/quirks.md) describes them.

In general:

- A value that a flag cannot take is an error here. The reference reads a word as 0, and 2.5 cells as 2 also for shapes
  that take them here.
- A file that cannot be read, or holds something else, is an error here. The reference goes on without it, or stops.
- The reference looks for its names inside the words of the command line. A word that only begins like one of its flags,
  such as `-matrixfile` or `-wavelen`, is therefore let through as that flag, with a notice. A word that begins like
  none is an error here, and passed over there.
- A flag that names an image to write keeps the others from being written unasked. The reference always writes its own;
  a run says at its end which these would have been.

This page is written by `docs/generate_flags.py`.
"""


def page() -> str:
    """The whole page.

    Raises
    ------
    KeyError
        When nothing is said of a flag that the reference has.
    """
    registry = load_registry(("*",))
    return HEAD + "".join(_section(section) for section in simulation_sections(registry) if section.options)


def is_the_reference_s(spelling: str) -> bool:
    """Whether the reference program knows a spelling as a flag, or has it in its examples."""
    return spelling in WHOLE_WORDS or spelling in MEANT or any(spelling.startswith(beginning) for beginning in BEGINNINGS)


def _section(section: Section) -> str:
    rows = [_row(option) for option in section.options]
    head = "| flag | value | default | what it does | the reference |\n| --- | --- | --- | --- | --- |\n"
    return f"\n## {section.title[:1].upper()}{section.title[1:]}\n\n{head}" + "".join(rows)


def _row(option: click.Option) -> str:
    spellings = [name for name in option.opts if not name.startswith("--")]
    names = "<br>".join(f"`{spelling}` `{kebab(spelling)}`" for spelling in spellings)
    value = (option.metavar or "") if isinstance(option, FlagOption) and option.flag.constant is None else ""
    sentence, _, words = (option.help or "").partition(" Default: ")
    default, words = words.removesuffix("."), ""
    if " (" in default:  # the part that a flag sets stands behind
        default, _, words = default.partition(". (")
        words = f" ({words}" if words else ""
    shown = default or _default(option)
    cells = (names, value.strip("<>"), shown, sentence + words, _reference(spellings, shown))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(option: click.Option) -> str:
    """The default in the user's unit, where it is a number or a word."""
    if not isinstance(option, FlagOption):
        return ""
    flag = option.flag
    value = flag.default
    if flag.constant is not None:
        return typed(value, "") if flag.constant and isinstance(value, bool) else ""
    if flag.spec.output and hasattr(flag.owner, "default_file"):
        file = flag.owner().default_file(flag.spec.output) if flag.field not in _NO_DEFAULT else None
        return f"{file}, when no image is named" if file else ""
    return typed(value, flag.unit)


def _reference(spellings: list[str], default: str) -> str:
    """What the reference makes of a flag."""
    known = [spelling for spelling in spellings if is_the_reference_s(spelling)]
    if not known:
        return "Not in the reference."
    entry = REFERENCE[spellings[0]]
    said = []
    if len(known) < len(spellings):
        said.append("There only " + ", ".join(f"`{spelling}`" for spelling in known) + ".")
    if entry.default is not None and entry.default != default:
        said.append(f"Default there: {entry.default}." if entry.default else "No default there.")
    if entry.differs:
        said.append(_linked(entry.differs))
    return " ".join(said) or "The same."


def _linked(text: str) -> str:
    """Names of quirks in braces as links to their paragraphs."""
    return re.sub(r"\{(.*?)\}", r"[\1](../explanation/quirks.md#\1)", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
