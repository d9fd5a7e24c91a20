"""A recorded run, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import InputError, PluginError, UsageError, shown
from openbragg.model import Experiment
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.records.inputs import Finder
from openbragg.orchestrator.records.record import Record, UsedPlugin, read_record
from openbragg.orchestrator.records.serialise import from_plain
from openbragg.orchestrator.resolving.quirks import check_names
from openbragg.orchestrator.simulation import Simulation
from openbragg.version import own_version


@attrs.frozen(kw_only=True, eq=False)
class Run:
    """A recorded run: what it takes to render its image again.

    Attributes
    ----------
    simulation
        The experiment, every default resolved, with the plugins and the options that they had: on the same machine
        ``run.simulation.photons()`` are the same photons.
    record
        All that the record says: see `docs/how-to/record.md`.
    notices
        What to know about its inputs.
    """

    simulation: Simulation
    record: Record
    notices: tuple[str, ...] = ()


def load_run(path: Path | str, *, force: bool = False) -> Run:
    """Read the record of a run.

    Parameters
    ----------
    path
        What ``openbragg simulate --record`` wrote.
    force
        Whether to go on with an input file that is another one than it was.

    Raises
    ------
    InputError
        When the file is no such record, or an input is missing or is another file.
    PluginError
        When a plugin of the run is not installed.
    """
    file = Path(path)
    record = read_record(file)
    finder = Finder(file=file, folder=record.folder, force=force)
    try:
        experiment = from_plain(Experiment, record.experiment, "experiment")
        plugins = {
            field: _plugin(record, record.plugin(role), finder)
            for field, role in (
                ("convention", "geometry_conventions"),
                ("structure_factors", "structure_factors"),
                ("lattice_shape", "lattice_shapes"),
                ("mosaic", "mosaic_models"),
                ("diffuse", "diffuse_models"),
                ("scene", "scene_models"),
                ("spectrum", "spectra"),
                ("noise", "noise_models"),
            )
        }
        backgrounds = tuple(_plugin(record, used, finder) for used in record.plugins if used.role == "backgrounds")
        compat = check_names(record.quirks)
    except PluginError as error:
        raise PluginError(f"{file}: {error}{_other_version(record)}") from None
    except (InputError, UsageError) as error:
        raise InputError(f"{file}: {error}{_other_version(record)}") from None
    simulation = Simulation(
        experiment,
        **plugins,
        backgrounds=backgrounds,
        precision=record.precision,
        device=record.device,
        compat=compat,
        cull=record.cull,
    )
    return Run(simulation=simulation, record=record, notices=tuple(finder.notices))


def _plugin(record: Record, used: UsedPlugin, finder: Finder) -> Any:
    """A plugin with its options, its input files where they are now."""
    found = default_registry().get(used.role, used.name)
    plugin = from_plain(found.cls, used.options, f"{used.role} {used.name}")
    moved = {}
    for field, spec in found.options():
        value = getattr(plugin, field)
        if spec.input and isinstance(value, str | Path):
            # The flag of an option without flags is that of another plugin.
            flags = (*spec.flags, field) if spec.flags else [file.flag for file in record.inputs]
            inputs = (file for file in record.inputs if file.flag in flags and file.path == str(value))
            recorded = next(inputs, None)
            if recorded is not None:
                moved[field] = type(value)(finder.find(recorded))
    return attrs.evolve(plugin, **moved) if moved else plugin


def _other_version(record: Record) -> str:
    here = own_version()
    if record.openbragg == here:
        return ""
    return f" (it was made with openbragg {shown(record.openbragg)}, this is {here})"
