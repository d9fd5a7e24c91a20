"""The image: the terms of every pixel, summed in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from math import ceil

import attrs
import torch
from torch.utils.checkpoint import checkpoint

from openbragg.engine.evaluate import Part, evaluate, photons, pixel_factors, resolved
from openbragg.engine.plan import PanelPlan, Plan

#: Terms evaluated at once by one CPU thread. Their intermediate arrays stay in a core's cache, and torch runs
#: operations of this size on the thread that calls them: cores share the blocks, not the operations within one, so
#: that they never wait for each other.
CPU_BLOCK_TERMS = 32768
#: Terms evaluated at once on a GPU: enough to fill it, a few GB of intermediate arrays.
GPU_BLOCK_TERMS = 1 << 24
#: Fewest pixels in a block, where the sum of one pixel is long: the innermost loop runs over pixels.
_FEWEST_PIXELS = 256

#: First and last pixel along fast, then along slow, both included.
Region = tuple[int, int, int, int]


@attrs.frozen
class Blocks:
    """How a sum is cut: pixels in a block, and the parts of the sum over which a block is evaluated in turn."""

    pixels: int
    parts: tuple[Part, ...]


def cut_into_blocks(plan: Plan, panel: PanelPlan, pixels: int, terms: int) -> Blocks:
    """Cut a panel's sum so that no block has more than about `terms` terms.

    The innermost axes are kept whole as long as a block of a few hundred pixels fits; outer ones become a loop.
    """
    lengths = (
        panel.layer_depths.numel(),
        plan.oversample,
        plan.oversample,
        plan.wavelengths.numel(),
        *plan.cell_vectors.shape[:2],
    )
    room = max(1, terms // min(_FEWEST_PIXELS, pixels))
    chunks = []
    for length in reversed(lengths):
        chunk = min(length, room)
        room //= chunk
        chunks.append(chunk)
    chunks.reverse()
    cuts = (
        [slice(start, min(start + chunk, length)) for start in range(0, length, chunk)]
        for length, chunk in zip(lengths, chunks, strict=True)
    )
    size = 1
    for chunk in chunks:
        size *= chunk
    return Blocks(pixels=max(1, min(pixels, terms // size)), parts=tuple(Part(*cut) for cut in product(*cuts)))


def render_panel(
    plan: Plan,
    panel: PanelPlan,
    *,
    dtype: torch.dtype,
    region: Region | None = None,
    block_terms: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Expected photons of a panel.

    Parameters
    ----------
    plan, panel
        The sum.
    dtype
        Of the result; the sum itself is accumulated in float64.
    region
        The part to render; the rest stays 0.
    block_terms
        Terms evaluated at once; sized to the device by default.
    progress
        Called after each block with the number of pixels it finished.

    Returns
    -------
    Photons, (slow, fast), on the plan's device. Where the plan carries gradients, each block is recomputed in the
    backward pass, so that memory stays that of a block.
    """
    first_fast, last_fast, first_slow, last_slow = region or (0, panel.pixels[1] - 1, 0, panel.pixels[0] - 1)
    width, height = last_fast - first_fast + 1, last_slow - first_slow + 1
    terms = block_terms or (CPU_BLOCK_TERMS if plan.device.type == "cpu" else GPU_BLOCK_TERMS)
    blocks = cut_into_blocks(plan, panel, width * height, terms)
    differentiable = plan.differentiable()

    def block(slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        return photons(
            plan, sum_of_terms(plan, panel, slow, fast, blocks.parts), pixel_factors(plan, panel, slow, fast)
        )

    ranges = list(_ranges(width * height, blocks.pixels))

    def pixels(start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        number = torch.arange(start, stop, device=plan.device)
        slow = (torch.div(number, width, rounding_mode="floor") + first_slow).to(torch.float64)
        return slow, (number % width + first_fast).to(torch.float64)

    if differentiable:
        pieces = []
        for start, stop in ranges:
            pieces.append(checkpoint(block, *pixels(start, stop), use_reentrant=False))
            _advance(progress, stop - start)
        rendered = torch.cat(pieces).to(dtype)
    else:
        rendered = torch.empty(width * height, dtype=dtype, device=plan.device)

        def fill(piece: tuple[int, int]) -> int:
            start, stop = piece
            # A thread begins with gradients on, whatever its caller has.
            with torch.no_grad():
                rendered[start:stop] = block(*pixels(start, stop))
            return stop - start

        for finished in _in_threads(fill, ranges, plan.device):
            _advance(progress, finished)
    if plan.first_cell_vectors is not None:
        rendered = _with_first_evaluation(plan, panel, rendered, (first_slow, first_fast), width)
    rendered = rendered.reshape(height, width)
    if (height, width) == panel.pixels:
        return rendered
    image = torch.zeros(panel.pixels, dtype=dtype, device=plan.device)
    image[first_slow : last_slow + 1, first_fast : last_fast + 1] = rendered
    return image


def sum_of_terms(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, parts: tuple[Part, ...]
) -> torch.Tensor:
    """Intensity of pixels, summed over all their terms in float64: squared electrons, (pixel,)."""
    total = torch.zeros_like(slow)
    for part in parts:
        terms = evaluate(plan, panel, slow, fast, part)
        intensity = terms.intensity.reshape(-1, slow.numel())
        factors = terms.running_factor
        total = _accumulated(total, intensity, None if factors is None else factors.expand(terms.intensity.shape))
    return total


def _accumulated(total: torch.Tensor, intensity: torch.Tensor, factors: torch.Tensor | None) -> torch.Tensor:
    """A sum (pixel,) with further terms (term, pixel), in order; `factors` of any shape with as many elements."""
    if factors is None:
        return total + intensity.sum(dim=0, dtype=torch.float64)
    # ((t1) f1 + t2) f2 + ...: each term is multiplied by its own factor and by all that follow.
    following = factors.reshape(intensity.shape).flip(0).cumprod(dim=0).flip(0)
    # What is 0 stays 0 even when the product grows beyond all numbers.
    grown = torch.where(intensity == 0.0, 0.0, intensity * following).sum(dim=0, dtype=torch.float64)
    return torch.where(total == 0.0, 0.0, total * following[0]) + grown


def _with_first_evaluation(
    plan: Plan, panel: PanelPlan, rendered: torch.Tensor, corner: tuple[int, int], width: int
) -> torch.Tensor:
    """Mend the very first evaluation of a run, where phi-carryover has nothing to carry yet.

    That is the first layer, subpixel and source, in the order of the sum, of the first pixel that has any within the
    resolution limit.
    """
    for start, stop in _ranges(rendered.numel(), width):
        number = torch.arange(start, stop, device=plan.device)
        slow = (torch.div(number, width, rounding_mode="floor") + corner[0]).to(torch.float64)
        fast = (number % width + corner[1]).to(torch.float64)
        one_step = Part(phi=slice(0, 1), mosaic=slice(0, 1))
        kept = torch.ones(1, stop - start, dtype=torch.bool, device=plan.device)
        if plan.resolution_limit is not None:
            scattering = evaluate(plan, panel, slow, fast, one_step).scattering
            kept = resolved(scattering, plan.resolution_limit).reshape(-1, stop - start)
        found = kept.any(dim=0)
        if not bool(found.any()):
            continue
        pixel = int(found.to(torch.int8).argmax())
        step = int(kept[:, pixel].to(torch.int8).argmax())
        one = slice(pixel, pixel + 1)
        carried = evaluate(plan, panel, slow[one], fast[one])
        mounted = evaluate(plan, panel, slow[one], fast[one], cell_vectors=plan.first_cell_vectors)
        intensity = _with_row(step, mounted.intensity, carried.intensity, carried.intensity.shape)
        factors = None
        if mounted.running_factor is not None and carried.running_factor is not None:
            factors = _with_row(step, mounted.running_factor, carried.running_factor, carried.intensity.shape)
        total = _accumulated(torch.zeros_like(slow[one]), intensity, factors)
        value = photons(plan, total, pixel_factors(plan, panel, slow[one], fast[one]))
        mended = rendered.clone()
        mended[start + pixel] = value[0].to(rendered.dtype)
        return mended
    return rendered


def _with_row(row: int, source: torch.Tensor, target: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """One pixel's values, (term, 1), with those of one evaluation (layer, subpixel, source) taken from elsewhere."""
    evaluations = shape[:4].numel()
    chosen = torch.arange(evaluations, device=target.device).unsqueeze(1) == row
    values = torch.where(
        chosen, source.expand(shape).reshape(evaluations, -1), target.expand(shape).reshape(evaluations, -1)
    )
    return values.reshape(-1, 1)


def _in_threads(
    work: Callable[[tuple[int, int]], int], pieces: list[tuple[int, int]], device: torch.device
) -> Iterator[int]:
    """Do pieces of work in as many threads as torch uses; on a GPU, whose queue is one, in turn."""
    threads = min(torch.get_num_threads(), len(pieces))
    if device.type != "cpu" or threads == 1:
        yield from map(work, pieces)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(work, pieces)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _advance(progress: Callable[[int], None] | None, pixels: int) -> None:
    if progress is not None:
        progress(pixels)


def _ranges(total: int, size: int) -> Iterator[tuple[int, int]]:
    for piece in range(ceil(total / size)):
        yield piece * size, min(total, (piece + 1) * size)
