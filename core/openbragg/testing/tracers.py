"""Properties of tracers."""

from __future__ import annotations

from math import pi
from typing import Any

import torch

from openbragg.model import Beam, Crystal, Detector, Experiment, Sampling, Scan
from openbragg.orchestrator.simulation import Simulation
from openbragg.roles import PixelTrace, Tracer
from openbragg.testing.assertions import require
from openbragg.testing.declaration import check_declaration
from openbragg.units import ANGSTROM


def check_tracer(tracer: Any) -> None:
    """Run every check of this role.

    Raises
    ------
    AssertionError
        When one of them fails; the message says what it found.
    """
    check_declaration(tracer, Tracer)
    check_columns(tracer)
    check_values(tracer)
    check_trace_gradients(tracer)


def make_trace(precision: str = "mixed", **crystal: Any) -> PixelTrace:
    """The trace of a pixel in whose sum every axis but the layers has several steps."""
    made: dict[str, Any] = {"cells": (3, 4, 5), "mosaic_spread": 0.01, "mosaic_domains": 2} | crystal
    experiment = Experiment(
        crystal=Crystal(cell=(*(edge * ANGSTROM for edge in (30.0, 40.0, 50.0)), 1.5, 1.6, pi / 2), **made),
        beam=Beam(dispersion=0.01, dispersion_steps=2),
        detector=Detector(pixels=(5, 5), pixel_size=4e-3),
        scan=Scan(start=0.1, range=0.03, steps=3),
        sampling=Sampling(oversample=2),
    )
    from openbragg.orchestrator.composition import plugin

    factors = plugin("structure_factors", "hkl", default_F=10.0)
    return Simulation(experiment, structure_factors=factors, precision=precision).trace(1, 3)


def check_columns(tracer: Tracer) -> None:
    """What a tracer says of each term is a tensor that fits the terms, or nothing; of equal traces it says the same."""
    made = make_trace()
    shape = made.terms.intensity.shape
    for name, column in tracer.steps(made).items():
        require(isinstance(name, str) and name != "", f"steps: a column has no name: {name!r}")
        if column is None:
            continue
        require(isinstance(column, torch.Tensor), f"steps: {name} is no tensor but {type(column).__name__}")
        try:
            column.expand(shape)
        except RuntimeError:
            fits = False
        else:
            fits = True
        require(fits, f"steps: {name} of shape {tuple(column.shape)} does not fit the terms, {tuple(shape)}")
        again = tracer.steps(made)[name]
        require(again is not None and torch.equal(column, again), f"steps: {name} changes from call to call")


def check_values(tracer: Tracer) -> None:
    """What a tracer says of a pixel are numbers and vectors."""
    for name, value in tracer.values(make_trace()).items():
        require(isinstance(name, str) and name != "", f"values: a number has no name: {name!r}")
        require(isinstance(value, torch.Tensor), f"values: {name} is no tensor but {type(value).__name__}")
        require(value.dim() <= 1, f"values: {name} is neither a number nor a vector: {tuple(value.shape)}")


def check_trace_gradients(tracer: Tracer) -> None:
    """Where the trace carries a gradient, what the tracer says of F_latt and the like is still part of the graph."""
    spread = torch.tensor(0.01, dtype=torch.float64, requires_grad=True)
    made = make_trace("double", mosaic_spread=spread)
    carried = [made.terms.intensity, *made.terms.index, made.terms.lattice_amplitude, made.photons, made.intensity]
    numbers = {**tracer.values(made), **{n: c for n, c in tracer.steps(made).items() if c is not None}}
    for name, tensor in numbers.items():
        same = [
            one for one in carried if one.numel() == tensor.numel() and torch.equal(one.reshape(-1), tensor.reshape(-1))
        ]
        require(
            not same or tensor.requires_grad,
            f"{name} has lost its gradient: it must stay a tensor until it is written down",
        )
