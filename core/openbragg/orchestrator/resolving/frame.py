"""The stored frame: the array that an image of all panels is kept in."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch

from openbragg.engine.pixels import Region
from openbragg.model import Detector, Experiment, Panel
from openbragg.model.panel import extent


@attrs.frozen(eq=False)
class Shown:
    """What is rendered of a panel.

    Attributes
    ----------
    region
        First and last pixel of the panel along fast, then along slow; None where nothing of it is rendered.
    mask
        Which pixels of the panel, booleans (slow, fast); None for all of them.
    """

    region: Region | None
    mask: torch.Tensor | None

    def count(self) -> int:
        """Pixels in the region."""
        if self.region is None:
            return 0
        return (self.region[1] - self.region[0] + 1) * (self.region[3] - self.region[2] + 1)


def visible_pixels(detector: Detector) -> torch.Tensor | None:
    """Which pixels of the stored frame are rendered, booleans (slow, fast); None for all of them."""
    hidden = detector.hidden()
    return None if hidden is None else torch.as_tensor(~hidden)


def shown_parts(experiment: Experiment) -> tuple[Shown, ...]:
    """What is rendered of each panel: its part of the experiment's region, less gaps and what a mask hides."""
    detector, region = experiment.detector, experiment.sampling.region
    panels, visible = detector.panels(), visible_pixels(detector)
    return tuple(
        Shown(
            region=_region_of(panel, region),
            mask=None if visible is None else _of_panel(visible, panel),
        )
        for panel in panels
    )


def assembled(images: Sequence[torch.Tensor], panels: Sequence[Panel]) -> torch.Tensor:
    """One image of all panels, (slow, fast), 0 between them; of a single panel its own image.

    Parameters
    ----------
    images
        One of each panel, (slow, fast).
    panels
        The panels, with their slabs.
    """
    shape = extent(panels)
    if len(images) == 1 and tuple(images[0].shape) == shape:
        return images[0]
    frame = images[0].new_zeros(shape)
    for image, panel in zip(images, panels, strict=True):
        frame[panel.rows(), panel.columns()] = image
    return frame


def panel_at(panels: Sequence[Panel], slow: int, fast: int) -> tuple[int, int, int] | None:
    """Number of the panel at a place of the stored frame, and the place on it (slow, fast); None between panels."""
    for number, panel in enumerate(panels):
        rows, columns = panel.rows(), panel.columns()
        if rows.start <= slow < rows.stop and columns.start <= fast < columns.stop:
            return number, slow - rows.start, fast - columns.start
    return None


def _region_of(panel: Panel, region: Region | None) -> Region | None:
    rows, columns = panel.rows(), panel.columns()
    if region is None:
        return 0, panel.pixels[1] - 1, 0, panel.pixels[0] - 1
    first_fast, last_fast = max(region[0], columns.start), min(region[1], columns.stop - 1)
    first_slow, last_slow = max(region[2], rows.start), min(region[3], rows.stop - 1)
    if first_fast > last_fast or first_slow > last_slow:
        return None
    return first_fast - columns.start, last_fast - columns.start, first_slow - rows.start, last_slow - rows.start


def _of_panel(visible: torch.Tensor, panel: Panel) -> torch.Tensor | None:
    """A panel's part of a mask; None where it hides nothing of it."""
    part = visible[panel.rows(), panel.columns()]
    return None if bool(part.all()) else part
