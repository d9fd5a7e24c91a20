"""The simulation: the value that commands and Python share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import torch

from openbragg.engine.compiled.engine import Engine
from openbragg.model import Experiment
from openbragg.orchestrator.composition import Composition
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.layout import Base, Layout, lay_out
from openbragg.orchestrator.outputs.stopwatch import Stopwatch
from openbragg.orchestrator.outputs.writing import draw_counts, refuse_unreadable
from openbragg.orchestrator.rendering import Progress, Rendering, refuse_impossible, refuse_odd_answers, render_layout
from openbragg.orchestrator.renders import CommandWords
from openbragg.orchestrator.resolving.expectation import Expectation, expected_time
from openbragg.orchestrator.resolving.frame import assembled
from openbragg.orchestrator.resolving.resolve import clock_seed
from openbragg.roles import PixelLabels, PixelTrace, PredictedReflections, Truth

if TYPE_CHECKING:
    from openbragg.orchestrator.series.image_series import ImageSeries

_LOG = logging.getLogger("openbragg")
#: The parts of an experiment, which `Simulation.evolve` takes by their names.
_PARTS = tuple(attribute.name for attribute in attrs.fields(Experiment))


@attrs.define(eq=False)
class _Prepared:
    """What a simulation prepares when it is first used, and what it can take from the one that it evolved from.

    `notices` are what the engine says, for all simulations that share it; `said` those of them that belong to this one.
    `rendered` is kept for traces that tell what was left out of it.
    """

    base: Base | None = None
    layout: Layout | None = None
    engine: Engine | None = None
    notices: list[str] = attrs.field(factory=list)
    said: list[str] = attrs.field(factory=list)
    rendered: Rendering | None = None


@attrs.frozen(eq=False)
class Simulation(Composition):
    """An experiment, the plugins that play its roles, and how to compute: all that decides an image.

    It is frozen, and prepared when it is first used: tables are read, the sum is laid out, code is loaded. After that
    it stays so, and `evolve` makes others that share what did not change.

    Parameters
    ----------
    experiment
        What is simulated; blanks are filled as on the command line.
    convention, lattice_shape, noise
        Plugins, or the names of installed ones.
    structure_factors
        A plugin, the name of an installed one, or a file of any kind that ``-hkl`` takes.
    mosaic, diffuse, spectrum
        How the crystal's blocks are turned, what it scatters between its spots, and which wavelengths the beam has:
        plugins, or the names of installed ones.
    scene
        Which further crystals are on the shot: a plugin, the name of an installed one, or the crystals themselves,
        each a `SceneCrystal`.
    backgrounds
        Any number of plugins of this role, or names of installed ones: photons that do not come from the crystal.
    device
        Where to compute and to leave the image.
    dtype
        Of the image; float32 by default, float64 with double precision.
    precision
        ``mixed``: amplitudes in float32 from float64 geometry, within 1e-6 of a peak's height; ``double``: all float64;
        ``auto``: mixed, or double for short sums where all quirks of the reference program are asked for.
    compat
        Names of quirks of the reference program to reproduce, or ``nanobragg`` for all.
    engine
        ``compiled``: by code that is compiled for this model, which takes a quarter of a minute or more the first time,
        and is kept for the next; ``eager``: operation by operation; ``auto``: compiled where such code is there or
        compiling pays.
    threads
        Cores to use; by default all that this process may use, and one in a worker of another process.
    cull
        Leave out orientations that hardly matter: the largest error of a pixel as a part of the panel's largest one,
        above 0 and below 1. By default nothing is left out; see docs/explanation/cull.md.
    announce
        Called with a line that cannot wait, before code is compiled: what takes so long. The logger ``openbragg`` says
        it by default.

    Raises
    ------
    OpenBraggError
        When a part is not what it should be; the message is one line. What cannot be rendered is refused when the
        simulation is first used.
    """

    words: CommandWords | None = attrs.field(default=None, kw_only=True, repr=False)
    announce: Callable[[str], None] = attrs.field(default=_LOG.warning, kw_only=True, repr=False)
    _prepared: _Prepared = attrs.field(factory=_Prepared, kw_only=True, repr=False)

    # What it is made of, prepared

    def layout(self) -> Layout:
        """The experiment resolved and placed, and its sum laid out.

        It is done once; while tensors carry gradients, whenever it is asked for, for each use has a graph of its own.

        Raises
        ------
        OpenBraggError
            When the experiment cannot be rendered.
        """
        prepared = self._prepared
        if prepared.layout is not None:
            return prepared.layout
        made = lay_out(self, prepared.base)
        if any(layout.plan.differentiable() for layout in made.lattices()):
            prepared.base = Base(self, made)
        else:
            prepared.layout, prepared.base = made, None
        return made

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of it so far, one line each."""
        prepared = self._prepared
        return tuple(dict.fromkeys((*self.layout().choices.notices, *prepared.said, *prepared.notices)))

    @property
    def choices(self) -> dict[str, str]:
        """What was chosen without the user, in words."""
        return dict(self.layout().choices.made)

    def evolve(self, **changes: Any) -> Simulation:
        """Another simulation, some parts of which are others; what did not change is shared with this one.

        Parameters
        ----------
        changes
            Arguments of `Simulation`, or parts of its experiment: crystal, beam, detector, scan, sampling. Where only
            the crystal's orientation differs (misset, mosaic domains, scan), nothing else is prepared again, and
            structure factors are read once however the crystal, the beam and the detector change.

        Raises
        ------
        OpenBraggError
            When a part is not what it should be.
        TypeError
            When there is no part of that name.
        """
        parts = {name: changes.pop(name) for name in _PARTS if name in changes}
        if parts:
            changes["experiment"] = attrs.evolve(changes.get("experiment", self.experiment), **parts)
        prepared = self._prepared
        layout = prepared.layout
        base = Base(self, layout) if layout is not None else prepared.base
        made = attrs.evolve(self, prepared=_Prepared(base=base), words=None, **changes)
        if (made.engine, made.threads, made.device) == (self.engine, self.threads, self.device):
            # Compiled code, and what is known of the work so far, serve both.
            made._prepared.notices = prepared.notices
            made._prepared.engine = self._engine()
        return made

    # What comes out

    def rendering(self, progress: Progress | None = None, stopwatch: Stopwatch | None = None) -> Rendering:
        """Render every panel, with what was chosen and left out.

        Parameters
        ----------
        progress
            Called with the number of pixels done and the number of all.
        stopwatch
            Takes the time of the layout and of the sum.
        """
        stopwatch = stopwatch or Stopwatch()
        with stopwatch.stage("layout"):
            layout = self.layout()
        rendering = render_layout(layout, self._engine(), cull=self.cull, progress=progress, stopwatch=stopwatch)
        rendering.choices.notices.extend(self._heard())
        return rendering

    def photons(self, progress: Progress | None = None) -> torch.Tensor:
        """Expected photons of the stored frame, (slow, fast); of a detector of one panel its image.

        Gradients flow to every tensor in the experiment and the plugins. `progress` is that of `rendering`.

        Raises
        ------
        OpenBraggError
            When the experiment cannot be rendered, or a plugin gave what is no number; the message is one line.
        """
        rendering = self.rendering(progress)
        refuse_odd_answers(rendering)
        return rendering.frame()

    def counts(self, seed: int | None = None, photons: torch.Tensor | None = None) -> torch.Tensor:
        """Counts of the stored frame, (slow, fast): the noise model's, of the rendered photons or of others.

        Parameters
        ----------
        seed
            Of the noise; that of the experiment's sampling by default, else one from the clock.
        photons
            Expected photons of the stored frame, (slow, fast), in place of those that are rendered.

        Raises
        ------
        OpenBraggError
            When the experiment cannot be rendered, or has photons that cannot be.
        """
        if photons is None:
            refuse_unreadable(self.noise, self.layout().experiment)
            rendering = self.rendering()
            refuse_impossible(rendering)
            photons = rendering.frame()
        if seed is None:
            given = self.experiment.sampling.seed
            seed = given if given is not None else clock_seed()
        return draw_counts(photons.detach(), self.layout().experiment, self.noise, seed)

    def background(self) -> torch.Tensor:
        """Expected photons of the backgrounds alone, of the stored frame, (slow, fast); nothing else is rendered."""
        layout = self.layout()
        dark = [
            torch.zeros(panel.pixels, dtype=layout.dtype, device=layout.plan.device) for panel in layout.plan.panels
        ]
        return assembled(layout.backgrounds.added_to(tuple(dark)), layout.panels)

    def spacing(self) -> torch.Tensor:
        """The d spacing that each pixel's middle sees at the beam's wavelength and direction, in metres, (slow, fast).

        It is float64, infinite in the direct beam, and NaN where there is no pixel.
        """
        from openbragg.orchestrator.pixels import spacings

        return spacings(self.layout())

    def pixels(self, slow: Any, fast: Any) -> torch.Tensor:
        """Expected photons of some pixels alone.

        Parameters
        ----------
        slow, fast
            Places in the stored frame: whole numbers of one shape, tensors, arrays or lists.

        Returns
        -------
        Photons in the shape of `slow`; 0 where nothing is rendered. Gradients flow as in `photons`. With `cull` none is
        further from the full sum than that part of the largest of its panel's among them.

        Raises
        ------
        UsageError
            When a place lies outside the frame.
        """
        from openbragg.orchestrator.pixels import photons_of_pixels

        photons = photons_of_pixels(self.layout(), self._engine(), slow, fast, self.cull)
        self._heard()
        return photons

    def labels(self, peak: float = 0.1) -> PixelLabels:
        """Of each pixel from what its photons come: wavelength, h k l, crystal, and whether a Bragg peak covers it.

        The terms that the image is summed from are evaluated once more, operation by operation, a block at a time.

        Parameters
        ----------
        peak
            A peak covers a pixel where F_latt^2 of a term is at least this part of its value on the lattice point.

        Raises
        ------
        OpenBraggError
            When the experiment cannot be rendered, or `peak` is not above 0 and up to 1.
        """
        from openbragg.orchestrator.labels import label_pixels

        return label_pixels(self.layout(), self._engine(), peak)

    def trace(self, slow: int, fast: int, lattice: int = 0) -> PixelTrace:
        """The terms that one pixel of the stored frame is summed from, with their gradients.

        Where `cull` leaves something out, the image is rendered once, and the trace tells which terms it is of. Of a
        scene they are those of one crystal: `lattice` is its number, 0 that of the main one. The photons of the
        pixel are the sum of all crystals' and of the backgrounds'.

        Raises
        ------
        UsageError
            When the pixel is not rendered, or there is no such crystal.
        """
        from openbragg.orchestrator.tracing import trace_of

        return trace_of(self._traced(), slow, fast, lattice)

    def reflections(self) -> PredictedReflections:
        """The reflections of the image: where they are, how much of each, and their photons; nothing is rendered.

        Raises
        ------
        InputError
            When they cannot be predicted, as on a curved detector.
        """
        from openbragg.orchestrator.prediction.prediction import predict

        layout = self.layout()
        return predict(layout, (layout.experiment.scan,), self.compat)

    def truth(self) -> Truth:
        """What is known of the image, as truth formats are told it; nothing is rendered, and no image of it is written.

        Raises
        ------
        OpenBraggError
            When the experiment cannot be rendered.
        """
        from openbragg.orchestrator.outputs.truth import make_truth

        layout = self.layout()
        return make_truth(layout, (layout.experiment.scan,), (), self.compat)

    def amplitudes(self, indices: Any) -> torch.Tensor:
        """The amplitude of the unit cell at whole h k l, in electrons: float64, without its sign, nothing interpolated.

        Parameters
        ----------
        indices
            h, k and l along the last axis, as an array, a tensor or rows: (..., 3).
        """
        from openbragg.orchestrator.prediction.cell_amplitudes import cell_amplitudes

        return cell_amplitudes(self.layout().plan, torch.as_tensor(indices))

    def jacobian(self, names: str | Sequence[str], pixels: tuple[Any, Any] | None = None) -> dict[str, torch.Tensor]:
        """Derivatives of the expected photons by parameters of the experiment, in photons per SI unit.

        Parameters
        ----------
        names
            Fields of the experiment's parts, such as ``cell``, ``misset``, ``mosaic_spread``, ``distance``,
            ``wavelength``; where two parts have a field of one name, with the part: ``beam.size``.
        pixels
            Places (slow, fast) in the stored frame, as in `pixels`; the whole frame by default.

        Returns
        -------
        For each name the derivatives: the shape of the pixels, and one axis more for a field of several numbers.

        Raises
        ------
        UsageError
            When there is no such parameter, or it has no value to differentiate by.
        """
        from openbragg.orchestrator.parameters import derivatives

        return derivatives(self, (names,) if isinstance(names, str) else tuple(names), pixels)

    def derivatives(
        self,
        change: Callable[[Simulation, torch.Tensor], Simulation],
        values: Any,
        pixels: tuple[Any, Any] | None = None,
    ) -> torch.Tensor:
        """Derivatives of the expected photons by numbers of one's own, wherever in the simulation they come in.

        Parameters
        ----------
        change
            Makes the simulation that goes with the numbers, by `evolve` and operations of torch that keep gradients,
            from this one and a float64 tensor (n,).
        values
            The numbers at which to differentiate, (n,).
        pixels
            Places (slow, fast) in the stored frame, as in `pixels`; the whole frame by default.

        Returns
        -------
        In photons per unit of each number, the shape of the pixels and (n,).
        """
        from openbragg.orchestrator.parameters import derivatives_along

        numbers = torch.as_tensor(values, dtype=torch.float64).detach()
        return derivatives_along(self, change, numbers, pixels)  # type: ignore[arg-type]

    def series(self, images: int) -> ImageSeries:
        """A series of images, each turned on by the scan's range from the one before; of stills, a number of them.

        Raises
        ------
        UsageError
            When nothing says how far each image turns the crystal.
        """
        from openbragg.orchestrator.series.image_series import ImageSeries

        return ImageSeries(self, images)

    def write(
        self,
        *files: Path | str,
        truth: Path | str | Iterable[Path | str] = (),
        record: Path | str | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> tuple[str, ...]:
        """Render the image and write its files.

        Parameters
        ----------
        files
            Names of files of the image, whose ends tell the format; with a noise model they are counts.
        truth
            Names of files of what is known of it, likewise.
        record
            Where the run is written down; see docs/how-to/record.md.
        progress
            Called with the number of pixels done and the number of all.
        settings
            Flags of formats without the dash, such as ``floatfile="x.bin"``, ``refl="x.refl"``, ``pgmscale=2.0``.

        Returns
        -------
        What the user should know, one line each.

        Raises
        ------
        OpenBraggError
            When something cannot be rendered or written.
        """
        from openbragg.orchestrator.job import prepare_job
        from openbragg.orchestrator.outputs.destinations import destinations
        from openbragg.orchestrator.outputs.outputs import together
        from openbragg.orchestrator.series.image_series import installed_tracers, several

        registry = default_registry()
        wanted = destinations(registry, self.noise, files, several(truth), settings)
        with together():
            job = prepare_job(
                registry,
                self,
                wanted.images,
                wanted.truths,
                record=None if record is None else Path(record),
                tracers=installed_tracers(registry),
            )
            rendering = job.render(progress)
            pictures = job.pictures(rendering)
            job.write(rendering, pictures)
            said = list(dict.fromkeys(rendering.choices.notices))
            return (*said, *job.record(rendering, pictures, said))

    def expected_time(self, images: int = 1) -> Expectation:
        """About how long the image takes to render, or so many like it; a few of its pixels are rendered to see.

        Raises
        ------
        OpenBraggError
            When the experiment cannot be rendered.
        """
        return expected_time(self.layout(), self._engine(), images, self.cull)

    def foresee(self, uses: int) -> None:
        """Say how often this simulation, and those that evolve from it, will be rendered.

        With ``engine="auto"`` it decides whether compiling code for them pays.
        """
        self._prepared.engine = attrs.evolve(self._engine(), images=uses)

    def compiling(self) -> Engine:
        """What computes, with what it knows of the work so far."""
        return self._engine()

    def _traced(self) -> Layout:
        """What is traced: with what was left out of the image, where anything may be."""
        prepared, layout = self._prepared, self.layout()
        if self.cull is None or layout.plan.differentiable() or layout.plan.transformed():
            return layout
        if prepared.rendered is None:
            prepared.rendered = self.rendering()
        return prepared.rendered

    def _engine(self) -> Engine:
        prepared = self._prepared
        if prepared.engine is None:
            prepared.engine = Engine(name=self.engine, threads=self.threads, notices=self._hear)
        return prepared.engine

    def _hear(self, line: str) -> None:
        """Say what the engine says at once, and keep it."""
        self._prepared.notices.append(line)
        self.announce(line)

    def _heard(self) -> list[str]:
        """What the engine said since it was last asked, kept for `notices`."""
        prepared = self._prepared
        heard = list(prepared.notices)
        prepared.notices.clear()
        prepared.said.extend(heard)
        return heard
