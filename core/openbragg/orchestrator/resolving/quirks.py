"""Quirks of the reference program: named, off by default, and never silent when they would matter."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from openbragg.errors import UsageError

#: The word that stands for all of them.
ALL = "nanobragg"
#: Of files that have lines of comments.
COMMENTS = "comments-refused"


@attrs.frozen
class Quirk:
    """A way in which the reference program differs from what its flags say.

    Attributes
    ----------
    name
        What ``--compat`` calls it.
    reference
        What the reference does, as the second half of "the reference ...".
    """

    name: str
    reference: str


QUIRKS = (
    Quirk("phi-carryover", "keeps the orientation of the step before wherever phi is exactly 0"),
    Quirk("pix0-ignored", "ignores the value of -pix0_vector and takes the beam centre and distance"),
    Quirk("oblique-cell", "builds a -cell with two or more oblique angles with wrong angles"),
    Quirk("running-product", "multiplies the whole sum so far by the factors of -oversample_thick, _polar, _omega"),
    Quirk("last-layer", "multiplies the sum over the sensor's layers by what the last one captures"),
    Quirk("source-weights", "reads the weights of a source file and ignores them"),
    Quirk("source-units", "takes two columns of a source file for places, and wavelengths in angstroms for metres"),
    Quirk("pivot-ignored", "ignores -pivot unless the convention is custom"),
    Quirk("interpolation-latch", "stops interpolating for the rest of the run where a neighbour is missing"),
    Quirk("water-over-steps", "divides the water background by the number of steps, and -dmin can take it away"),
    Quirk("water-fluence", "multiplies the water background by r_e^2 times the fluence twice"),
    Quirk("stol-ignored", "reads -stol, -4stol and -Q and does nothing with them"),
    Quirk("header-twotheta", "reads TWOTHETA in the header of -img and -mask and drops it"),
    Quirk("header-distance", "keeps the CLOSE_DISTANCE of a header when -distance is given"),
    Quirk("header-beam-centre", "takes a header's beam centre as -Xbeam and -Ybeam, in the sense of the convention"),
    Quirk("header-keys", "takes the last place in a header where a key's name appears, also inside a longer one"),
    Quirk("fdump-cache", "reads Fdump.bin from the working folder without -hkl, and writes it with"),
    Quirk(COMMENTS, "takes # in a table, a list of sources or a matrix for a number, or stops there"),
    Quirk("sphere-cancellation", "loses the digits of -round_xtal at lattice points, and is 0 in the direct beam"),
    Quirk("parallel-polarization", "takes a beam along the polarization for polarized towards every pixel"),
    Quirk("rounded-counts", "rounds up quotients as they come, where a whole one may be a last bit above or below"),
    Quirk("subpixels-by-size", "chooses subpixels by the crystal's size, however wide the spots of its shape are"),
    Quirk("flag-matching", "reads some flags as others, or not at all"),
    Quirk("smv-header", "writes other values into the headers of its images"),
)


def parse_compat(text: str) -> frozenset[str]:
    """Names of quirks from ``--compat``: the word for all, or some, separated by commas.

    Raises
    ------
    UsageError
        For a name that is not a quirk.
    """
    known = {quirk.name for quirk in QUIRKS}
    chosen: set[str] = set()
    for word in (part.strip() for part in text.split(",") if part.strip()):
        if word == ALL:
            chosen |= known
        elif word in known:
            chosen.add(word)
        else:
            raise UsageError(f"--compat: expected {ALL} or one of {', '.join(sorted(known))}, got {word!r}")
    return frozenset(chosen)


def notice(name: str, detail: str = "") -> str:
    """The line for a quirk that would have changed this run, with the flag that brings it back."""
    quirk = next(quirk for quirk in QUIRKS if quirk.name == name)
    extra = f" ({detail})" if detail else ""
    return f"{name}: the reference {quirk.reference}{extra}; to do the same: --compat {name}"


def check_names(names: Collection[str]) -> frozenset[str]:
    """Quirks given from Python, as `parse_compat` gives them."""
    return parse_compat(names if isinstance(names, str) else ",".join(names))
