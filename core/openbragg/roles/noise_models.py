"""The contract of noise models, and what is known of an image that is read out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    import torch


@attrs.frozen(kw_only=True)
class Levels:
    """What counts mean, for the headers of files.

    Attributes
    ----------
    gain
        Counts for a photon.
    saturation
        The largest count that is read, at which a pixel is full; None where there is none.
    """

    gain: float = 1.0
    saturation: float | None = None

    def largest_trusted(self, largest: float) -> float:
        """The largest count below saturation, of a file whose pixels hold numbers up to `largest`."""
        return largest if self.saturation is None else min(largest, self.saturation - 1.0)


@runtime_checkable
class NoiseModel(Plugin, Protocol):
    """Detector counts from expected photons.

    One whose counts are no photons, or that saturates, has a method ``levels()`` that gives its `Levels`.
    """

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        """Counts for expected photons (slow, fast); equal seeds give equal counts on one device.

        The result is on the device of the input and holds whole numbers where the model counts photons.
        """


@attrs.frozen(kw_only=True)
class Readout:
    """What is known of an image on its way through a detector, beside its photons.

    Attributes
    ----------
    shape
        Pixels of the whole image, (slow, fast).
    region
        The part of it that is read: first and last pixel along fast, then along slow, both included.
    pixel_size
        Side of a pixel, in metres; of the first panel where they differ.
    exposure
        Exposure time, in seconds.
    slabs
        Where in the image each panel is kept, first and last pixel as in `region`: neighbours of two panels may be far
        apart. Empty for one panel that fills the image.
    pixel_sizes
        Side of each panel's pixels, in metres. Empty where all are of `pixel_size`.
    """

    shape: tuple[int, int]
    region: tuple[int, int, int, int]
    pixel_size: float
    exposure: float
    slabs: tuple[tuple[int, int, int, int], ...] = ()
    pixel_sizes: tuple[float, ...] = ()

    def part(self) -> tuple[slice, slice]:
        """The part that is read, as slices (slow, fast) of the whole image."""
        first_fast, last_fast, first_slow, last_slow = self.region
        return slice(first_slow, last_slow + 1), slice(first_fast, last_fast + 1)

    def panels(self) -> tuple[tuple[tuple[slice, slice], float], ...]:
        """What is read of each panel, as slices (slow, fast) of the part that is read, and the side of its pixels.

        Panels out of that part are left out.
        """
        if not self.slabs:
            return (((slice(None), slice(None)), self.pixel_size),)
        sizes = self.pixel_sizes or (self.pixel_size,) * len(self.slabs)
        first_fast, last_fast, first_slow, last_slow = self.region
        parts = []
        for (left, right, top, bottom), size in zip(self.slabs, sizes, strict=True):
            rows = slice(max(top, first_slow) - first_slow, min(bottom, last_slow) + 1 - first_slow)
            columns = slice(max(left, first_fast) - first_fast, min(right, last_fast) + 1 - first_fast)
            if rows.start < rows.stop and columns.start < columns.stop:
                parts.append(((rows, columns), size))
        return tuple(parts)


@runtime_checkable
class ReadoutNoiseModel(NoiseModel, Protocol):
    """A noise model to which the detector's pixels matter: their size and place, and how long they were exposed."""

    def read_out(self, photons: torch.Tensor, seed: int, readout: Readout) -> torch.Tensor:
        """Counts for expected photons of the part of an image that is read, as in `counts`.

        Asked in the place of `counts` wherever an experiment is known.

        One that reads files of a detector, a map of gains say, has a method ``check(readout)`` that raises what this
        would: it is asked before anything is rendered.
        """
