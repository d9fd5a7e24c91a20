"""A profile as text, as CSV and as a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from openbragg import unit, write_file

if TYPE_CHECKING:
    from openbragg_powder.profile import Profile

_HEADINGS = ("two_theta_deg", "d_A", "photons_per_pixel", "pixels")
_ANGSTROM, _DEGREES = unit("A").from_si, unit("deg").from_si
#: Of the plot, in inches and dots an inch.
_SIZE, _DOTS = (8.0, 4.5), 150


def as_csv(profile: Profile) -> str:
    """Comma-separated values under a line of headings."""
    return "".join(f"{','.join(row)}\n" for row in (_HEADINGS, *_rows(profile)))


def as_text(profile: Profile) -> str:
    """Columns for people and for programs that pass over a line that begins with #."""
    rows = [(f"# {_HEADINGS[0]}", *_HEADINGS[1:]), *_rows(profile)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return "".join("  ".join(map(str.rjust, row, widths)) + "\n" for row in rows)


def write_plot(path: Path, profile: Profile, against: str) -> None:
    """Draw a profile against 2 theta in degrees, or (``d``) against 1/d with d in angstroms, as a PNG.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    if against == "d":
        axes.plot(1.0 / _ANGSTROM(profile.spacing), profile.photons, linewidth=1.0)
        axes.set_xlabel("1/d (1/A)")
    else:
        axes.plot(_DEGREES(profile.two_theta), profile.photons, linewidth=1.0)
        axes.set_xlabel("2 theta (degrees)")
    axes.set_ylabel("photons per pixel")
    axes.set_ylim(bottom=0.0)
    # The program's version and the date have no place in a file that should be the same each time.
    write_file(path, lambda stream: figure.savefig(stream, format="png", dpi=_DOTS, metadata={"Software": None}))


def _rows(profile: Profile) -> Iterator[tuple[str, ...]]:
    angles, spacings = _DEGREES(profile.two_theta), _ANGSTROM(profile.spacing)
    for angle, spacing, photons, pixels in zip(angles, spacings, profile.photons, profile.pixels, strict=True):
        yield f"{angle:.6f}", f"{spacing:.6g}", f"{photons:.9g}", str(pixels)
