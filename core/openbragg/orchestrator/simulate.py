"""The short form: an experiment in, photons out."""

from __future__ import annotations

from typing import Any

import torch

from openbragg.model import Experiment
from openbragg.orchestrator.simulation import Simulation


def simulate(experiment: Experiment, **arguments: Any) -> torch.Tensor:
    """Expected photons of an experiment: ``Simulation(experiment, **arguments).photons()``.

    Whoever renders more than once keeps the `Simulation`, which reads files, lays out and compiles once.

    Parameters
    ----------
    experiment
        What is simulated; blanks are filled as on the command line.
    arguments
        Those of `openbragg.Simulation`: convention, structure_factors, lattice_shape, backgrounds, device, precision
        and so on.

    Returns
    -------
    Photons of the stored frame, (slow, fast); of a detector of one panel its image. Gradients flow to every tensor in
    the experiment and the plugins.

    Raises
    ------
    OpenBraggError
        When the experiment cannot be rendered; the message is one line.
    """
    return Simulation(experiment, **arguments).photons()
