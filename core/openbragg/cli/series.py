"""``openbragg simulate -images``: a rotation series, which goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from openbragg.cli.asked import Asked
from openbragg.cli.compose import assignments_of, construct
from openbragg.cli.loading import load_torch
from openbragg.cli.main import warn
from openbragg.cli.progress import progress_bar
from openbragg.cli.recording import inputs_of, prepare, several
from openbragg.cli.replay import Replay
from openbragg.cli.selection import images_to_write, truths_to_write
from openbragg.cli.settings import Output, Printout, Provenance, SeriesChoice, Timing, Tracing
from openbragg.errors import OpenBraggError, StoppedError, UsageError
from openbragg.options import options_of
from openbragg.orchestrator import numbering, outputs
from openbragg.orchestrator.files import fingerprint
from openbragg.orchestrator.ledger import Made
from openbragg.orchestrator.reflections import with_cache
from openbragg.orchestrator.registry import Registry
from openbragg.orchestrator.series_files import SeriesFiles, SeriesOutput, seeds_there
from openbragg.roles import WrittenImages

if TYPE_CHECKING:
    from openbragg.orchestrator.series import SeriesImage, SeriesRenderer

#: Digits of a hash in the list of a series.
_DIGITS = 16
#: Classes of flags that are about one image.
_ONE_IMAGE = (Printout, Timing, Tracing)


def simulate_series(registry: Registry, asked: Asked, recorded: tuple[Provenance, Replay | None]) -> None:
    """Render the images of a series that are not there yet, and write their files."""
    assignments, selected, computation = assignments_of(asked.words), asked.selected, asked.computation
    choice = construct(SeriesChoice, assignments)
    _refuse_flags_of_one_image(asked)
    noise = selected.roles["noise_models"]
    wanted = [SeriesOutput(output, choice.images) for output in images_to_write(selected, ["photons", "counts"])]
    if not wanted:
        raise UsageError(f"nothing to write: the noise model is {noise.name}, and no flag names a file of photons")
    truths = truths_to_write(selected, asked.experiment)
    plugins = {**selected.roles}
    plugins["structure_factors"] = with_cache(plugins["structure_factors"], asked.compat, selected.notices)
    recording = prepare(
        registry,
        asked.words,
        recorded,
        experiment=asked.experiment,
        roles=plugins,
        several=several(selected),
        wanted=[*(each.output for each in wanted), *truths],
    )
    selected.notices[:0] = recorded[1].notices() if recorded[1] is not None else []
    others = [*truths, *(recording.outputs() if recording is not None else ())]
    outputs.check([*(file for each in wanted for file in each.checked()), *others])

    load_torch()
    from openbragg.orchestrator.series import SeriesRenderer
    from openbragg.orchestrator.truth import check_truth

    asked = _with_seeds(asked, [] if choice.restart else wanted)
    settings = _settings(registry, asked, plugins)
    files = [
        SeriesFiles(
            each, _made(registry, asked, each, plugins, settings), restart=choice.restart, notices=selected.notices
        )
        for each in wanted
    ]
    renderer = SeriesRenderer(
        asked.experiment,
        images=choice.images,
        convention=plugins["geometry_conventions"],
        structure_factors=plugins["structure_factors"],
        lattice_shape=plugins["lattice_shapes"],
        backgrounds=selected.backgrounds,
        device=computation.device,
        precision=computation.precision,
        compat=asked.compat,
        engine=computation.engine,
        threads=computation.threads,
        cull=computation.cull,
    )
    check_truth(renderer.first, renderer.scans(), asked.compat, truths)
    renderer.first.choices.made.update(asked.made)
    said = _Said()
    said.say([*selected.notices, *renderer.first.choices.notices])
    with _whole_images(files, choice.images):
        _write_images(renderer, files, noise, asked, construct(Output, assignments).progress, said)
        for each in files:
            each.finish(_series(renderer, each, asked.compat))
        if truths:
            _write_truth(renderer, wanted, truths, asked.compat)
    if recording is not None:
        drawn = renderer.seed if any(each.output.content == "counts" for each in wanted) else None
        whole = attrs.evolve(recording, wanted=[*(file for each in wanted for file in each.outputs()), *truths])
        said.say(whole.finish(renderer.first, drawn, said.lines))
    _report(renderer, files, truths, recording.file if recording is not None else None)


def _write_images(
    renderer: SeriesRenderer,
    files: list[SeriesFiles],
    noise: Any,
    asked: Asked,
    progress: bool | None,
    said: _Said,
) -> None:
    """Render what is missing of any file, and write it."""
    from openbragg.orchestrator.simulate import refuse_impossible
    from openbragg.orchestrator.writing import make_pictures, reference_differences, unsaid

    missing = sorted({number for each in files for number in each.missing()})
    for each in files:
        each.begin()
    with progress_bar(progress, f"rendering {len(missing)} images") as bar:
        for place, number in enumerate(missing):

            def advance(done: int, total: int, place: int = place) -> None:
                if bar is not None:
                    bar(place * total + done, len(missing) * total)

            made: SeriesImage = renderer.render(number, advance)
            refuse_impossible(made.rendering)
            rendering = made.rendering
            needing = [each for each in files if number in each.missing()]
            pictures = make_pictures(
                rendering.frame(),
                rendering.experiment,
                rendering.laboratory,
                noise,
                [attrs.evolve(each.output.output, path=each.output.image_path(number)) for each in needing],
                asked.compat,
            )
            said.say([*rendering.choices.notices, *reference_differences(pictures)])
            if place == 0:
                # What a format cannot say it can say of none of the images.
                said.say(unsaid(pictures))
            for each, (_, image) in zip(needing, pictures.files, strict=True):
                each.write(number, image)


class _Said:
    """Notices, each said once: of a quirk that concerns many images, the first."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._keys: set[str] = set()

    def say(self, lines: list[str]) -> None:
        for line in lines:
            key = line.partition(":")[0] if ": the reference " in line else line
            if key not in self._keys:
                self._keys.add(key)
                self.lines.append(line)
                warn(f"notice: {line}")


@contextmanager
def _whole_images(files: list[SeriesFiles], images: int) -> Iterator[None]:
    """When the series is cut short, say how many images are whole."""
    try:
        yield
    except (KeyboardInterrupt, OpenBraggError) as reason:
        missing = {number for each in files for number in each.missing()}
        count = images - len(missing)
        done = f"{count} of {images} images are whole; the same command goes on with the rest"
        if isinstance(reason, KeyboardInterrupt):
            raise StoppedError(f"interrupted: {done}") from None
        if count:
            warn(f"notice: {done}")
        raise


def _refuse_flags_of_one_image(asked: Asked) -> None:
    for flag, _ in assignments_of(asked.words):
        if flag.owner in _ONE_IMAGE:
            raise UsageError(f"{flag.spellings[0]}: is about one image; expected without -images")


def _with_seeds(asked: Asked, wanted: list[SeriesOutput]) -> Asked:
    """With seeds for all that is drawn: as given, or as the clock gave them when the series began."""
    from openbragg.orchestrator.resolve import clock_seed

    noise, misset = seeds_there(wanted)
    sampling, crystal = asked.experiment.sampling, asked.experiment.crystal
    if sampling.seed is None:
        sampling = attrs.evolve(sampling, seed=noise if noise is not None else clock_seed())
    if isinstance(crystal.misset, str) and crystal.misset_seed is None:
        crystal = attrs.evolve(crystal, misset_seed=misset if misset is not None else clock_seed())
    return attrs.evolve(asked, experiment=attrs.evolve(asked.experiment, sampling=sampling, crystal=crystal))


def _settings(registry: Registry, asked: Asked, plugins: dict[str, Any]) -> dict[str, Any]:
    """What decides the photons of every image, by the name that a message gives it."""
    from openbragg import __version__
    from openbragg.orchestrator.serialise import to_plain

    experiment, computation = asked.experiment, asked.computation
    crystal = attrs.evolve(experiment.crystal, misset_seed=None) if _draws_misset(asked) else experiment.crystal
    parts = {
        "beam": experiment.beam,
        "crystal": crystal,
        "detector": experiment.detector,
        "scan": experiment.scan,
        "sampling": attrs.evolve(experiment.sampling, seed=None),
    }
    computing = [computation.precision, computation.device, computation.engine, computation.cull]
    return {
        "version of openbragg": str(__version__),
        **{name: to_plain(part, name) for name, part in parts.items()},
        **{
            role.replace("_", " "): _plugin(registry, role, plugin)
            for role, plugin in plugins.items()
            if role != "noise_models"
        },
        "backgrounds": [_plugin(registry, "backgrounds", background) for background in asked.selected.backgrounds],
        "computation": [*computing, sorted(asked.compat)],
        "files that are read": sorted(_hashes(asked, [*plugins.values(), *asked.selected.backgrounds])),
    }


def _made(
    registry: Registry, asked: Asked, output: SeriesOutput, plugins: dict[str, Any], settings: dict[str, Any]
) -> Made:
    """How the images of an output are made."""
    kind, seed = output.output.content, None
    settings = {**settings, "format": [_plugin(registry, "image_formats", output.output.format), kind]}
    if kind == "counts":
        seed = asked.experiment.sampling.seed
        settings["noise model"] = _plugin(registry, "noise_models", plugins["noise_models"])
    return Made(
        settings={name: _digest(value) for name, value in settings.items()},
        noise_seed=seed,
        misset_seed=asked.experiment.crystal.misset_seed if _draws_misset(asked) else None,
    )


def _draws_misset(asked: Asked) -> bool:
    return isinstance(asked.experiment.crystal.misset, str)


def _plugin(registry: Registry, role: str, plugin: Any) -> list[Any]:
    """A plugin, its version, and its options but for the names of files."""
    from openbragg.orchestrator.serialise import to_plain

    found = registry.get(role, plugin.name)
    options = to_plain(plugin, f"{role} {found.name}")
    for field, spec in options_of(type(plugin)):
        if spec.output or (spec.input and isinstance(getattr(plugin, field), str | Path)):
            options.pop(field)
    return [found.name, options, found.distribution, found.version]


def _hashes(asked: Asked, plugins: list[Any]) -> Iterator[tuple[str, str]]:
    for flag, name in inputs_of(asked.words, plugins):
        yield flag, fingerprint(Path(name))[0] or name


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _series(renderer: SeriesRenderer, files: SeriesFiles, quirks: frozenset[str]) -> Any:
    """What a format is told of the whole series."""
    from openbragg.roles import Series

    experiment, laboratory = renderer.first.experiment, renderer.first.laboratory
    assert experiment.sampling.region is not None  # resolved
    return Series(
        content=files.output.output.content,
        region=experiment.sampling.region,
        experiment=experiment,
        laboratory=laboratory,
        shape=experiment.detector.frame_shape(),
        scans=renderer.scans(),
        quirks=quirks,
    )


def _write_truth(
    renderer: SeriesRenderer, wanted: list[SeriesOutput], truths: list[outputs.Output], quirks: frozenset[str]
) -> None:
    """Write what is known of the images, once all are there."""
    from openbragg.orchestrator.truth import make_truth, write_truth

    images = [
        WrittenImages(
            format=each.output.format,
            content=each.output.content,
            path=each.output.path if each.together else numbering.template(each.output.path),
            together=each.together,
        )
        for each in wanted
    ]
    write_truth(make_truth(renderer.first, renderer.scans(), images, quirks), truths)


def _report(
    renderer: SeriesRenderer, files: list[SeriesFiles], truths: list[outputs.Output], record: Path | None
) -> None:
    """What was chosen, and where the images lie."""
    from openbragg.units import unit

    experiment = renderer.first.experiment
    made = dict(renderer.first.choices.made)
    degrees = unit("deg").from_si
    start, width = degrees(float(experiment.scan.start)), degrees(float(experiment.scan.range or 0.0))
    end = start + renderer.images * width
    made["series"] = f"{renderer.images} images of {width:g} degrees, from {start:g} to {end:g}"
    if any(each.output.output.content == "counts" for each in files):
        made["noise seed"] = f"{renderer.seed}, for each image one of its own"
    for word, value in made.items():
        click.echo(f"{word:<16}{value}")
    for each in files:
        output, (first, *others) = each.output.output, list(each.output.paths())
        names = str(first) if not others else f"{first} ... {others[-1]}"
        click.echo(f"{'wrote':<16}{names} ({output.format.name}, {output.content})")
    for truth in truths:
        click.echo(f"{'wrote':<16}{truth.path} ({truth.format.name}, {truth.content})")
    if record is not None:
        click.echo(f"{'wrote':<16}{record} (record)")
