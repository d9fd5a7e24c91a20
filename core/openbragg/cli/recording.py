"""``--record``: what is known of a run, gathered before and after it is rendered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs

from openbragg.cli.compose import assignments_of, construct
from openbragg.cli.replay import Replay
from openbragg.cli.selection import Given, Selected
from openbragg.cli.settings import Computation, Provenance
from openbragg.model import Crystal, Experiment, Sampling
from openbragg.options import option_spec, options_of
from openbragg.orchestrator.outputs import Output, write_file
from openbragg.orchestrator.quirks import parse_compat
from openbragg.roles import Registry, TruthFormat

if TYPE_CHECKING:
    from openbragg.orchestrator.record import InputFile, OutputFile, Record, UsedPlugin
    from openbragg.orchestrator.simulate import Layout


@attrs.frozen(kw_only=True)
class Recording:
    """A run that is recorded, that repeats a recorded one, or both; before it is rendered.

    Attributes
    ----------
    registry, given
        The installed plugins, and the flags of the run.
    experiment, roles
        What is rendered, and the plugin of each role by hook name.
    several
        Those of roles of which any number take part, each with its role.
    wanted
        The files that are written.
    file
        Where the record goes; None for a repeat that is not recorded.
    replay
        The run that is repeated.
    inputs, states
        The files that are read, and what `openbragg.orchestrator.files.state` says of them.
    """

    registry: Registry
    given: Given
    experiment: Experiment
    roles: dict[str, Any]
    several: Sequence[tuple[str, Any]]
    wanted: list[Output]
    file: Path | None
    replay: Replay | None
    inputs: tuple[InputFile, ...]
    states: tuple[tuple[int, ...] | None, ...]

    def outputs(self) -> list[Output]:
        """The file that is written beside the images."""
        return [Output(self.file, None, "record", "-record")] if self.file is not None else []

    def finish(self, rendering: Layout, noise_seed: int | None, notices: list[str]) -> list[str]:
        """Compare what came out with the run that is repeated, and write the record.

        Parameters
        ----------
        rendering
            What was rendered, or the first image of a series; the files are written.
        noise_seed
            The seed of the noise, when some was drawn.
        notices
            What was said of the run.

        Returns
        -------
        What is to be said beside.
        """
        from openbragg.orchestrator.record import record_text
        from openbragg.orchestrator.repeat import differences

        record = self._record(rendering, noise_seed)
        said = []
        if self.replay is not None:
            said = differences(self.replay.file, self.replay.record, record, alike=self.replay.is_alike())
        if self.file is not None:
            text = record_text(attrs.evolve(record, notices=(*notices, *said)))

            def write(stream: BinaryIO) -> None:
                stream.write(text)

            write_file(self.file, write)
        return said

    def _record(self, rendering: Layout, noise_seed: int | None) -> Record:
        from openbragg import __version__
        from openbragg.orchestrator.machine import this_machine
        from openbragg.orchestrator.record import FORMAT, SCHEMA, Record, Seeds
        from openbragg.orchestrator.serialise import JsonObject, to_plain

        computation = construct(Computation, assignments_of(self.given))
        asked, resolved = self.experiment, rendering.experiment
        seed = noise_seed if noise_seed is not None else resolved.sampling.seed
        resolved = attrs.evolve(resolved, sampling=attrs.evolve(resolved.sampling, seed=seed))
        misset_seed = resolved.crystal.misset_seed if isinstance(asked.crystal.misset, str) else None
        return Record(
            format=FORMAT,
            schema=SCHEMA,
            openbragg=str(__version__),
            created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            arguments=(
                *_words(self.given),
                *_clock_seed(Sampling, "seed", asked.sampling.seed, noise_seed),
                *_clock_seed(Crystal, "misset_seed", asked.crystal.misset_seed, misset_seed),
            ),
            folder=str(Path.cwd()),
            experiment=JsonObject(to_plain(resolved, "experiment")),
            plugins=tuple(self._used({**self.roles, "structure_factors": rendering.plan.structure_factors})),
            seeds=Seeds(noise=noise_seed, mosaic=resolved.crystal.mosaic_seed, misset=misset_seed),
            quirks=tuple(sorted(parse_compat(computation.compat))),
            precision=computation.precision,
            device=computation.device,
            cull=computation.cull,
            notices=(),
            inputs=tuple(self._unchanged()),
            outputs=tuple(_written(output) for output in self.wanted if not output.stdout),
            machine=this_machine(computation.device),
        )

    def _unchanged(self) -> Iterator[InputFile]:
        """The inputs, but for those that changed meanwhile: of these nobody knows what was read, if anything."""
        from openbragg.orchestrator.files import state

        for file, before in zip(self.inputs, self.states, strict=True):
            if state(Path(file.absolute)) == before:
                yield file

    def _used(self, roles: dict[str, Any]) -> Iterator[UsedPlugin]:
        """The plugins that took part: one of each role, any number of others, and the formats that wrote a file."""
        from openbragg.orchestrator.record import UsedPlugin
        from openbragg.orchestrator.serialise import JsonObject, to_plain

        formats = [(_role_of(format_), format_) for format_ in _formats(self.wanted)]
        for role, plugin in (*roles.items(), *self.several, *formats):
            found = self.registry.get(role, plugin.name)
            yield UsedPlugin(
                role=role,
                name=found.name,
                options=JsonObject(to_plain(plugin, f"{role} {found.name}")),
                distribution=found.distribution,
                version=found.version,
            )


def prepare(
    registry: Registry,
    given: Given,
    provenance: tuple[Provenance, Replay | None],
    *,
    experiment: Experiment,
    roles: dict[str, Any],
    several: Sequence[tuple[str, Any]],
    wanted: list[Output],
) -> Recording | None:
    """What is to be recorded or repeated; None for a run that is neither.

    Raises
    ------
    OpenBraggError
        When something of the run cannot be recorded, or an input of the repeated run has changed.
    """
    settings, replay = provenance
    if settings.record is None and replay is None:
        return None
    from openbragg.orchestrator.files import state
    from openbragg.orchestrator.inputs import describe
    from openbragg.orchestrator.record import refuse_too_large
    from openbragg.orchestrator.serialise import to_plain

    pairs = inputs_of(given, [*roles.values(), *(plugin for _, plugin in several), *_formats(wanted)])
    recording = Recording(
        registry=registry,
        given=given,
        experiment=experiment,
        roles=roles,
        several=several,
        wanted=wanted,
        file=Path(settings.record) if settings.record is not None else None,
        replay=replay,
        states=tuple(state(Path(path)) for _, path in pairs),
        inputs=tuple(describe(flag, path) for flag, path in pairs),
    )
    if replay is not None:
        replay.check_unnamed(recording.inputs)
    # Better now than after an hour of rendering.
    refuse_too_large([to_plain(experiment, "experiment"), *(plugin.options for plugin in recording._used(roles))])
    return recording


def several(selected: Selected, truths: Sequence[Output] = ()) -> list[tuple[str, Any]]:
    """The plugins of a run of whose role any number take part, each with its role.

    Tracers do where a file of what is known of the run has an option that names them.
    """
    named = {spec.role for output in truths for _, spec in options_of(type(output.format))}
    return [
        *(("backgrounds", background) for background in selected.backgrounds),
        *(("tracers", tracer) for tracer, _ in selected.tracers if "tracers" in named),
    ]


def inputs_of(given: Given, plugins: list[Any]) -> list[tuple[str, str]]:
    """The files that a run reads, each once: the flag that names it, or the field of a plugin, and its name."""
    named = [(flag.spellings[0], word) for flag, words in assignments_of(given) if flag.spec.input for word in words]
    flags, paths = {flag for flag, _ in named}, {path for _, path in named}
    unnamed = [
        (flag, path)
        for flag, path in _unnamed_inputs(plugins)
        if flag not in flags and (flag.startswith("-") or path not in paths)
    ]
    return list(dict.fromkeys([*named, *unnamed]))


def _words(given: Given) -> Iterator[str]:
    """A command line that means the same."""
    for option, values in given:
        yield option.opts[0]
        yield from values


def _role_of(format_: Any) -> str:
    """The hook of the role of a plugin that writes files."""
    return "truth_formats" if isinstance(format_, TruthFormat) else "image_formats"


def _formats(wanted: list[Output]) -> list[Any]:
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
    from openbragg.orchestrator.inputs import exists

    for plugin in plugins:
        for field, spec in options_of(type(plugin)):
            value = getattr(plugin, field)
            if spec.input and isinstance(value, str | Path) and exists(Path(value)):
                yield (spec.flags or (field,))[0], str(value)


def _written(output: Output) -> OutputFile:
    from openbragg.orchestrator.files import fingerprint
    from openbragg.orchestrator.record import OutputFile

    sha256, size = fingerprint(output.path)
    return OutputFile(
        flag=output.flag or None,
        path=str(output.path),
        format=output.format.name if output.format is not None else None,
        content=output.content,
        sha256=sha256,
        bytes=size,
    )
