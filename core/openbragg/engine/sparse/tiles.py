"""Pixels of a region in small squares."""

from __future__ import annotations

import attrs
import torch

from openbragg.engine.pixels import Pixels


@attrs.frozen(eq=False)
class Tiles:
    """The squares of a region in which there is any pixel to render.

    Attributes
    ----------
    pixels
        The pixels.
    side
        Pixels along a side of a square; squares at the edge reach beyond the region.
    places
        Places of the squares in the region, counted row by row, int64, (tile,).
    numbers
        Numbers of all pixels of the region, int64 (place,), -1 for those that a mask hides; None without a mask.
    """

    pixels: Pixels
    side: int
    places: torch.Tensor
    numbers: torch.Tensor | None

    @property
    def count(self) -> int:
        """How many there are."""
        return self.places.numel()

    def coordinates(self, tiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Slow and fast index of the pixels of some squares, float64, (tile, pixel)."""
        along_slow, along_fast = self._within_region(tiles)
        first_fast, _, first_slow, _ = self.pixels.region
        return (along_slow + first_slow).to(torch.float64), (along_fast + first_fast).to(torch.float64)

    def numbers_of(self, tiles: torch.Tensor) -> torch.Tensor:
        """Numbers of the pixels of some squares, int64, (tile, pixel); -1 for what is not to be rendered."""
        along_slow, along_fast = self._within_region(tiles)
        inside = (along_slow < self.pixels.height) & (along_fast < self.pixels.width)
        place = torch.where(inside, along_slow * self.pixels.width + along_fast, 0)
        return torch.where(inside, place if self.numbers is None else self.numbers[place], -1)

    def _within_region(self, tiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Place of each pixel of squares along slow and fast, int64, (tile, pixel)."""
        across = -(-self.pixels.width // self.side)
        places = self.places[tiles].unsqueeze(1)
        inner = torch.arange(self.side**2, device=places.device).unsqueeze(0)
        slow, fast = places // across, places % across
        return slow * self.side + inner // self.side, fast * self.side + inner % self.side


def cut_into_tiles(pixels: Pixels, side: int) -> Tiles:
    """The squares of `side` x `side` pixels in which there are pixels to render."""
    across, down = -(-pixels.width // side), -(-pixels.height // side)
    if pixels.chosen is None:
        return Tiles(pixels, side, torch.arange(across * down, device=pixels.device), None)
    numbers = torch.full((pixels.width * pixels.height,), -1, dtype=torch.int64, device=pixels.device)
    numbers[pixels.chosen] = torch.arange(pixels.count, device=pixels.device)
    slow, fast = pixels.chosen // pixels.width, pixels.chosen % pixels.width
    return Tiles(pixels, side, torch.unique((slow // side) * across + fast // side), numbers)
