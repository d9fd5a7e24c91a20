"""What ``openbragg compare`` compared and how it came out: as a table, and as the keys of summary.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from openbragg import OpenBraggError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbragg_tools.compare.comparison import Comparison
    from openbragg_tools.compare.previews import Scales

NAMES = ("first", "second")
SUMMARY = "summary.json"
PICTURES = ("first.png", "second.png", "difference.png")

_WITHIN, _BELOW = 0, 3


class ShapeError(OpenBraggError):
    """Images that cannot be compared pixel by pixel."""

    exit_status = 4


_VERDICTS = {_WITHIN: "within", _BELOW: "below", ShapeError.exit_status: "different shapes"}


@attrs.frozen(eq=False)
class Side:
    """One of the two images.

    Attributes
    ----------
    source
        The file or the command that it comes from.
    pixels
        Its values, (slow, fast).
    runtime
        Of the command, in seconds.
    """

    source: str
    pixels: NDArray[Any]
    runtime: float | None = None

    def shape(self) -> tuple[int, int]:
        """Pixels along slow and fast."""
        slow, fast = self.pixels.shape
        return slow, fast


@attrs.frozen
class Settings:
    """What the options say; see the help text.

    Attributes
    ----------
    flags
        The words after ``--``; None when files are compared.
    shape
        Pixels (slow, fast) of raw images.
    roi
        First and last pixel along fast, then along slow.
    image
        Which image of files that hold several, from 1; None for the first.
    resample
        Whether the second image is brought to the first's shape.
    threshold
        Correlation from which on the images are alike.
    peak_distance
        In pixels.
    timeout
        In seconds.
    output
        The folder for the files.
    keep
        The folder for what commands wrote; None to keep nothing.
    pictures
        Whether there are more files than the summary.
    """

    flags: tuple[str, ...] | None
    shape: tuple[int, int] | None
    roi: tuple[int, int, int, int] | None
    image: int | None
    resample: bool
    threshold: float
    peak_distance: float
    timeout: float | None
    output: Path
    keep: Path | None
    pictures: bool

    def outputs(self) -> list[Path]:
        """The files that will be written."""
        return [self.output / name for name in (*(PICTURES if self.pictures else ()), SUMMARY)]


@attrs.frozen(eq=False)
class Agreement:
    """Two images, and how they compare; nothing of that when their shapes differ.

    Attributes
    ----------
    first, second
        The images as they were read.
    settings
        The options.
    comparison
        The numbers.
    shape
        Pixels (slow, fast) that were compared.
    scales
        What the shades of the pictures stand for, when there are any.
    """

    first: Side
    second: Side
    settings: Settings
    comparison: Comparison | None = None
    shape: tuple[int, ...] = ()
    scales: Scales | None = None

    def exit_status(self) -> int:
        """0 when the correlation is within the threshold, 3 when it is not, 4 for different shapes."""
        if self.comparison is None:
            return ShapeError.exit_status
        correlation = self.comparison.correlation
        return _WITHIN if correlation is not None and correlation >= self.settings.threshold else _BELOW

    def speed_ratio(self) -> float | None:
        """How many times as fast as the first command the second is; None for files."""
        if self.first.runtime is None or not self.second.runtime:
            return None
        return self.first.runtime / self.second.runtime

    def summary(self) -> dict[str, Any]:
        """The content of summary.json; docs/reference/compare.md says what the keys mean."""
        source = "file" if self.settings.flags is None else "command"
        return {
            "verdict": _VERDICTS[self.exit_status()],
            "exit_status": self.exit_status(),
            "threshold": self.settings.threshold,
            **{
                name: {source: side.source, "runtime": side.runtime, "shape": side.shape()}
                for name, side in zip(NAMES, (self.first, self.second), strict=True)
            },
            "speed_ratio": self.speed_ratio(),
            "kept": None if self.settings.keep is None else str(self.settings.keep),
            "flags": self.settings.flags,
            "roi": self.settings.roi,
            "resampled": self._resampled(),
            "peak_distance": self.settings.peak_distance,
            "comparison": None if self.comparison is None else attrs.asdict(self.comparison),
            "pictures": None if self.scales is None else {"files": PICTURES, **attrs.asdict(self.scales)},
        }

    def table(self) -> dict[str, str]:
        """Words and values to print, in order."""
        # A file's name need not be text.
        sides = zip(NAMES, (self.first, self.second), strict=True)
        rows = {name: click.format_filename(side.source) for name, side in sides}
        if self.first.runtime is not None and self.second.runtime is not None:
            rows["runtime"] = (
                f"first {self.first.runtime:.3g} s, second {self.second.runtime:.3g} s (one run each, not a benchmark)"
            )
        if (ratio := self.speed_ratio()) is not None:
            rows["speed"] = f"second {ratio:.3g} times as fast as first"
        if self.comparison is not None:
            rows["compared"] = "{} x {} pixels (slow x fast)".format(*self.shape)
            if self._resampled():
                rows["resampled"] = "second, from {} x {}".format(*self.second.shape())
            rows |= _numbers(self.comparison)
        if self.scales is not None:
            rows["shades"] = (
                f"white {self.scales.white:.6g}, black {self.scales.black:.6g}; "
                f"differences in full colour from {self.scales.full_colour:.6g} on"
            )
        rows["verdict"] = f"{_VERDICTS[self.exit_status()]} the threshold of {self.settings.threshold:g}"
        return rows

    def _resampled(self) -> bool:
        return self.comparison is not None and self.first.shape() != self.second.shape()


def _numbers(comparison: Comparison) -> dict[str, str]:
    largest, peaks = comparison.largest, comparison.peaks
    correlation, ratio = comparison.correlation, comparison.ratio
    rows = {
        "correlation": "undefined: an image is constant" if correlation is None else f"{correlation:.12g}",
        "MSE": f"{comparison.mse:.6g}",
        "RMSE": f"{comparison.rmse:.6g}",
        "largest": f"{largest.difference:+.6g} at slow {largest.slow}, fast {largest.fast}: "
        f"first {largest.first:.6g}, second {largest.second:.6g}",
        "sum": f"first {comparison.first_sum:.9g}, second {comparison.second_sum:.9g}, "
        f"ratio {'undefined' if ratio is None else f'{ratio:.9g}'}",
        "peaks": f"{peaks.first} in first, {peaks.second} in second; {peaks.matched} of {peaks.sought} matched",
    }
    if peaks.median_shift is not None:
        slow, fast = peaks.median_shift
        rows["offset"] = (
            f"median {peaks.median_offset:.3g}, largest {peaks.largest_offset:.3g} pixels; "
            f"median shift slow {slow:+.3g}, fast {fast:+.3g}"
        )
    return rows
