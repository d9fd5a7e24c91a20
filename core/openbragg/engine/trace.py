"""The trace: the terms of one pixel that its image was summed from, kept apart.

Nothing is computed here that the image does not compute: the block of pixels in which the image evaluates the pixel is
evaluated by the same functions, and the pixel's part of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import torch

from openbragg.engine.evaluate import PixelFactors, Terms, pixel_factors
from openbragg.engine.image import blocks_for, strip_renderer
from openbragg.engine.pixels import Region, choose_pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rays import AXES, Components, solid_angle
from openbragg.engine.sequence import turn_of
from openbragg.engine.summation import PixelSums, pixel_sums, sums_of_one
from openbragg.roles import Miller

#: Axes on which places and directions depend, and q; everything else is laid out on all but the pixel.
_PLACE_AXES, _SCATTERING_AXES, _TERM_AXES = 3, 4, 6


@attrs.frozen(kw_only=True, eq=False)
class TracedPixel:
    """The trace of `openbragg.PixelTrace`, on the plan's device, gradients included."""

    plan: Plan
    panel: PanelPlan
    slow: int
    fast: int
    terms: Terms
    cell_vectors: torch.Tensor
    solid_angle: torch.Tensor
    intensity: torch.Tensor
    factors: PixelFactors
    background: torch.Tensor
    photons: torch.Tensor
    value: torch.Tensor
    summed: torch.Tensor | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the terms' axes."""
        return AXES


def trace_pixel(
    plan: Plan,
    panel: PanelPlan,
    slow: int,
    fast: int,
    *,
    dtype: torch.dtype,
    region: Region | None = None,
    mask: torch.Tensor | None = None,
    block_terms: int | None = None,
) -> TracedPixel | None:
    """Trace a pixel of an image; the arguments are those of `openbragg.engine.rendering.render_panel`.

    Returns
    -------
    None where the image does not render the pixel.
    """
    pixels = choose_pixels(panel.pixels, region, mask, plan.device)
    number = pixels.number_of(slow, fast)
    if number is None:
        return None
    blocks = blocks_for(plan, panel, pixels, block_terms)
    turn = turn_of(plan, panel, pixels, number, strip_renderer(panel, pixels, blocks, dtype))
    plan = turn.plan
    if turn.terms is not None:
        place = pixels.coordinates(number, number + 1)
        sums = sums_of_one(plan, panel, *place, turn.terms)
        made = _made(plan, panel, (slow, fast), turn.terms, sums, place, 0, dtype)
        first = plan.first_cell_vectors if turn.is_first else None
        return made if first is None else attrs.evolve(made, cell_vectors=first)
    start = number // blocks.pixels * blocks.pixels
    place = pixels.coordinates(start, min(start + blocks.pixels, pixels.count))
    pieces: list[Terms] = []
    sums = pixel_sums(plan, panel, *place, blocks.parts, lambda terms: pieces.append(_of_pixel(terms, number - start)))
    lengths = [len({str(getattr(part, axis)) for part in blocks.parts}) for axis in AXES[:_TERM_AXES]]
    return _made(plan, panel, (slow, fast), _joined(pieces, lengths), sums, place, number - start, dtype)


def _made(
    plan: Plan,
    panel: PanelPlan,
    pixel: tuple[int, int],
    terms: Terms,
    sums: PixelSums,
    place: tuple[torch.Tensor, torch.Tensor],
    row: int,
    dtype: torch.dtype,
) -> TracedPixel:
    """The trace of the pixel in one row of a block."""
    factors = pixel_factors(plan, panel, *place)
    corner = torch.stack([component.reshape(-1)[0] for component in terms.position])
    share = sums.share[row]
    return TracedPixel(
        plan=plan,
        panel=panel,
        slow=pixel[0],
        fast=pixel[1],
        terms=terms,
        cell_vectors=plan.cell_vectors,
        solid_angle=solid_angle(plan, panel, corner.norm()),
        intensity=sums.intensity[row],
        factors=PixelFactors(
            polarization=factors.polarization[row : row + 1],
            solid_angle=factors.solid_angle[row : row + 1],
            capture=factors.capture[row : row + 1],
        ),
        background=share * plan.water.photons if plan.water is not None else torch.zeros_like(share),
        photons=sums.photons[row],
        value=sums.photons[row].to(dtype),
    )


def _of_pixel(terms: Terms, row: int) -> Terms:
    """The terms of one pixel of a block."""
    whole = terms.intensity.shape

    def kept(tensor: torch.Tensor, full: bool = True) -> torch.Tensor:
        if full:
            tensor = tensor.expand(whole)
        # Copied, so that the block it is a part of can go; a gradient flows through all the same.
        return (tensor if tensor.shape[-1] == 1 else tensor[..., row : row + 1]).clone()

    def place(components: Components) -> Components:
        x, y, z = (kept(component, full=False) for component in components)
        return x, y, z

    return attrs.evolve(
        terms,
        position=place(terms.position),
        direction=place(terms.direction),
        scattering=place(terms.scattering),
        index=Miller(*map(kept, terms.index)),
        nearest=Miller(*map(kept, terms.nearest)),
        lattice_factors=tuple(map(kept, terms.lattice_factors)),
        lattice_amplitude=kept(terms.lattice_amplitude),
        cell_amplitude=kept(terms.cell_amplitude),
        diffuse=None if terms.diffuse is None else kept(terms.diffuse),
        intensity=kept(terms.intensity),
        running_factor=None if terms.running_factor is None else kept(terms.running_factor),
    )


def _joined(pieces: Sequence[Terms], lengths: Sequence[int]) -> Terms:
    """Terms of all parts, of which there are `lengths` along each axis, the last axis changing first."""

    def joined(field: Callable[[Terms], torch.Tensor], axes: int) -> torch.Tensor:
        tensors = [field(piece) for piece in pieces]
        for axis in reversed(range(_TERM_AXES)):
            together = lengths[axis]
            groups = [tensors[start : start + together] for start in range(0, len(tensors), together)]
            tensors = [torch.cat(group, dim=axis) if axis < axes else group[0] for group in groups]
        return tensors[0]

    def vector(field: Callable[[Terms], Components], axes: int) -> Components:
        x, y, z = (joined(lambda piece, number=number: field(piece)[number], axes) for number in range(3))  # type: ignore[misc]
        return x, y, z

    first = pieces[0]
    return Terms(
        position=vector(lambda piece: piece.position, _PLACE_AXES),
        direction=vector(lambda piece: piece.direction, _PLACE_AXES),
        scattering=vector(lambda piece: piece.scattering, _SCATTERING_AXES),
        index=Miller(*vector(lambda piece: piece.index, _TERM_AXES)),
        nearest=Miller(*vector(lambda piece: piece.nearest, _TERM_AXES)),
        lattice_factors=tuple(
            joined(lambda piece, number=number: piece.lattice_factors[number], _TERM_AXES)  # type: ignore[misc]
            for number in range(len(first.lattice_factors))
        ),
        lattice_amplitude=joined(lambda piece: piece.lattice_amplitude, _TERM_AXES),
        cell_amplitude=joined(lambda piece: piece.cell_amplitude, _TERM_AXES),
        diffuse=None if first.diffuse is None else joined(lambda piece: _known(piece.diffuse), _TERM_AXES),
        intensity=joined(lambda piece: piece.intensity, _TERM_AXES),
        running_factor=None
        if first.running_factor is None
        else joined(lambda piece: _known(piece.running_factor), _TERM_AXES),
    )


def _known(tensor: torch.Tensor | None) -> torch.Tensor:
    assert tensor is not None
    return tensor
