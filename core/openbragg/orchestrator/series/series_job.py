"""The files of a series: what is missing is rendered and written, and what is there stays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from openbragg.engine.sources import moved_channels
from openbragg.errors import UsageError
from openbragg.options import options_of
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.outputs import outputs
from openbragg.orchestrator.outputs.destinations import refuse_unsayable
from openbragg.orchestrator.outputs.files import fingerprint
from openbragg.orchestrator.outputs.outputs import Output
from openbragg.orchestrator.outputs.truth import check_truth, make_truth, prepared, unsaid_truths, write_truth
from openbragg.orchestrator.outputs.writing import (
    levels_of,
    make_pictures,
    reference_differences,
    refuse_unreadable,
    unsaid_before,
)
from openbragg.orchestrator.records.recording import Recording, Repeated, inputs_of, prepare_recording
from openbragg.orchestrator.records.serialise import to_plain
from openbragg.orchestrator.rendering import Progress, refuse_impossible, refuse_turned_away
from openbragg.orchestrator.renders import Renders, roles_of
from openbragg.orchestrator.resolving.notices import half_step_notices
from openbragg.orchestrator.resolving.reference_factors import kept_table
from openbragg.orchestrator.resolving.resolve import clock_seed
from openbragg.orchestrator.series import numbering
from openbragg.orchestrator.series.ledger import Made
from openbragg.orchestrator.series.series import (
    are_random_stills,
    check_images,
    differ,
    image_of,
    image_scans,
    refuse_other_numbers,
    refuse_unknown_range,
    series_seed,
)
from openbragg.orchestrator.series.series_files import SeriesFiles, SeriesOutput, seeds_there
from openbragg.roles import Registry, Series, ShotSpectrum, Tracer, WrittenImages
from openbragg.version import own_version

#: Digits of a hash in the list of a series.
_DIGITS = 16


@attrs.frozen(kw_only=True, eq=False)
class SeriesJob:
    """A series and its files; made by `prepare_series`, which refuses what can be refused beforehand.

    Attributes
    ----------
    simulation, images, seed
        The first image, how many there are, and the seed from which each has its own.
    files
        Of each output what is there and what is missing.
    truths
        The files of what is known of the images.
    recording
        What is written down of the run, if anything is.
    tracers
        Those that a file of what is known may ask, each with the distribution it is from.
    """

    simulation: Renders
    images: int
    seed: int
    files: tuple[SeriesFiles, ...]
    truths: tuple[Output, ...]
    recording: Recording | None
    tracers: tuple[tuple[Tracer, str], ...]

    def missing(self) -> list[int]:
        """Numbers of the images that are yet to be rendered."""
        return sorted({number for each in self.files for number in each.missing()})

    def write(
        self,
        say: Callable[[list[str]], None],
        progress: Progress | None = None,
        begins: Callable[[], None] | None = None,
    ) -> None:
        """Render what is missing of any file, write it, and, when all images are there, what is known of them.

        `say` gets lines that the user should know, `progress` the number of pixels done and of all. `begins` is called
        before, when what can be refused beforehand is not.
        """
        simulation, missing = self.simulation, self.missing()
        layout, written = simulation.layout(), [each.output.output for each in self.files]
        check_truth(layout, image_scans(simulation, self.images), simulation.compat, self.truths)
        if self.truths:
            refuse_other_numbers(simulation, self.images)
        refuse_turned_away(layout, simulation.convention)
        say(unsaid_truths(layout, self.truths))
        say(half_step_notices(layout.experiment, [*written, *self.truths]))
        say(unsaid_before(written, layout, simulation.noise, simulation.compat))
        if self.images > 1 and are_random_stills(simulation):
            seed = layout.experiment.crystal.misset_seed
            say([f"every still has a random orientation of its own, from -misset_seed {seed} and its number"])
        if begins is not None:
            begins()
        simulation.foresee(max(1, len(missing)))
        for each in self.files:
            each.begin()
        for place, number in enumerate(missing):

            def advance(done: int, total: int, place: int = place) -> None:
                if progress is not None:
                    progress(place * total + done, len(missing) * total)

            image = image_of(simulation, self.seed, number)
            rendering = image.rendering(advance)
            refuse_impossible(rendering)
            needing = [each for each in self.files if number in each.missing()]
            pictures = make_pictures(
                rendering.frame(),
                rendering.said(),
                rendering.laboratory,
                simulation.noise,
                [attrs.evolve(each.output.output, path=each.output.image_path(number)) for each in needing],
                simulation.compat,
                rendering.channels,
                image.labels,
            )
            say([*rendering.choices.notices, *reference_differences(pictures)])
            for each, (_, picture) in zip(needing, pictures.files, strict=True):
                each.write(number, picture)
            # A series of which one image is whole can go on.
            outputs.appear()
        for each in self.files:
            each.finish(self._described(each))
        if self.truths:
            self._write_truth()

    def record(self, notices: list[str]) -> list[str]:
        """Write the record, when all else is written; what is to be said of it is returned."""
        if self.recording is None:
            return []
        drawn = self.seed if any(each.output.output.content == "counts" for each in self.files) else None
        wanted = [*(file for each in self.files for file in each.output.outputs()), *self.truths]
        whole = attrs.evolve(self.recording, wanted=wanted)
        return [*whole.notices, *whole.finish(self.simulation.layout(), drawn, notices)]

    def _described(self, files: SeriesFiles) -> Series:
        """What a format is told of the whole series."""
        layout = self.simulation.layout()
        experiment = layout.said()
        assert experiment.sampling.region is not None  # resolved
        spectrum, scans = layout.parts.spectrum, image_scans(self.simulation, self.images)
        shots = scans if isinstance(spectrum, ShotSpectrum) else scans[:1]
        return Series(
            content=files.output.output.content,
            region=experiment.sampling.region,
            experiment=experiment,
            laboratory=layout.laboratory,
            shape=experiment.detector.frame_shape(),
            scans=scans,
            quirks=self.simulation.compat,
            levels=levels_of(self.simulation.noise, files.output.output.content),
            spectra=tuple(moved_channels(layout.experiment.beam, spectrum, scan.image) for scan in shots),
        )

    def _write_truth(self) -> None:
        """Write what is known of the images."""
        images = [
            WrittenImages(
                format=each.output.output.format,
                content=each.output.output.content,
                path=each.output.output.path if each.output.together else numbering.template(each.output.output.path),
                together=each.output.together,
                levels=levels_of(self.simulation.noise, each.output.output.content),
            )
            for each in self.files
        ]
        simulation = self.simulation
        scans = image_scans(simulation, self.images)

        def layout_of(number: int) -> Layout:
            return image_of(simulation, self.seed, number).layout()

        of_each = layout_of if differ(simulation, self.images) else None
        truth = make_truth(simulation.layout(), scans, images, simulation.compat, self.tracers, of_each)
        write_truth(truth, prepared(truth, self.truths))


def prepare_series(
    registry: Registry,
    simulation: Renders,
    images: int,
    wanted: Sequence[Output],
    truth_formats: Sequence[Any],
    *,
    restart: bool = False,
    record: Path | None = None,
    replay: Repeated | None = None,
    notices: list[str] | None = None,
    tracers: Sequence[tuple[Tracer, str]] = (),
) -> SeriesJob:
    """A series and its files, when they can be written as far as can be told.

    Images that are there and were made alike stay, unless it is to `restart`; `notices` gets a line for each that is
    not what was written.

    Raises
    ------
    OpenBraggError
        When a file cannot be written or was made otherwise, a truth cannot be said, or the run cannot be recorded.
    """
    check_images(images)
    refuse_unknown_range(simulation.experiment.scan, images)
    each_wanted = [SeriesOutput(output, images) for output in wanted]
    _refuse_of_one_image(truth_formats)
    refuse_unsayable(truth_formats, simulation.experiment)
    truths = outputs.requested(truth_formats)
    recording = prepare_recording(registry, simulation, [*wanted, *truths], record, replay, images, tracers)
    others = [*truths, *(recording.outputs() if recording is not None else ())]
    outputs.check([*(file for each in each_wanted for file in each.checked()), *others])
    if any(output.content == "counts" for output in wanted):
        refuse_unreadable(simulation.noise, simulation.layout().experiment)
    kept = kept_table(simulation.structure_factors)
    read = [(flag, name) for flag, name in inputs_of(simulation) if Path(name) != kept]
    simulation = _with_seeds(simulation, [] if restart else each_wanted)
    settings = _settings(registry, simulation, read)
    files = tuple(
        SeriesFiles(
            each,
            _made(registry, simulation, each, settings),
            restart=restart,
            notices=notices if notices is not None else [],
        )
        for each in each_wanted
    )
    return SeriesJob(
        simulation=simulation,
        images=images,
        seed=series_seed(simulation),
        files=files,
        truths=tuple(truths),
        recording=recording,
        tracers=tuple(tracers),
    )


def _refuse_of_one_image(formats: Sequence[Any]) -> None:
    """Refuse truth formats that say something of one image, where an option of theirs is given."""
    for format_ in formats:
        blank = type(format_)()
        for field, spec in options_of(type(format_)):
            if getattr(format_, "of_one_image", False) and getattr(format_, field) != getattr(blank, field):
                raise UsageError(f"{spec.flags[0]}: is about one image; expected without -images")


def _with_seeds(simulation: Renders, wanted: Sequence[SeriesOutput]) -> Renders:
    """With seeds for all that is drawn: as given, or as the clock gave them when the series began."""
    noise, misset = seeds_there(wanted)
    sampling, crystal = simulation.experiment.sampling, simulation.experiment.crystal
    if sampling.seed is None:
        sampling = attrs.evolve(sampling, seed=noise if noise is not None else clock_seed())
    if isinstance(crystal.misset, str) and crystal.misset_seed is None:
        crystal = attrs.evolve(crystal, misset_seed=misset if misset is not None else clock_seed())
    return simulation.evolve(sampling=sampling, crystal=crystal)


def _settings(registry: Registry, simulation: Renders, read: list[tuple[str, str]]) -> dict[str, Any]:
    """What decides the photons of every image, by the name that a message gives it."""
    experiment = simulation.experiment
    draws = isinstance(experiment.crystal.misset, str)
    parts = {
        "beam": experiment.beam,
        "crystal": attrs.evolve(experiment.crystal, misset_seed=None) if draws else experiment.crystal,
        "detector": experiment.detector,
        "scan": experiment.scan,
        "sampling": attrs.evolve(experiment.sampling, seed=None),
    }
    computing = [simulation.precision, str(simulation.device), simulation.engine, simulation.cull]
    ones = {role: plugin for role, plugin in roles_of(simulation) if role not in ("noise_models", "backgrounds")}
    return {
        "version of openbragg": own_version(),
        **{name: to_plain(part, name) for name, part in parts.items()},
        **{role.replace("_", " "): _plugin(registry, role, plugin) for role, plugin in ones.items()},
        "backgrounds": [_plugin(registry, "backgrounds", background) for background in simulation.backgrounds],
        "computation": [*computing, sorted(simulation.compat)],
        "files that are read": sorted((flag, fingerprint(Path(name))[0] or name) for flag, name in read),
    }


def _made(registry: Registry, simulation: Renders, output: SeriesOutput, settings: dict[str, Any]) -> Made:
    """How the images of an output are made."""
    kind, seed, crystal = output.output.content, None, simulation.experiment.crystal
    settings = {**settings, "format": [_plugin(registry, "image_formats", output.output.format), kind]}
    if kind == "counts":
        seed = simulation.experiment.sampling.seed
        settings["noise model"] = _plugin(registry, "noise_models", simulation.noise)
    return Made(
        settings={name: _digest(value) for name, value in settings.items()},
        noise_seed=seed,
        misset_seed=crystal.misset_seed if isinstance(crystal.misset, str) else None,
    )


def _plugin(registry: Registry, role: str, plugin: Any) -> list[Any]:
    """A plugin, its version, and its options but for the names of files."""
    found = registry.get(role, plugin.name)
    options = to_plain(plugin, f"{role} {found.name}")
    for field, spec in options_of(type(plugin)):
        if spec.output or (spec.input and isinstance(getattr(plugin, field), str | Path)):
            options.pop(field)
    return [found.name, options, found.distribution, found.version]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]
