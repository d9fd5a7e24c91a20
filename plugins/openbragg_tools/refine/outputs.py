"""What a refinement writes: DIALS's files, the numbers, and a table for the terminal."""

from __future__ import annotations

import io
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from openbragg import plugin
from openbragg.commands import json_layout
from openbragg_tools.refine.joint import RefinedStills
from openbragg_tools.refine.results import Refined
from openbragg_tools.refine.stills import Still

#: Correlations that are worth a line.
_STRONG = 0.9


def experiment_list(refined: Refined, still: Still, path: Path) -> bytes:
    """DIALS's experiment list of the refined crystal and geometry, which refers to the image."""
    return json.dumps(listed(refined, still, path), indent=2).encode("ascii") + b"\n"


def listed(refined: Refined, still: Still, path: Path) -> dict[str, Any]:
    """What is in that list."""
    made: dict[str, Any] = json.loads(_truth(refined, "dials-experiments", path))
    if still.path is not None:
        lookup: dict[str, Any] = {**dict.fromkeys(("mask", "gain", "pedestal", "dx", "dy")), "params": {}}
        place = {} if still.place is None else {"single_file_indices": [still.place]}
        images = [os.path.relpath(still.path, path.parent)]
        made["imageset"] = [{"__id__": "ImageSet", "images": images, **place, **lookup}]
        made["experiment"][0]["imageset"] = 0
    return made


def reflection_table(refined: Refined, path: Path) -> bytes:
    """DIALS's reflection table of the refined model: places, partialities and photons."""
    return _truth(refined, "predicted-reflections", path)


def _truth(refined: Refined, name: str, path: Path) -> bytes:
    stream = io.BytesIO()
    plugin("truth_formats", name).write_truth(stream, path, refined.simulation.truth())
    return stream.getvalue()


def rows(refined: Refined | RefinedStills) -> list[dict[str, Any]]:
    """Each parameter in the unit in which people see it; of many stills those that they share."""
    found = []
    for place, each in enumerate(refined.parameters):
        start, end = float(refined.start[place]), float(refined.values[place])
        sigma = float(refined.determined.sigmas[place])
        found.append(
            {
                "name": each.name,
                "unit": each.unit,
                "start": each.shown(start),
                "end": each.shown(end),
                "sigma": each.shown_error(end, sigma) if math.isfinite(sigma) else None,
                "determined": place not in refined.determined.open,
            }
        )
    return found


def numbers(refined: Refined, still: Still) -> bytes:
    """Everything as JSON: start, end, errors, correlations, history."""
    return json_layout(content(refined, still)).encode("ascii")


def content(refined: Refined, still: Still) -> dict[str, Any]:
    """What is in it."""
    deviations = refined.deviations()
    boxes = refined.boxes
    lengths = np.diff(boxes.starts)
    real = refined.simulation.layout().experiment.crystal.oriented_vectors()
    return {
        "image": still.source,
        "parameters": rows(refined),
        "real_space_rows_angstrom": (real * 1e10).tolist(),
        "correlations": refined.determined.correlations.round(6).tolist(),
        "eigenvalues": refined.determined.eigenvalues.tolist(),
        "rank": refined.determined.rank,
        "reduced_chi_squared": refined.reduced_chi_squared(),
        "deviation_of_z": float(deviations.std()),
        "pixels": len(boxes.counts),
        "shoeboxes": [
            {
                "fast": float(fast),
                "slow": float(slow),
                "pixels": int(count),
                "mean_z_squared": float(mean),
                "scale": 1.0 + float(part),
            }
            for (slow, fast), count, mean, part in zip(
                boxes.centres, lengths, boxes.sums(deviations**2) / lengths, refined.fit.parts, strict=True
            )
        ],
        "scale": refined.scale,
        "readout_photons": refined.likelihood.readout,
        "indexed": None
        if refined.indexed is None
        else {
            "part": refined.indexed.part,
            "off_pixels": refined.indexed.off,
            "turned": math.degrees(refined.indexed.turned),
        },
        "history": [
            {
                "stage": step.stage,
                "loss": step.loss,
                "scale": step.scale,
                "values": [
                    each.shown(float(value)) for each, value in zip(refined.parameters, step.values, strict=False)
                ],
            }
            for step in refined.history
        ],
        "renderings": refined.renderings,
        "jacobians": refined.jacobians,
        "seconds": dict(refined.seconds),
        "notices": list(refined.notices),
        "interrupted": refined.interrupted,
    }


def table(refined: Refined) -> str:
    """The result for the terminal."""
    lines = parameter_lines(refined)
    lines.append(
        f"reduced chi2  {refined.reduced_chi_squared():.4f} over {len(refined.boxes.counts)} pixels of "
        f"{refined.boxes.number} shoeboxes"
    )
    lines.append(f"evaluations   {refined.renderings} renderings, {refined.jacobians} Jacobians")
    return "\n".join(lines)


def parameter_lines(refined: Refined | RefinedStills) -> list[str]:
    """Of a table: parameters with their errors, and strong correlations."""
    wide = max([14, *(len(each.name) + 2 for each in refined.parameters)])
    lines = [f"{'parameter':<{wide}}{'start':>14}{'end':>14}{'sigma':>12}  unit"]
    for row in rows(refined):
        sigma = "open" if row["sigma"] is None or not row["determined"] else f"{row['sigma']:.2g}"
        lines.append(
            f"{row['name']:<{wide}}{row['start']:>14.7g}{row['end']:>14.7g}{sigma:>12}  {row['unit']}".rstrip()
        )
    correlations = refined.determined.correlations
    for one in range(len(correlations)):
        for other in range(one):
            if abs(correlations[one, other]) > _STRONG:
                names = refined.parameters[other].name, refined.parameters[one].name
                lines.append(f"{'correlated':<{wide}}{names[0]} and {names[1]}: {correlations[one, other]:+.3f}")
    return lines
