"""What was measured, as plain values for JSON and as lines to read."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import attrs

from benchmarks.calls import SUMMARIES
from benchmarks.cases import (
    CALLS,
    CALLS_BAR,
    DATASET,
    DATASET_BAR,
    GRADIENTS,
    GRADIENTS_BAR,
    JACOBIAN,
    JACOBIAN_BAR,
    READING_BAR,
    REFINE,
    REFINE_BAR,
    SCALING_BAR,
    STILL,
    STILL_BAR,
    Bar,
)
from benchmarks.dataset import SUMMARY as DATASET_SUMMARY
from benchmarks.gradients import SUMMARY
from benchmarks.jacobian import SUMMARY as JACOBIAN_SUMMARY
from benchmarks.limit import Throughput
from benchmarks.measure import Measurement, Observation
from benchmarks.programs import OURS
from benchmarks.refine import SUMMARY as REFINE_SUMMARY
from benchmarks.summaries import Summary, ratio, summarise

_MET, _MISSED, _UNKNOWN = "met", "missed", "not measured"
_MEGA = 1e6


def case_result(measurement: Measurement, *, judged: bool = True) -> dict[str, Any]:
    """A case in plain values; without any of time when the images disagree, and without bars where none is `judged`."""
    case = measurement.case
    result: dict[str, Any] = {
        "name": case.name,
        "summary": case.summary,
        "arguments": [*case.arguments, *case.own],
        "agrees": measurement.agrees(),
        "agreement": {name: attrs.asdict(found) for name, found in measurement.agreements.items()},
    }
    if not measurement.agrees():
        return result
    runs = measurement.observations
    terms = next((run.timings["terms"] for run in runs[OURS] if run.timings is not None), None)
    result["terms"] = terms
    result["programs"] = {name: _program(of_program, terms) for name, of_program in runs.items()}
    result["ratios"] = {
        name: {
            quantity: attrs.asdict(ratio(_values(others, quantity), _values(runs[OURS], quantity)))
            for quantity in ("kernel", "whole")
            if _values(others, quantity) and _values(runs[OURS], quantity)
        }
        for name, others in runs.items()
        if name != OURS
    }
    if measurement.throughputs and terms is not None and _values(runs[OURS], "kernel"):
        result["limit"] = _limit(measurement.throughputs, case.precision, terms / median(_values(runs[OURS], "kernel")))
    result["bars"] = [_judged(bar, _reached(bar, runs)) for bar in case.bars] if judged else []
    return result


def gradients_result(measured: dict[str, Any], *, judged: bool = True) -> dict[str, Any]:
    """The case of gradients in plain values."""
    seconds = measured["seconds"]
    over = ratio(seconds["both"], seconds["forward"])
    return {
        "name": GRADIENTS,
        "summary": SUMMARY,
        "forward_seconds": attrs.asdict(summarise(seconds["forward"])),
        "both_seconds": attrs.asdict(summarise(seconds["both"])),
        "peak_memory_bytes": measured["peak_memory_bytes"],
        "both_over_forward": attrs.asdict(over),
        "bars": [_judged(GRADIENTS_BAR, over)] if judged else [],
    }


def calls_result(measured: dict[str, list[float]], *, judged: bool = True) -> dict[str, Any]:
    """The case of calls in plain values."""
    beyond = [call - kernel for call, kernel in zip(measured["call"], measured["kernel"], strict=True)]
    return {
        "name": CALLS,
        "summary": SUMMARIES[CALLS],
        "call_seconds": attrs.asdict(summarise(measured["call"])),
        "kernel_seconds": attrs.asdict(summarise(measured["kernel"])),
        "beyond_seconds": attrs.asdict(summarise(beyond)),
        "bars": [_judged(CALLS_BAR, summarise(beyond))] if judged else [],
    }


def stills_result(measured: dict[str, list[float]], *, judged: bool = True) -> dict[str, Any]:
    """The case of stills in plain values."""
    images = summarise([1.0 / call for call in measured["call"]])
    return {
        "name": STILL,
        "summary": SUMMARIES[STILL],
        "call_seconds": attrs.asdict(summarise(measured["call"])),
        "kernel_seconds": attrs.asdict(summarise(measured["kernel"])),
        "images_per_second": attrs.asdict(images),
        "bars": [_judged(STILL_BAR, images)] if judged else [],
    }


def jacobian_result(measured: dict[str, list[float]], *, judged: bool = True) -> dict[str, Any]:
    """The case of the Jacobian in plain values."""
    over = ratio(measured["jacobian"], measured["forward"])
    return {
        "name": JACOBIAN,
        "summary": JACOBIAN_SUMMARY,
        "shoeboxes_seconds": attrs.asdict(summarise(measured["forward"])),
        "jacobian_seconds": attrs.asdict(summarise(measured["jacobian"])),
        "jacobian_over_forward": attrs.asdict(over),
        "bars": [_judged(JACOBIAN_BAR, over)] if judged else [],
    }


#: What is said of each way to read a data set.
_READING = {
    "samples": "samples with their rows of tables, by openbragg.datasets.open,",
    "opened": "arrays of pixels, by openbragg.datasets.open,",
    "by_hand": "the same arrays by h5py",
}


def dataset_result(measured: dict[str, Any], *, judged: bool = True) -> dict[str, Any]:
    """The case of data sets in plain values."""
    rate = summarise(measured["images_per_second"])
    bars = [_judged(DATASET_BAR, rate)]
    result = {
        "name": DATASET,
        "summary": DATASET_SUMMARY.format(f"{measured['shots']:,}"),
        "images_per_second": attrs.asdict(rate),
        "processor_seconds": attrs.asdict(summarise(measured["processor_seconds_an_image"])),
        "peak_memory_bytes": measured["peak_memory_bytes"],
    }
    if measured["reading_seconds"]:
        reading = {name: summarise(seconds) for name, seconds in measured["reading_seconds"].items()}
        result["reading_seconds"] = {name: attrs.asdict(found) for name, found in reading.items()}
        bars.append(_judged(READING_BAR, ratio(*(measured["reading_seconds"][name] for name in ("by_hand", "opened")))))
    if measured["half_per_second"]:
        half = summarise(measured["half_per_second"])
        scaling = ratio(measured["images_per_second"], measured["half_per_second"])
        result |= {"half_per_second": attrs.asdict(half), "scaling": attrs.asdict(scaling)}
        bars.append(_judged(SCALING_BAR, scaling))
    return {**result, "bars": bars if judged else []}


def refine_result(measured: dict[str, Any], *, judged: bool = True) -> dict[str, Any]:
    """The case that refines in plain values."""
    rate = summarise([60.0 * measured["stills"]["count"] / seconds for seconds in measured["stills"]["work"]])
    return {
        "name": REFINE,
        "summary": REFINE_SUMMARY,
        "problem": measured["kind"],
        "refinements": {
            name: {
                **{key: found[key] for key in ("count", "renderings", "jacobians", "parts")},
                "whole_seconds": attrs.asdict(summarise(found["seconds"])),
                "core_seconds": attrs.asdict(summarise(found["work"])),
            }
            for name, found in measured.items()
            if name != "kind"
        },
        "stills_per_minute": attrs.asdict(rate),
        "bars": [_judged(REFINE_BAR, rate)] if judged else [],
    }


def case_lines(result: dict[str, Any]) -> Iterator[str]:
    """A case to read."""
    yield f"{result['name']}: {result['summary']}"
    for name, found in result.get("agreement", {}).items():
        word = "agrees with" if result["agrees"] else "compared with"
        difference = f"{found['difference']:.2g} of the peak, {found['tolerance']:g} allowed"
        yield f"  {name} {word} {found['standard']}: {difference}"
    if not result.get("agrees", True):
        yield "  the images disagree: no time is reported"
        return
    for name, program in result.get("programs", {}).items():
        parts = [f"whole {Summary(**program['whole_seconds'])} s"]
        if program["kernel_seconds"] is not None:
            parts.append(f"kernel {Summary(**program['kernel_seconds'])} s")
        if program["terms_per_second"] is not None:
            parts.append(f"{program['terms_per_second'] / _MEGA:.4g} M samples/s")
        parts.append(_memory(program["peak_memory_bytes"]))
        if program["peak_device_memory_bytes"] is not None:
            parts.append(f"on the device {_memory(program['peak_device_memory_bytes'])}")
        yield f"  {name:<21} {', '.join(parts)}"
    for name, ratios in result.get("ratios", {}).items():
        for quantity, found in ratios.items():
            yield f"  {name} over {OURS}, {quantity}: {Summary(**found)}"
    if "limit" in result:
        limit = result["limit"]
        reach = f"{limit['reached']:.1%} of it reached"
        yield f"  limit of the arithmetic: {limit['terms_per_second'] / _MEGA:.4g} M samples/s, {reach}"
    if "forward_seconds" in result:
        memory = result["peak_memory_bytes"]
        yield f"  forward {Summary(**result['forward_seconds'])} s, {_memory(memory['forward'])}"
        yield f"  forward and backward {Summary(**result['both_seconds'])} s, {_memory(memory['both'])}"
        yield f"  forward and backward over forward: {Summary(**result['both_over_forward'])}"
    if "call_seconds" in result:
        yield f"  a call {Summary(**result['call_seconds'])} s, its kernel {Summary(**result['kernel_seconds'])} s"
    if "jacobian_seconds" in result:
        yield f"  forward {Summary(**result['shoeboxes_seconds'])} s"
        yield f"  Jacobian {Summary(**result['jacobian_seconds'])} s"
    if "images_per_second" in result and "peak_memory_bytes" in result:
        memory = _memory(result["peak_memory_bytes"])
        yield f"  {Summary(**result['images_per_second'])} images a second, the largest process {memory}"
        yield f"  an image takes {Summary(**result['processor_seconds'])} s of a core"
    if "half_per_second" in result:
        yield f"  with half of the workers {Summary(**result['half_per_second'])} images a second"
    for name, found in result.get("reading_seconds", {}).items():
        yield f"  {_READING[name]} in {Summary(**found)} s"
    for name, found in result.get("refinements", {}).items():
        named = f"problem {result['problem']}" if name == "problem" else f"{found['count']} stills"
        taken = ", ".join(f"{part} {seconds:.3g}" for part, seconds in found["parts"].items())
        yield f"  {named}: whole {Summary(**found['whole_seconds'])} s, a core's {Summary(**found['core_seconds'])} s"
        yield f"    {found['renderings']} renderings, {found['jacobians']} Jacobians; seconds of the last run: {taken}"
    for bar in result["bars"]:
        yield f"  bar {_bar_text(bar)}: {bar['verdict']}"


def curve_lines(result: dict[str, Any]) -> Iterator[str]:
    """A curve to read."""
    yield f"time and memory by number of {result['name']}"
    rows = zip(result["sizes"], result["kernel_seconds"], result["peak_memory_bytes"], strict=True)
    for size, seconds, memory in rows:
        yield f"  {size:>9}  kernel {seconds:.4g} s, {_memory(memory)}"
    upper = f"{result['exponent_of_upper_half']:.3f} in the upper half"
    yield f"  time grows as power {result['exponent']:.3f}, {upper}: {'linear' if result['linear'] else 'NOT linear'}"
    each, grown = result["memory_bytes_each"], result["memory_growth_bytes"] / _MEGA
    word = "bounded" if result["bounded"] else "NOT bounded"
    yield f"  memory grows by {grown:.1f} MB, {each:.1f} bytes for each of the {result['name']}: {word}"


def _program(runs: list[Observation], terms: int | None) -> dict[str, Any]:
    kernel = _values(runs, "kernel")
    said = [run.timings["seconds"] for run in runs if run.timings is not None]
    sizes = [run.timings.get("peak_device_memory_bytes") for run in runs if run.timings is not None]
    on_device: list[int] = [size for size in sizes if size is not None]
    stages = {name: [one[name] for one in said if one.get(name) is not None] for name in (said[0] if said else ())}
    return {
        "whole_seconds": attrs.asdict(summarise(_values(runs, "whole"))),
        "kernel_seconds": attrs.asdict(summarise(kernel)) if kernel else None,
        "terms_per_second": terms / median(kernel) if terms is not None and kernel and median(kernel) > 0.0 else None,
        "peak_memory_bytes": max(run.peak_memory for run in runs),
        "peak_device_memory_bytes": max(on_device) if on_device else None,
        "stages": {name: median(values) for name, values in stages.items() if values},
        "runs": [{"whole": run.whole, "kernel": run.kernel, "peak_memory_bytes": run.peak_memory} for run in runs],
    }


def _limit(throughputs: list[Throughput], precision: str, reached: float) -> dict[str, float]:
    """The limit, from the machine as it was in the middle of the repeats."""
    most = median(one.terms_per_second(precision) for one in throughputs)
    return {
        "float32_multiply_adds_per_second": median(one.float32 for one in throughputs),
        "float64_multiply_adds_per_second": median(one.float64 for one in throughputs),
        "terms_per_second": most,
        "reached": reached / most,
    }


def _reached(bar: Bar, runs: dict[str, list[Observation]] | Any) -> Summary | None:
    ours = _values(runs[OURS], bar.quantity)
    if bar.against is None:
        return summarise(ours) if ours else None
    others = _values(runs.get(bar.against, []), bar.quantity)
    if not ours or not others:
        return None
    return ratio(others, ours) if bar.at_least else ratio(ours, others)


def _judged(bar: Bar, reached: Summary | None) -> dict[str, Any]:
    if reached is None:
        verdict = _UNKNOWN
    else:
        is_met = reached.median >= bar.limit if bar.at_least else reached.median <= bar.limit
        verdict = _MET if is_met else _MISSED
    return {**attrs.asdict(bar), "value": None if reached is None else attrs.asdict(reached), "verdict": verdict}


def _bar_text(bar: dict[str, Any]) -> str:
    value = None if bar["value"] is None else Summary(**bar["value"])
    sign = ">=" if bar["at_least"] else "<="
    if bar["quantity"] == "memory":
        got = "" if value is None else f", got {value.median / _MEGA:.0f} MB"
        return f"peak memory {sign} {bar['limit'] / _MEGA:.0f} MB{got}"
    if bar["quantity"] == GRADIENTS:
        what = "forward and backward over forward"
    elif bar["quantity"] == "beyond":
        what = "a call beyond its kernel, seconds"
    elif bar["quantity"] in ("images", "rate"):
        what = "images a second"
    elif bar["quantity"] == "scaling":
        what = "rate of twice the workers"
    elif bar["quantity"] == "reading":
        what = "rate of arrays over that of files read by hand"
    elif bar["quantity"] == "stills":
        what = "stills a minute and core"
    elif bar["quantity"] == JACOBIAN:
        what = "Jacobian over forward"
    elif bar["at_least"]:
        what = f"{bar['quantity']}, {bar['against']} over {OURS}"
    else:
        what = f"{bar['quantity']}, {OURS} over {bar['against']}"
    return f"{what} {sign} {bar['limit']:g}{'' if value is None else f', got {value}'}"


def _values(runs: list[Observation], quantity: str) -> list[float]:
    """A quantity of every run; none when a run lacks it."""
    field = {"kernel": "kernel", "whole": "whole", "memory": "peak_memory"}.get(quantity)
    values = [run.unwritten() if field is None else getattr(run, field) for run in runs]
    return [float(value) for value in values] if all(value is not None for value in values) else []


def _memory(size: float) -> str:
    return f"peak {size / _MEGA:.0f} MB"
