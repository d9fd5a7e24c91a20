"""Properties that every plugin of a role must have, as functions that raise AssertionError; run them on yours.

One call is a test::

    from openbragg.testing import check_convention

    def test_my_convention_places_vectors():
        check_convention(MyConvention())

Each such function calls smaller ones, one a property, that can also be called or parametrised singly. Examples are
drawn by hypothesis, always the same ones, so that what passes today passes tomorrow; hypothesis must be installed,
pytest need not.
"""

from openbragg.testing.backgrounds import (
    background_photons,
    check_background,
    check_background_photons,
    check_each_pixel_for_itself,
    check_panel_place,
    make_rays,
)
from openbragg.testing.commands import Finished, run_command
from openbragg.testing.conventions import (
    check_beam_centre_round_trip,
    check_beam_pivot_keeps_the_spot,
    check_convention,
    check_default_beam_centre,
    check_distance,
    check_explicit_pivot,
    check_layout,
    check_panel_axes,
    check_placement_gradients,
    check_polarization_across_beam,
    check_sample_pivot_is_rigid,
    check_unit_vectors,
)
from openbragg.testing.declaration import check_declaration
from openbragg.testing.detectors import (
    check_detector,
    check_detector_frame,
    check_detector_noise,
    check_detector_panels,
    check_detector_sensor,
)
from openbragg.testing.diagnoses import check_diagnosis, check_equal_traces, check_evidence, make_comparison
from openbragg.testing.geometry_readers import (
    check_damaged,
    check_described,
    check_geometry_reader,
    check_recognition,
)
from openbragg.testing.image_formats import (
    check_default_file,
    check_image_format,
    check_plain_stream,
    check_round_trip,
    check_unrendered_pixels,
    make_image,
)
from openbragg.testing.image_readers import (
    check_camera_read_back,
    check_cut_images,
    check_image_reader,
    check_mask_read_back,
    check_read_back,
    check_read_images,
    check_recognised_alone,
    check_spoilt_images,
)
from openbragg.testing.lattice_shapes import (
    check_broadcasting,
    check_finite,
    check_inversion_symmetry,
    check_lattice_bound,
    check_lattice_reach,
    check_lattice_shape,
    check_peak_height,
    check_periodicity,
    check_precision,
    check_separability,
    check_shape_gradients,
    lattice_amplitude,
    make_lattice,
)
from openbragg.testing.noise_models import (
    check_expectation,
    check_global_random_state,
    check_noise_model,
    check_pixels_independent,
    check_seeds,
    check_shape_and_device,
    check_whole_numbers,
    check_zero_stays_zero,
)
from openbragg.testing.structure_factors import (
    check_default_amplitude,
    check_each_reflection_for_itself,
    check_groups,
    check_known_amplitudes,
    check_neighbourhoods,
    check_result_shape,
    check_structure_factors,
)
from openbragg.testing.tracers import (
    check_columns,
    check_trace_gradients,
    check_tracer,
    check_values,
    make_trace,
)
from openbragg.testing.truth_formats import check_truth_format, make_truth

__all__ = [
    "Finished",
    "background_photons",
    "check_background",
    "check_background_photons",
    "check_beam_centre_round_trip",
    "check_beam_pivot_keeps_the_spot",
    "check_broadcasting",
    "check_camera_read_back",
    "check_columns",
    "check_convention",
    "check_cut_images",
    "check_damaged",
    "check_declaration",
    "check_default_amplitude",
    "check_default_beam_centre",
    "check_default_file",
    "check_described",
    "check_detector",
    "check_detector_frame",
    "check_detector_noise",
    "check_detector_panels",
    "check_detector_sensor",
    "check_diagnosis",
    "check_distance",
    "check_each_pixel_for_itself",
    "check_each_reflection_for_itself",
    "check_equal_traces",
    "check_evidence",
    "check_expectation",
    "check_explicit_pivot",
    "check_finite",
    "check_geometry_reader",
    "check_global_random_state",
    "check_groups",
    "check_image_format",
    "check_image_reader",
    "check_inversion_symmetry",
    "check_known_amplitudes",
    "check_lattice_bound",
    "check_lattice_reach",
    "check_lattice_shape",
    "check_layout",
    "check_mask_read_back",
    "check_neighbourhoods",
    "check_noise_model",
    "check_panel_axes",
    "check_panel_place",
    "check_peak_height",
    "check_periodicity",
    "check_pixels_independent",
    "check_placement_gradients",
    "check_plain_stream",
    "check_polarization_across_beam",
    "check_precision",
    "check_read_back",
    "check_read_images",
    "check_recognised_alone",
    "check_recognition",
    "check_result_shape",
    "check_round_trip",
    "check_sample_pivot_is_rigid",
    "check_seeds",
    "check_separability",
    "check_shape_and_device",
    "check_shape_gradients",
    "check_spoilt_images",
    "check_structure_factors",
    "check_trace_gradients",
    "check_tracer",
    "check_truth_format",
    "check_unit_vectors",
    "check_unrendered_pixels",
    "check_values",
    "check_whole_numbers",
    "check_zero_stays_zero",
    "lattice_amplitude",
    "make_comparison",
    "make_image",
    "make_lattice",
    "make_rays",
    "make_trace",
    "make_truth",
    "run_command",
]
