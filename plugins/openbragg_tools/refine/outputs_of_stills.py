"""What a refinement of many stills writes: one file of each kind for all."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openbragg.commands import json_layout
from openbragg_tools.refine.joint import RefinedStills
from openbragg_tools.refine.outputs import content, listed, parameter_lines, reflection_table, rows
from openbragg_tools.refine.results import Refined
from openbragg_tools.refine.stills import Still

#: Models of an experiment list that stills may share.
_MODELS = ("beam", "detector", "crystal", "imageset")


def experiment_list_of_stills(refined: RefinedStills, stills: Sequence[Still], path: Path) -> bytes:
    """DIALS's experiment list with an experiment a still; equal models are there once."""
    whole: dict[str, Any] = {}
    for still, number in zip(refined.stills, refined.numbers, strict=True):
        one = listed(still, stills[number], path)
        if not whole:
            whole = {**one, "experiment": [], **{kind: [] for kind in _MODELS}}
        (experiment,) = one["experiment"]
        for kind in (kind for kind in _MODELS if kind in experiment):
            model = one[kind][experiment[kind]]
            if model not in whole[kind][-1:]:
                whole[kind].append(model)
            experiment[kind] = len(whole[kind]) - 1
        whole["experiment"].append(experiment)
    return json.dumps(whole, indent=2).encode("ascii") + b"\n"


def reflection_table_of_stills(refined: RefinedStills, path: Path) -> bytes:
    """DIALS's reflection table of all stills; ``id`` has the number of the experiment."""
    import msgpack

    names: dict[int, str] = {}
    data: dict[str, tuple[str, list[bytes]]] = {}
    begins, version, count = None, None, 0
    for number, still in enumerate(refined.stills):
        begins, version, table = msgpack.unpackb(reflection_table(still, path), strict_map_key=False)
        names[number] = next(iter(table["identifiers"].values()))
        count += table["nrows"]
        table["data"]["id"][1][1] = np.full(table["nrows"], number, dtype="<i4").tobytes()
        for name, (kind, (_, numbers)) in table["data"].items():
            data.setdefault(name, (kind, []))[1].append(numbers)
    joined = {name: (kind, (count, b"".join(parts))) for name, (kind, parts) in data.items()}
    packed: bytes = msgpack.packb((begins, version, {"identifiers": names, "nrows": count, "data": joined}))
    return packed


def numbers_of_stills(refined: RefinedStills, stills: Sequence[Still]) -> bytes:
    """Everything as JSON: what is shared, and a part a still."""
    errors = refined.determined
    said = {
        "shared": {
            "parameters": rows(refined),
            "correlations": errors.correlations.round(6).tolist(),
            "eigenvalues": errors.eigenvalues.tolist(),
            "rank": errors.rank,
        },
        "reduced_chi_squared": refined.reduced_chi_squared(),
        "stills": [
            content(still, stills[number]) for still, number in zip(refined.stills, refined.numbers, strict=True)
        ],
        "left_out": [{"image": stills[number].source, "why": line} for number, line in refined.left_out],
        "history": [
            {
                "loss": step.loss,
                "values": [
                    each.shown(float(value)) for each, value in zip(refined.parameters, step.values, strict=True)
                ],
            }
            for step in refined.history
        ],
        "notices": list(refined.notices),
        "interrupted": refined.interrupted,
    }
    return json_layout(said).encode("ascii")


def table_of_stills(refined: RefinedStills, stills: Sequence[Still]) -> str:
    """The result for the terminal: what is shared, then a line a still."""
    lines = parameter_lines(refined) if refined.parameters else []
    names = [stills[number].source for number in refined.numbers]
    wide = max(len(name) for name in [*names, "still"]) + 2
    lines.append(f"{'still':<{wide}}{'shoeboxes':>9}{'chi2':>9}{'turned':>10}{'sigma':>9}{'scale':>11}")
    for still, name in zip(refined.stills, names, strict=True):
        turned, sigma = orientation_of(still)
        lines.append(
            f"{name:<{wide}}{still.boxes.number:>9}{still.reduced_chi_squared():>9.4f}{turned:>10.4f}{sigma:>9.2g}"
            f"{still.scale:>11.5g}"
        )
    renderings, jacobians = (
        sum(getattr(still, each) for still in refined.stills) for each in ("renderings", "jacobians")
    )
    lines.append(f"reduced chi2  {refined.reduced_chi_squared():.4f} of {len(refined.stills)} stills")
    if refined.left_out:
        lines.append(f"left out      {len(refined.left_out)} images")
    lines.append(f"evaluations   {renderings} renderings, {jacobians} Jacobians")
    return "\n".join(lines)


def orientation_of(still: Refined) -> tuple[float, float]:
    """How far a crystal was turned, and the largest standard deviation about an axis, in degrees."""
    places = [place for place, each in enumerate(still.parameters) if each.group == "misset"]
    turned = math.degrees(float(np.linalg.norm(still.values[places])))
    return turned, math.degrees(float(still.determined.sigmas[places].max(initial=0.0)))
