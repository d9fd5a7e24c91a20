"""What single pixels are made of, in the reference program's words."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import torch

from openbragg.engine.evaluate import evaluate, pixel_factors
from openbragg.engine.image import CPU_BLOCK_TERMS, cut_into_blocks
from openbragg.engine.pixels import choose_pixels
from openbragg.engine.rays import Part
from openbragg.engine.summation import pixel_sums
from openbragg.errors import UsageError
from openbragg.orchestrator.rendering import Rendering
from openbragg.orchestrator.resolving.frame import panel_at, shown_parts
from openbragg.units import unit

_ANGSTROM = unit("angstroms").from_si
#: Pixels evaluated together.
_TOGETHER = 1024


def printed_pixels(rendering: Rendering, chosen: tuple[int, int] | None) -> Iterator[str]:
    """The printout of a pixel (fast, slow), or of every pixel rendered, in order: some lines of text each.

    As in nanoBragg.c, h k l, F and the cell are those of the last term of the pixel's sum; sin(theta)/lambda is given
    in 1/m, and again in 1/angstrom from the angle between the x axis and the subpixel.

    Raises
    ------
    UsageError
        When the pixel chosen was not rendered.
    """
    experiment, region = rendering.experiment, rendering.experiment.sampling.region
    if chosen is not None:
        fast, slow = chosen
        within = region is None or (region[0] <= fast <= region[1] and region[2] <= slow <= region[3])
        if not within or panel_at(rendering.panels, slow, fast) is None:
            raise UsageError(f"-printout_pixel {fast} {slow}: the pixel is not rendered")
        sampling = attrs.evolve(experiment.sampling, region=(fast, fast, slow, slow))
        experiment = attrs.evolve(experiment, sampling=sampling)
    for number, part in enumerate(shown_parts(experiment)):
        if part.region is None:
            continue
        pixels = choose_pixels(rendering.plan.panels[number].pixels, part.region, part.mask, rendering.plan.device)
        for start in range(0, pixels.count, _TOGETHER):
            yield from _printed(rendering, number, *pixels.coordinates(start, min(start + _TOGETHER, pixels.count)))


def _printed(rendering: Rendering, number_of_panel: int, slow: torch.Tensor, fast: torch.Tensor) -> Iterator[str]:
    plan = rendering.plan
    panel, image = plan.panels[number_of_panel], rendering.images[number_of_panel]
    first_slow, first_fast = rendering.panels[number_of_panel].slab or (0, 0)
    last = slice(-1, None)
    with torch.no_grad():
        terms = evaluate(plan, panel, slow, fast, Part(*[last] * 6))
        factors = pixel_factors(plan, panel, slow, fast)
        sums = pixel_sums(plan, panel, slow, fast, cut_into_blocks(plan, panel, len(slow), CPU_BLOCK_TERMS).parts)
    wavelength = _ANGSTROM(rendering.wavelength)
    cell = _ANGSTROM(plan.cell_vectors[-1, -1]).tolist()
    for number in range(len(slow)):

        def value(tensor: torch.Tensor, number: int = number) -> float:
            flat = tensor.reshape(-1)
            return float(flat[number if flat.numel() > 1 else 0])

        x, y, z = (value(component) for component in terms.position)
        half_angle = torch.atan2(torch.tensor((y * y + z * z) ** 0.5), torch.tensor(x)) / 2.0
        q = sum(value(component) ** 2 for component in terms.scattering) ** 0.5
        intensity = value(sums.intensity)
        h, k, l = (value(component) for component in terms.index)
        whole = " ".join(str(int(value(component))) for component in terms.nearest)
        column, row = int(fast[number]), int(slow[number])
        place = f"{first_fast + column:4d} {first_slow + row:4d}"
        lines = [
            f"{place} : stol = {q / 2.0:g} or {float(half_angle.sin()) / wavelength:g}",
            f"at {x:g} {y:g} {z:g}",
            f"hkl= {h:f} {k:f} {l:f}  hkl0= {whole}",
            f" F_cell={value(terms.cell_amplitude):g}  F_latt={value(terms.lattice_amplitude):g}   I = {intensity:g}",
            f"I/steps {intensity / plan.steps():15.10g}",
            f"polar   {value(factors.polarization):15.10g}",
            f"omega   {value(factors.solid_angle):15.10g}",
            f"capfrac {value(factors.capture):15.10g}",
            f"pixel   {float(image[row, column]):15.10g}",
            "real-space cell vectors (Angstrom):",
            "     {:<10s}  {:<10s}  {:<10s}".format(*"abc"),
        ]
        for axis, name in enumerate("XYZ"):
            lines.append(f"{name}: " + " ".join(f"{vector[axis]:11.8f}" for vector in cell))
        yield "\n".join(lines)
