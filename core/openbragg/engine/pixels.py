"""Which pixels of a panel are rendered, in the order in which the reference program comes to them."""

from __future__ import annotations

from functools import lru_cache

import attrs
import torch

#: First and last pixel along fast, then along slow, both included.
Region = tuple[int, int, int, int]

#: Regions whose coordinates of a block are remembered: those of panels that stand while a crystal turns.
_REGIONS = 16


@attrs.frozen(eq=False)
class Pixels:
    """The pixels of a region that a mask leaves, row by row, numbered from 0.

    Attributes
    ----------
    shape
        Pixels of the whole panel, (slow, fast).
    region
        The part of it.
    chosen
        Places of the pixels in the region, counted row by row, int64 (pixel,); None for all of them.
    device
        Where coordinates are made.
    whole_rows
        Coordinates of the rows in which blocks begin, by the number of pixels: the slow ones as for the first row.
    """

    shape: tuple[int, int]
    region: Region
    chosen: torch.Tensor | None
    device: torch.device
    whole_rows: dict[int, tuple[torch.Tensor, torch.Tensor]] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def width(self) -> int:
        """Pixels of the region along fast."""
        return self.region[1] - self.region[0] + 1

    @property
    def height(self) -> int:
        """Pixels of the region along slow."""
        return self.region[3] - self.region[2] + 1

    @property
    def count(self) -> int:
        """How many there are."""
        return self.width * self.height if self.chosen is None else self.chosen.numel()

    def coordinates(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Slow and fast index of the pixels from number `start` up to `stop`, float64, (stop - start,).

        What it gives is not to be changed.
        """
        row, beside = divmod(start, self.width)
        if self.chosen is None and beside == 0 and stop - start >= self.width:
            slow, fast = self._rows(stop - start)
            return slow + row, fast
        if self.chosen is None:
            return self._at(torch.arange(start, stop, dtype=torch.float64, device=self.device))
        return self._at(self.chosen[start:stop].to(torch.float64))

    def aligned(self, size: int) -> int:
        """No more than `size` pixels, a number of whole rows if there are so many: whose coordinates are soon made."""
        return size if self.chosen is not None or size < self.width else size // self.width * self.width

    def _rows(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Slow and fast index of so many pixels from the beginning of the region's first row, (count,); kept."""
        if count not in self.whole_rows:
            self.whole_rows[count] = self._at(torch.arange(count, dtype=torch.float64, device=self.device))
        return self.whole_rows[count]

    def _at(self, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Slow and fast index at places in the region."""
        # Whole numbers divide ten times as slowly; half a pixel keeps rounding away from whole rows.
        row = ((place + 0.5) / self.width).floor()
        return row + self.region[2], place - row * self.width + self.region[0]

    def number_of(self, slow: int, fast: int) -> int | None:
        """Number of the pixel at a place of the panel; None for one that is not among them."""
        first_fast, last_fast, first_slow, last_slow = self.region
        if not (first_fast <= fast <= last_fast and first_slow <= slow <= last_slow):
            return None
        place = (slow - first_slow) * self.width + fast - first_fast
        if self.chosen is None:
            return place
        found = (self.chosen == place).nonzero()
        return int(found[0]) if len(found) else None

    def image(self, values: torch.Tensor) -> torch.Tensor:
        """The panel, (slow, fast), with one value (pixel,) for each of the pixels and 0 for the others."""
        if self.chosen is not None:
            part = values.new_zeros(self.width * self.height).index_put((self.chosen,), values)
        else:
            part = values
        part = part.reshape(self.height, self.width)
        if part.shape == self.shape:
            return part
        image = values.new_zeros(self.shape)
        first_fast, last_fast, first_slow, last_slow = self.region
        image[first_slow : last_slow + 1, first_fast : last_fast + 1] = part
        return image


def choose_pixels(
    shape: tuple[int, int], region: Region | None, mask: torch.Tensor | None, device: torch.device
) -> Pixels:
    """The pixels of a panel (slow, fast) in a region, or all, where a mask of the panel's shape is not 0."""
    region = region or (0, shape[1] - 1, 0, shape[0] - 1)
    if mask is None:
        return _all_pixels(shape, region, device)
    first_fast, last_fast, first_slow, last_slow = region
    part = mask[first_slow : last_slow + 1, first_fast : last_fast + 1].reshape(-1)
    return Pixels(shape, region, part.to(device).nonzero().reshape(-1), device)


@lru_cache(maxsize=_REGIONS)
def _all_pixels(shape: tuple[int, int], region: Region, device: torch.device) -> Pixels:
    return Pixels(shape, region, None, device)
