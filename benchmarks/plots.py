"""Pictures of the results, with matplotlib, the extra ``plots``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

CASES_PICTURE, CURVES_PICTURE = "cases.png", "curves.png"


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def plot_cases(results: list[dict[str, Any]], file: Path) -> bool:
    """Draw what each bar asks and what was reached, as multiples of what is asked; False when nothing was reached.

    Beyond 1 a bar is met: for what has to be small the multiple is the other way round.
    """
    from matplotlib.figure import Figure

    rows = [(result["name"], bar) for result in results for bar in result.get("bars", ()) if bar["value"] is not None]
    if not rows:
        return False
    figure = Figure(figsize=(8.0, 1.2 + 0.35 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, (_, bar) in enumerate(rows):
        middle, *ends = (_multiple(bar, bar["value"][key]) for key in ("median", "smallest", "largest"))
        colour = "tab:green" if bar["verdict"] == "met" else "tab:red"
        low, high = min(ends), max(ends)
        axes.barh(place, middle, color=colour)
        # The ratio of medians may lie outside the ratios of pairs.
        axes.errorbar(
            middle, place, xerr=[[max(0.0, middle - low)], [max(0.0, high - middle)]], color="black", capsize=3
        )
    axes.axvline(1.0, color="black", linestyle="--")
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{name}, {bar['quantity']} ({bar['limit']:g})" for name, bar in rows])
    axes.invert_yaxis()
    axes.set_xlabel("reached over asked, or asked over reached where less is better")
    figure.savefig(file, dpi=120)
    return True


def plot_curves(results: list[dict[str, Any]], file: Path) -> None:
    """Draw time and memory of each curve against its size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0 * len(results), 7.0), layout="constrained")
    for column, result in enumerate(results):
        sizes, seconds = result["sizes"], result["kernel_seconds"]
        above = figure.add_subplot(2, len(results), column + 1)
        above.loglog(sizes, seconds, "o-", label=f"measured, power {result['exponent']:.3f}")
        above.loglog(sizes, [seconds[-1] * size / sizes[-1] for size in sizes], "k--", label="power 1")
        above.set_ylabel("kernel, seconds")
        above.legend()
        below = figure.add_subplot(2, len(results), len(results) + column + 1)
        below.semilogx(sizes, [size / 1e6 for size in result["peak_memory_bytes"]], "o-")
        below.set_ylim(0.0, 1.1e-6 * max(result["peak_memory_bytes"]))
        below.set_ylabel("peak memory, MB")
        below.set_xlabel(result["name"])
    figure.savefig(file, dpi=120)


def _multiple(bar: dict[str, Any], value: float) -> float:
    return float(value / bar["limit"] if bar["at_least"] else bar["limit"] / value)
