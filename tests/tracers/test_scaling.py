"""The scaling tracer; its values are held against formulas in tests/test_trace_pixel.py."""

from openbragg.testing import check_tracer, make_trace
from openbragg_tracers.scaling import Scaling

#: As the reference program's traces have them, in their order.
NAMES = """
    pix0_vector_meters fdet_vec sdet_vec pixel_pos_meters R_distance_meters omega_pixel_sr close_distance_meters
    obliquity_factor diffracted_vec incident_vec lambda_meters lambda_angstroms scattering_vec_A_inv rot_a_angstroms
    rot_b_angstroms rot_c_angstroms rot_a_star_A_inv rot_b_star_A_inv rot_c_star_A_inv hkl_frac hkl_rounded F_latt_a
    F_latt_b F_latt_c F_latt F_cell I_before_scaling r_e_meters r_e_sqr fluence_photons_per_m2 steps oversample_thick
    oversample_polar oversample_omega capture_fraction polar omega_pixel cos_2theta I_pixel_final
    floatimage_accumulated
""".split()


def test_has_the_properties_of_a_tracer() -> None:
    check_tracer(Scaling())


def test_names_are_the_reference_s_in_its_order() -> None:
    assert list(Scaling().values(make_trace())) == NAMES


def test_water_is_a_number_of_its_own() -> None:
    values = Scaling().values(make_trace(water=1e-8))
    assert float(values["background_photons_per_sr"]) > 0.0
