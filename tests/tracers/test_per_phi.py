"""The per-phi tracer."""

from openbragg.testing import check_tracer, make_trace
from openbragg_tracers.per_phi import PerPhi


def test_has_the_properties_of_a_tracer() -> None:
    check_tracer(PerPhi())


def test_shows_what_is_in_the_terms() -> None:
    made = make_trace()
    steps = PerPhi().steps(made)
    assert list(steps) == (
        "phi_deg h_frac k_frac l_frac h k l F_latt_a F_latt_b F_latt_c F_latt F_cell intensity".split()
    )
    assert steps["F_latt"] is made.terms.lattice_amplitude
    assert steps["k_frac"] is made.terms.index.k
