"""What can be refined beside orientation, cell and size: derivatives are those of the images."""

import attrs
import numpy as np
import pytest
from test_refine import counts, start, truth

import openbragg
from openbragg import Beam, UsageError, plugin
from openbragg_tools.refine.model import make_model
from refined_stills import whole


def spread(**changes):
    """A start with blocks that are turned, in 24 domains."""
    crystal = attrs.evolve(start().experiment.crystal, mosaic_domains=24)
    return start().evolve(crystal=crystal, precision="double", **changes)


def with_beam(**changes):
    return start().evolve(beam=Beam(wavelength=1.3e-10, fluence=2e27, polarization=1.0, **changes), precision="double")


SIMULATIONS = {
    "b_factor": lambda: start().evolve(precision="double"),
    "cells_offdiagonal": lambda: start().evolve(precision="double"),
    "spreads": lambda: spread(mosaic=plugin("mosaic_models", "anisotropic", spreads=(0.004, 0.002, 0.003))),
    "wavelength_shift": lambda: with_beam(),
    "dispersion": lambda: with_beam(dispersion=0.004, dispersion_steps=3),
    "spectrum.width": lambda: start().evolve(
        spectrum=plugin("spectra", "gaussian", width=0.003, count=5), precision="double"
    ),
    "divergence_range": lambda: with_beam(divergence_range=(0.002, 0.001), divergence_steps=(3, 3)),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_derivatives_are_those_of_the_image(name):
    model = make_model(SIMULATIONS[name](), (name,), "P 2 2 2")
    values = model.start()
    if name == "b_factor":
        values[0] = 4e-20
    rows, columns = np.nonzero(counts()[:60, :60] > 40.0)
    pixels = (rows, columns)
    found = whole(model.derivatives(values, list(range(len(values))), pixels))
    for place, each in enumerate(model.parameters):
        step = np.zeros_like(values)
        step[place] = each.stride * 1e-4
        above, below = (model.photons(values + sign * step, pixels) for sign in (1.0, -1.0))
        differences = (above - below) / (2.0 * step[place])
        peak = np.abs(differences).max()
        assert peak > 0.0, each.name
        # Differences over a step of 1e-4 of a stride are off by its square.
        assert found[:, place] == pytest.approx(differences, abs=1e-5 * peak), each.name


def test_a_b_factor_and_n_as_a_tensor_come_back():
    crystal = attrs.evolve(truth().experiment.crystal, cells_offdiagonal=(1.5, 0.0, -1.0))
    true = truth().evolve(crystal=crystal)
    falling = make_model(true, ("b_factor",), "P 2 2 2")
    draws = np.random.default_rng(3)
    image = draws.poisson(falling.settled(np.array([12e-20])).photons().double().numpy() + 8.0)
    free = ("misset", "cell", "cells", "cells_offdiagonal", "b_factor", "scale")
    found = openbragg.refine(start(0.1), image, free, space_group="P 2 2 2", readout=0.0)
    expected = {"B": 12.0, "N_a": 8.0, "N_d": 1.5, "N_e": 0.0, "N_f": -1.0, "scale": 3.0}
    for name, value in expected.items():
        assert abs(found.value(name) - value) < 3.5 * found.sigma(name), name
    # What is handed back has the B factor in its structure factors.
    rendered = found.simulation.pixels(*found.boxes.pixels).double().numpy()
    assert rendered == pytest.approx(found.fit.scale * found.fit.spots, abs=5e-3 * rendered.max())


def test_a_width_cannot_start_from_nothing():
    with pytest.raises(UsageError, match="cannot start from 0"):
        make_model(start(), ("dispersion",))
    with pytest.raises(UsageError, match="has no value to start from"):
        make_model(start(), ("divergence_range",))


def test_three_spreads_are_refined_by_default_where_there_are_three():
    from openbragg_tools.refine.preparation import usual

    assert "spreads" in usual(SIMULATIONS["spreads"]())
    assert "mosaic_spread" not in usual(SIMULATIONS["spreads"]())
