"""``openbragg simulate``: flags in, pictures out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from openbragg.cli.compose import (
    FlagOption,
    ModelCommand,
    Section,
    SwitchOption,
    construct,
    flags_of,
    given,
    section,
)
from openbragg.cli.experiment import make_experiment
from openbragg.cli.main import warn
from openbragg.cli.registry import CORE_SECTIONS, load_registry
from openbragg.cli.selection import Selected, select
from openbragg.cli.settings import Computation, Output
from openbragg.errors import InputError
from openbragg.orchestrator import outputs
from openbragg.orchestrator.quirks import parse_compat
from openbragg.orchestrator.registry import Found, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch

    from openbragg.engine.image import Region
    from openbragg.orchestrator.simulate import Rendering


def command(blocked: tuple[str, ...]) -> click.Command:
    """Make the command from the core's options and those of every plugin."""
    registry = load_registry(blocked)
    sections = [section(title, *classes) for title, classes in CORE_SECTIONS.items()]
    sections += [_plugin_section(found) for found in registry.found]

    def run() -> None:
        simulate(registry, given(click.get_current_context()))

    return ModelCommand(
        "simulate",
        sections,
        callback=run,
        help="Render the diffraction image of a small crystal on an absolute scale.\n\n"
        "Flags are those of nanoBragg.c; later ones win. Each has a double-dash alias.",
    )


def simulate(registry: Registry, words: list[tuple[click.Option, list[str]]]) -> None:
    """Run a simulation from flags in their order, and write its files."""
    assignments = [(option.flag, values) for option, values in words if isinstance(option, FlagOption)]
    computation = construct(Computation, assignments)
    compat = parse_compat(computation.compat)
    selected = select(registry, words)
    experiment = make_experiment(assignments)
    noise = selected.roles["noise_models"]
    wanted = outputs.requested(selected.formats)
    silent = noise.name == "nonoise"
    if not wanted:
        wanted = outputs.defaults(selected.formats, ["photons"] if silent else ["photons", "counts"])
    if silent:
        for output in wanted:
            if output.content == "counts":
                warn(f"notice: {output.flag} {output.path} is not written: the noise model is {noise.name}")
        wanted = [output for output in wanted if output.content != "counts"]
    outputs.check(wanted)

    from openbragg.orchestrator.simulate import render

    with _progress(construct(Output, assignments).progress) as progress:
        rendering = render(
            experiment,
            convention=selected.roles["geometry_conventions"],
            structure_factors=selected.roles["structure_factors"],
            lattice_shape=selected.roles["lattice_shapes"],
            device=computation.device,
            precision=computation.precision,
            compat=compat,
            progress=progress,
        )
    _refuse_impossible(rendering)
    for notice in (*selected.notices, *rendering.choices.notices):
        warn(f"notice: {notice}")
    _write(rendering, noise, wanted)
    _report(rendering, selected, wanted)


def _plugin_section(found: Found) -> Section:
    switches = (
        [SwitchOption(found.cls.flags[0], found.cls.flags[1:], str(found.cls.summary))] if found.cls.flags else []
    )
    options = [FlagOption(flag) for flag in flags_of(found.cls)]
    return Section(f"{found.role.title}: {found.name}", (*switches, *options))


@contextmanager
def _progress(wanted: bool | None) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, when it is a terminal or the user says so."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("rendering"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # On a terminal the bar goes when it is done; in a pipe its last state is all there is to see.
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task("rendering", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write(rendering: Rendering, noise: Any, wanted: list[outputs.Output]) -> None:
    """Write every file, drawing the noise once when one of them wants it."""
    from openbragg.orchestrator.resolve import clock_seed
    from openbragg.roles import Image

    sampling = rendering.experiment.sampling
    assert sampling.region is not None  # resolved
    pictures: dict[str, np.ndarray[Any, Any]] = {"photons": rendering.images[0].detach().cpu().numpy()}
    if any(output.content == "counts" for output in wanted):
        seed = sampling.seed if sampling.seed is not None else clock_seed()
        if sampling.seed is None:
            rendering.choices.made["noise seed"] = str(seed)
        pictures["counts"] = _noisy(rendering.images[0], sampling.region, noise, seed).cpu().numpy()
    for output in wanted:
        image = Image(
            pixels=pictures[output.content],
            content=output.content,
            region=sampling.region,
            experiment=rendering.experiment,
            laboratory=rendering.laboratory,
        )
        outputs.write_file(output.path, partial(output.format.write, image=image))


def _refuse_impossible(rendering: Rendering) -> None:
    """No file is written of photons that cannot be; of an image without any, a word is said."""
    image = rendering.images[0]
    if not bool(image.isfinite().all()):
        raise InputError("the image has pixels beyond single precision: check the fluence, amplitudes and distances")
    if float(image.min()) < 0.0:
        raise InputError("the detector stands with its back to the crystal: its solid angle is negative")
    if float(image.max()) == 0.0:
        warn("notice: the image is empty: no pixel has a photon to expect")


def _noisy(photons: torch.Tensor, region: Region, noise: Any, seed: int) -> torch.Tensor:
    """Counts of the rendered part, 0 elsewhere: a model that draws its pixels in turn must not draw for the rest."""
    first_fast, last_fast, first_slow, last_slow = region
    part = (slice(first_slow, last_slow + 1), slice(first_fast, last_fast + 1))
    drawn: torch.Tensor = noise.counts(photons[part], seed)
    counts = drawn.new_zeros(photons.shape)
    counts[part] = drawn
    return counts


def _report(rendering: Rendering, selected: Selected, wanted: list[outputs.Output]) -> None:
    """What was chosen, what came out, and where it lies."""
    from openbragg.orchestrator.statistics import statistics

    crystal, sampling = rendering.experiment.crystal, rendering.experiment.sampling
    made = dict(rendering.choices.made)
    made.setdefault("mosaic domains", str(crystal.mosaic_domains))
    made.setdefault("oversampling", f"{sampling.oversample} x {sampling.oversample} subpixels")
    made["lattice shape"] = selected.roles["lattice_shapes"].name
    for word, value in made.items():
        click.echo(f"{word:<16}{value}")
    assert sampling.region is not None  # resolved
    numbers = statistics(rendering.images[0], sampling.region)
    click.echo(f"{'largest':<16}{numbers.largest:.6g} photons at slow {numbers.slow}, fast {numbers.fast}")
    click.echo(f"{'mean':<16}{numbers.mean:.6g}")
    click.echo(f"{'rms':<16}{numbers.rms:.6g}, rmsd {numbers.rmsd:.6g}")
    for output in wanted:
        click.echo(f"{'wrote':<16}{output.path} ({output.format.name}, {output.content})")
