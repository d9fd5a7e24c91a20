"""The record of a run: what is known of it, gathered before and after it is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import attrs

from openbragg.model import Crystal, Sampling
from openbragg.options import option_spec, options_of
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.outputs.files import fingerprint, state
from openbragg.orchestrator.outputs.outputs import Output, place_of, write_file
from openbragg.orchestrator.records.inputs import describe, exists
from openbragg.orchestrator.records.machine import this_machine
from openbragg.orchestrator.records.record import (
    FORMAT,
    SCHEMA,
    InputFile,
    OutputFile,
    Record,
    Seeds,
    UsedPlugin,
    record_text,
    refuse_too_large,
)
from openbragg.orchestrator.records.repeat import differences
from openbragg.orchestrator.records.serialise import JsonObject, to_plain
from openbragg.orchestrator.records.spelling import UnspeakableError, spelled
from openbragg.orchestrator.renders import Renders, roles_of
from openbragg.orchestrator.resolving.reference_factors import kept_table
from openbragg.roles import Registry, Tracer, TruthFormat
from openbragg.version import own_version


class Repeated(Protocol):
    """A recorded run that is repeated, as its new record needs it."""

    @property
    def file(self) -> Path: ...
    @property
    def record(self) -> Record: ...

    def notices(self) -> list[str]: ...
    def is_alike(self) -> bool: ...
    def check_unnamed(self, inputs: Iterable[InputFile]) -> None: ...


@attrs.frozen(kw_only=True, eq=False)
class Recording:
    """A run that is recorded, that repeats a recorded one, or both; before it is rendered.

    Attributes
    ----------
    registry
        The installed plugins.
    simulation
        What is rendered.
    arguments
        A command line that makes the same; empty where there is none.
    wanted
        The files that are written.
    file
        Where the record goes; None for a repeat that is not recorded.
    replay
        The run that is repeated.
    inputs, states
        The files that are read, and what `openbragg.orchestrator.outputs.files.state` says of them.
    notices
        What the user should know of the record.
    tracers
        Tracers that files of what is known may ask, each with the distribution it is from.
    """

    registry: Registry
    simulation: Renders
    arguments: tuple[str, ...]
    wanted: Sequence[Output]
    file: Path | None
    replay: Repeated | None
    inputs: tuple[InputFile, ...]
    states: tuple[tuple[int, ...] | None, ...]
    notices: tuple[str, ...] = ()
    tracers: Sequence[tuple[Tracer, str]] = ()

    def outputs(self) -> list[Output]:
        """The file that is written beside the images."""
        return [Output(self.file, None, "record", "-record")] if self.file is not None else []

    def finish(self, layout: Layout, noise_seed: int | None, notices: list[str]) -> list[str]:
        """Compare what came out with the run that is repeated, and write the record.

        Parameters
        ----------
        layout
            What was rendered, or the first image of a series; the files are written.
        noise_seed
            The seed of the noise, when some was drawn.
        notices
            What was said of the run.

        Returns
        -------
        What is to be said beside.
        """
        record = self._record(layout, noise_seed)
        said = []
        if self.replay is not None:
            said = differences(self.replay.file, self.replay.record, record, alike=self.replay.is_alike())
        if self.file is not None:
            text = record_text(attrs.evolve(record, notices=(*notices, *said)))

            def write(stream: BinaryIO) -> None:
                stream.write(text)

            write_file(self.file, write)
        return said

    def _record(self, layout: Layout, noise_seed: int | None) -> Record:

        simulation = self.simulation
        asked, resolved = simulation.experiment, layout.experiment
        seed = noise_seed if noise_seed is not None else resolved.sampling.seed
        resolved = attrs.evolve(resolved, sampling=attrs.evolve(resolved.sampling, seed=seed))
        misset_seed = resolved.crystal.misset_seed if isinstance(asked.crystal.misset, str) else None
        arguments = self.arguments
        if arguments:
            arguments = (
                *arguments,
                *_clock_seed(Sampling, "seed", asked.sampling.seed, noise_seed),
                *_clock_seed(Crystal, "misset_seed", asked.crystal.misset_seed, misset_seed),
            )
        return Record(
            format=FORMAT,
            schema=SCHEMA,
            openbragg=own_version(),
            created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            arguments=arguments,
            folder=str(Path.cwd()),
            experiment=JsonObject(to_plain(resolved, "experiment")),
            plugins=tuple(_used(self.registry, simulation, self.wanted, layout.plan.structure_factors, self.tracers)),
            seeds=Seeds(noise=noise_seed, mosaic=resolved.crystal.mosaic_seed, misset=misset_seed),
            quirks=tuple(sorted(simulation.compat)),
            precision=simulation.precision,
            device=str(simulation.device),
            cull=simulation.cull,
            notices=(),
            inputs=tuple(self._unchanged()),
            outputs=tuple(_written(output) for output in (*self.wanted, *self._kept()) if not output.stdout),
            machine=this_machine(str(simulation.device)),
        )

    def _kept(self) -> Iterator[Output]:
        """The table that the structure factors keep, where they do."""
        path = kept_table(self.simulation.structure_factors)
        if path is not None:
            flag = next((flag for flag, name in inputs_of(self.simulation) if Path(name) == path), "")
            yield Output(path, None, "table", flag)

    def _unchanged(self) -> Iterator[InputFile]:
        """The inputs, but for those that changed meanwhile: of these nobody knows what was read, if anything."""
        for file, before in zip(self.inputs, self.states, strict=True):
            if state(place_of(Path(file.absolute))) == before:
                yield file


def prepare_recording(
    registry: Registry,
    simulation: Renders,
    wanted: Sequence[Output],
    file: Path | None,
    replay: Repeated | None = None,
    images: int | None = None,
    tracers: Sequence[tuple[Tracer, str]] = (),
) -> Recording | None:
    """What is to be recorded or repeated; None for a run that is neither.

    Parameters
    ----------
    registry
        The installed plugins.
    simulation
        What is rendered.
    wanted
        The files that are written.
    file
        Where the record goes.
    replay
        The run that is repeated.
    images
        How many images a series has; None for a single one.
    tracers
        Tracers that files of what is known may ask, each with the distribution it is from.

    Raises
    ------
    OpenBraggError
        When something of the run cannot be recorded, or an input of the repeated run has changed.
    """
    if file is None and replay is None:
        return None
    notices: tuple[str, ...] = ()
    if simulation.words is not None:
        arguments = simulation.words.arguments
    else:
        try:
            arguments = spelled(registry, simulation, wanted, images)
        except UnspeakableError as reason:
            arguments = ()
            notices = (f"{file}: -from cannot repeat it, for no flag says {reason}; openbragg.load_run can",)
    pairs = inputs_of(simulation, wanted)
    recording = Recording(
        registry=registry,
        simulation=simulation,
        arguments=arguments,
        wanted=wanted,
        file=file,
        replay=replay,
        states=tuple(state(Path(path)) for _, path in pairs),
        inputs=tuple(describe(flag, path) for flag, path in pairs),
        notices=notices,
        tracers=tracers,
    )
    if replay is not None:
        replay.check_unnamed(recording.inputs)
    # Better now than after an hour of rendering.
    used = _used(registry, simulation, wanted, simulation.structure_factors, tracers)
    refuse_too_large([to_plain(simulation.experiment, "experiment"), *(plugin.options for plugin in used)])
    return recording


def inputs_of(simulation: Renders, wanted: Sequence[Output] = ()) -> list[tuple[str, str]]:
    """The files that a run reads, each once: the flag that names it, or the field of a plugin, and its name."""
    named = list(simulation.words.inputs) if simulation.words is not None else []
    flags, paths = {flag for flag, _ in named}, {path for _, path in named}
    plugins = [plugin for _, plugin in roles_of(simulation)]
    unnamed = [
        (flag, path)
        for flag, path in _unnamed_inputs([*plugins, *_formats(wanted)])
        if flag not in flags and (flag.startswith("-") or path not in paths)
    ]
    return list(dict.fromkeys([*named, *unnamed]))


def _used(
    registry: Registry,
    simulation: Renders,
    wanted: Sequence[Output],
    structure_factors: Any,
    tracers: Sequence[tuple[Tracer, str]],
) -> Iterator[UsedPlugin]:
    """The plugins that took part: one of each role, any number of others, and the formats that wrote a file.

    Tracers do where a file of what is known of the run has an option that names them.
    """
    named = {spec.role for output in wanted if output.format is not None for _, spec in options_of(type(output.format))}
    parts = [
        (role, structure_factors if plugin is simulation.structure_factors else plugin)
        for role, plugin in roles_of(simulation)
    ]
    formats = [(_role_of(format_), format_) for format_ in _formats(wanted)]
    asked = [("tracers", tracer) for tracer, _ in tracers if "tracers" in named]
    for role, plugin in (*parts, *asked, *formats):
        found = registry.get(role, plugin.name)
        yield UsedPlugin(
            role=role,
            name=found.name,
            options=JsonObject(to_plain(plugin, f"{role} {found.name}")),
            distribution=found.distribution,
            version=found.version,
        )


def _role_of(format_: Any) -> str:
    """The hook of the role of a plugin that writes files."""
    return "truth_formats" if isinstance(format_, TruthFormat) else "image_formats"


def _formats(wanted: Sequence[Output]) -> list[Any]:
    """The formats of files, each once."""
    return list({id(output.format): output.format for output in wanted if output.format is not None}.values())


def _clock_seed(owner: type, field: str, asked: int | None, drawn: int | None) -> list[str]:
    """The flag that draws the same again, for a seed that the clock chose."""
    if asked is not None or drawn is None:
        return []
    spec = option_spec(getattr(attrs.fields(owner), field))
    assert spec is not None
    return [spec.flags[0], str(drawn)]


def _unnamed_inputs(plugins: list[Any]) -> Iterator[tuple[str, str]]:
    """Files that are there and that plugins read unasked: flag or field, and name."""
    for plugin in plugins:
        for field, spec in options_of(type(plugin)):
            value = getattr(plugin, field)
            if spec.input and isinstance(value, str | Path) and exists(Path(value)):
                yield (spec.flags or (field,))[0], str(value)
        further: Any = getattr(plugin, "reads", None)
        for path in further() if further is not None else ():
            if exists(path):
                yield plugin.name, str(path)


def _written(output: Output) -> OutputFile:
    sha256, size = fingerprint(place_of(output.path))
    return OutputFile(
        flag=output.flag or None,
        path=str(output.path),
        format=output.format.name if output.format is not None else None,
        content=output.content,
        sha256=sha256,
        bytes=size,
    )
