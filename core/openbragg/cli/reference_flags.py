"""How the reference program reads its command line: by beginnings of words, and some flags as others.

It looks for the names of its flags inside each word, so that ``-wavelength`` is ``-wave`` and ``-matrixfile`` is
``-mat``. `BEGINNINGS` lets the same spellings through. Where the search makes it read a flag that was not meant, it has
a quirk, flag-matching; `as_the_reference_reads` does the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs
import click

from openbragg.cli.compose import FlagOption, flags_of
from openbragg.model import Crystal, Detector

#: Beginnings that the reference takes for a flag of its own, where the flag here is spelled otherwise.
_SPELLED_OTHERWISE = {
    "-sample_heigh": "-sample_height",
    "-xtal_heigh": "-xtal_height",
    "-heigh": "-height",
    "-sample_den": "-density",
    "-molec": "-MW",
    "-mosaici": "-mosaic",
    "-mosaic_spr": "-mosaic_spread",
}
#: Flags of which the reference wants the beginning of a word only; of others, such as -N and -polar, all of it.
_BEGINNINGS = """
    -img -mask -Na -Nb -Nc -cell -misset -samplesize -sample_size -sample_thick -sample_x -sample_width -sample_y
    -width -sample_z -xtalsize -xtal_size -xtal_thick -xtal_x -xtal_width -xtal_y -xtal_z -density -Xbeam -Ybeam
    -Xclose -Yclose -ORGX -ORGY -pivot -mosflm -xds -adxv -denzo -dials -fdet_vector -sdet_vector -odet_vector
    -beam_vector -polar_vector -spindle_axis -twotheta_axis -pix0_vector -distance -close_distance -detector_abs
    -detector_thicksteps -thicksteps -twotheta -detector_rotx -detector_roty -detector_rotz -detsize_f -detsize_s
    -detpixels_f -detpixels_x -detpixels_s -detpixels_y -curved_det -pixel -point_pixel -nopolar -oversample_thick
    -oversample_polar -oversample_omega -oversample -roi -lambda -wave -energy -fluence -flux -exposure -beamsize
    -mosaic_dom -dispersion -dispsteps -divergence -hdivrange -vdivrange -hdivsteps -vdivsteps -divsteps -round_div
    -square_div -adc -osc -phisteps -dmin -mat -hkl -default_F -dump -stolout -sourcefile -floatfile -floatimage
    -intfile -intimage -pgmfile -pgmimage -noisefile -noiseimage -nonoise -nopgm -scale -pgmscale -coherent
    -noprogress -progress -interpolate -nointerpolate -round_xtal -square_xtal -gauss_xtal -binary_spots
    -tophat_spots -fudge -printout_pixel -printout -seed -mosaic_seed -misset_seed -water
""".split()
#: Beginnings of words and the flags that they stand for.
BEGINNINGS: dict[str, str] = {flag: flag for flag in _BEGINNINGS} | _SPELLED_OTHERWISE

#: Flags in the reference's examples that it does not know, and those that it has for what they are probably to do.
MEANT = {"-hdiv": "-hdivrange", "-vdiv": "-vdivrange", "-dispstep": "-dispsteps"}

_LEADING_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?)")
_ZERO = re.compile(r"[-+]?0+(\.0*)?")
#: An attenuation length in micrometres beyond which no sensor absorbs anything.
_TRANSPARENT = "1e300"

Given = list[tuple[click.Option, list[str]]]


@attrs.frozen
class Misreading:
    """The flags of a command line as the reference program reads them, where that is not as they stand.

    Attributes
    ----------
    given
        The flags.
    changes
        What is read otherwise, in words.
    """

    given: Given
    changes: tuple[str, ...]


def as_the_reference_reads(given: Given, settled: Iterable[tuple[click.Option, list[str]]] = ()) -> Misreading:
    """Flags, in order with their words, as the reference's search for their names reads them.

    Those among them that are `settled`, as the ones of a recorded run are, have been read already.
    """
    untouched = {id(pair) for pair in settled}
    changes: list[str] = []
    read: Given = []
    for number, pair in enumerate(given):
        option, words = pair
        if id(pair) in untouched:
            read.append(pair)
            continue
        field = _field(option)
        after = [*words, *(word for other, others in given[number + 1 :] for word in (other.opts[0], *others))]
        if field == "misset_seed" and len(after) >= 3:
            changes.append("-misset_seed also sets the angles of -misset, from the three words after it")
            read.append((_option(Crystal, "misset"), [_number(word) for word in after[:3]]))
        if field == "curved" and not after:
            changes.append("-curved_det at the end of the command line is not read")
            continue
        read.append((option, words))
        if field == "twotheta" and isinstance(option, FlagOption) and option.flag.owner is not Detector:
            changes.append("-twotheta_axis also sets -twotheta, to its x")
            read.append((_option(Detector, "twotheta"), [words[0]]))
        if field == "attenuation_length" and _is_transparent(words[0]):
            read = [(other, value) for other, value in read if not _is_thickness(other)]
            if any(_is_thickness(other) for other, _ in given[number + 1 :]):
                changes.append("-detector_thick after -detector_abs inf makes a sensor that absorbs nothing")
                read[-1] = (option, [_TRANSPARENT])
    return Misreading(read, tuple(changes))


def without_zero_cells(given: Given) -> tuple[Given, list[str]]:
    """Flags with one cell for none along an axis, as the reference's examples have it, and what to say of that."""
    read: Given = []
    notices: list[str] = []
    for pair in given:
        option, words = pair
        zero = isinstance(option, FlagOption) and option.flag.owner is Crystal and _field(option) == "cells"
        if not zero or not _ZERO.fullmatch(words[0]):
            # The pair itself: what is settled is known by it.
            read.append(pair)
            continue
        flag = option.opts[0]
        line = f"{flag} {words[0]} is read as {flag} 1, as the reference reads it: a single cell, without a lattice"
        if line not in notices:
            notices.append(line)
        read.append((option, ["1"]))
    return read, notices


def _field(option: click.Option) -> str:
    return option.flag.field if isinstance(option, FlagOption) else ""


def _is_thickness(option: click.Option) -> bool:
    return isinstance(option, FlagOption) and option.flag.owner is Detector and option.flag.field == "sensor_thickness"


def _is_transparent(word: str) -> bool:
    return word == "inf" or float(_number(word)) == 0.0


def _number(word: str) -> str:
    """What C's atof makes of a word."""
    found = _LEADING_NUMBER.match(word)
    return found.group().strip() if found else "0"


def _option(owner: type, field: str) -> FlagOption:
    """The option that sets a field."""
    return FlagOption(next(flag for flag in flags_of(owner) if flag.field == field))
