"""What each flag sets, in which unit, and which of several wins."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import SMALL, Finished, experiment, parsed, run, selected, simulate_command
from openbragg.cli.compose import FlagOption, SwitchOption, assignments_of, construct
from openbragg.cli.reference_flags import BEGINNINGS
from openbragg.cli.registry import load_registry
from openbragg.cli.settings import (
    CameraFile,
    Computation,
    DetectorChoice,
    GeometryFile,
    Output,
    PresetChoice,
    Printout,
    Provenance,
    SeriesChoice,
    Timing,
    WithoutEffect,
)
from openbragg_tracers.traces.truth import Traces

DEGREES = 180.0 * 0.3183098861837907  # in a radian, rounded as the reference program rounds it
HC = 12398.42  # electronvolt angstroms, as the reference program has it

#: Spellings; the value that is typed; the field of the experiment; and what it becomes, to the last bit.
EXPERIMENT_FLAGS = [
    ("-detpixels", "12", "detector.pixels", (12, 12)),
    ("-detpixels_s -detpixels_y", "12", "detector.pixels", (12, None)),
    ("-detpixels_f -detpixels_x", "12", "detector.pixels", (None, 12)),
    ("-detsize", "7.3", "detector.size", (7.3 / 1000, 7.3 / 1000)),
    ("-detsize_s", "7.3", "detector.size", (7.3 / 1000, 0.1024)),
    ("-detsize_f", "7.3", "detector.size", (0.1024, 7.3 / 1000)),
    ("-pixel", "0.172", "detector.pixel_size", 0.172 / 1000),
    ("-distance", "231.274", "detector.distance", 231.274 / 1000),
    ("-close_distance", "231.1", "detector.close_distance", 231.1 / 1000),
    ("-Xbeam", "-3.7", "detector.beam_centre", (-3.7 / 1000, None)),
    ("-Ybeam", "3.7", "detector.beam_centre", (None, 3.7 / 1000)),
    ("-Xclose", "3.7", "detector.near_point", (3.7 / 1000, None)),
    ("-Yclose", "-3.7", "detector.near_point", (None, -3.7 / 1000)),
    ("-ORGX", "40.3", "detector.near_pixel", (40.3, None)),
    ("-ORGY", "52.1", "detector.near_pixel", (None, 52.1)),
    ("-detector_rotx", "5.3", "detector.rotation", (5.3 / DEGREES, 0.0, 0.0)),
    ("-detector_roty", "-5.3", "detector.rotation", (0.0, -5.3 / DEGREES, 0.0)),
    ("-detector_rotz", "5.3", "detector.rotation", (0.0, 0.0, 5.3 / DEGREES)),
    ("-twotheta", "-20.7", "detector.twotheta", -20.7 / DEGREES),
    ("-pivot", "sample", "detector.pivot", "sample"),
    ("-point_pixel", "", "detector.point_pixel", True),
    ("-lambda -wave -wavelength", "6.2", "beam.wavelength", 6.2 / 1e10),
    ("-energy", "12658", "beam.wavelength", HC / 12658 / 1e10),
    ("-lambda_shift", "-0.01", "beam.wavelength_shift", -0.01 / 1e10),
    ("-lambda_scale", "1.01", "beam.wavelength_scale", 1.01),
    ("-fluence", "3e25", "beam.fluence", 3e25),
    ("-flux", "1e12", "beam.flux", 1e12),
    ("-exposure", "0.1", "beam.exposure", 0.1),
    ("-beamsize", "0.03", "beam.size", 0.03 / 1000),
    ("-polar", "-0.9", "beam.polarization", -0.9),
    ("-nopolar", "", "beam.no_polarization_factor", True),
    ("-misset", "10 -20 30", "crystal.misset", (10 / DEGREES, -20 / DEGREES, 30 / DEGREES)),
    ("-misset", "random", "crystal.misset", "random"),
    ("-misset_seed", "12345", "crystal.misset_seed", 12345),
    ("-N", "7", "crystal.cells", (7, 7, 7)),
    ("-Na", "7", "crystal.cells", (7, 3, 3)),
    ("-Nb", "7", "crystal.cells", (3, 7, 3)),
    ("-Nc", "7", "crystal.cells", (3, 3, 7)),
    ("-N_offdiagonal", "1 -2 0.5", "crystal.cells_offdiagonal", (1.0, -2.0, 0.5)),
    ("-xtalsize -xtal_size -samplesize -sample_size", "0.02", "crystal.size", (2e-5, 2e-5, 2e-5)),
    ("-xtal_x -xtal_thick -sample_x -sample_thick", "0.02", "crystal.size", (2e-5, None, None)),
    ("-xtal_y -xtal_width -sample_y -sample_width -width", "0.02", "crystal.size", (None, 2e-5, None)),
    ("-xtal_z -xtal_height -sample_z -sample_height -height", "0.02", "crystal.size", (None, None, 2e-5)),
    ("-fudge", "0.3", "crystal.fudge", 0.3),
    ("-crystal_scale", "0.3", "crystal.scale", 0.3),
    ("-crystal_volume", "20", "crystal.volume", 20 / 1e18),
    ("-water", "2.1", "crystal.water", 2.1 / 1e6),
    ("-mosaic -mosaicity -mosaic_spread", "0.5", "crystal.mosaic_spread", 0.5 / DEGREES),
    ("-mosaic_domains -mosaic_dom", "8", "crystal.mosaic_domains", 8),
    ("-mosaic_seed", "-4321", "crystal.mosaic_seed", -4321),
    ("-phi -start", "-30", "scan.start", -30 / DEGREES),
    ("-osc", "0.1", "scan.range", 0.1 / DEGREES),
    ("-phistep", "0.05", "scan.step", 0.05 / DEGREES),
    ("-phisteps", "4", "scan.steps", 4),
    ("-phi_sampling", "middle", "scan.phi_sampling", "middle"),
    ("-oversample", "3", "sampling.oversample", 3),
    ("-dmin", "2.1", "sampling.resolution_limit", 2.1 * 1e-10),
    ("-roi", "2 60 3 70", "sampling.region", (2, 60, 3, 70)),
    ("-seed", "77", "sampling.seed", 77),
    ("-divergence", "4", "beam.divergence_range", (0.004, 0.004)),
    ("-hdivrange", "4", "beam.divergence_range", (0.004, None)),
    ("-vdivrange", "2", "beam.divergence_range", (None, 0.002)),
    ("-hdivstep", "1", "beam.divergence_step", (0.001, None)),
    ("-vdivstep", "0.5", "beam.divergence_step", (None, 0.0005)),
    ("-divsteps", "4", "beam.divergence_steps", (4, 4)),
    ("-hdivsteps", "4", "beam.divergence_steps", (4, None)),
    ("-vdivsteps", "3", "beam.divergence_steps", (None, 3)),
    ("-square_div", "", "beam.round_divergence", False),
    ("-dispersion", "2", "beam.dispersion", 0.02),
    ("-dispsteps", "3", "beam.dispersion_steps", 3),
    ("-curved_det", "", "detector.curved", True),
    ("-detector_thick", "400", "detector.sensor_thickness", 400 * 1e-6),
    ("-detector_thicksteps -thicksteps", "4", "detector.sensor_layers", 4),
    ("-detector_abs -detector_absorb", "200", "detector.attenuation_length", 200 * 1e-6),
    ("-oversample_thick", "", "sampling.oversample_capture", True),
    ("-oversample_polar", "", "sampling.oversample_polarization", True),
    ("-oversample_omega", "", "sampling.oversample_solid_angle", True),
    ("-polar_at", "centre", "sampling.polarization_place", "centre"),
]
#: The same for flags that are no part of the experiment: the settings' class and field.
SETTING_FLAGS = [
    ("-compat", "phi-carryover", Computation, "compat", "phi-carryover"),
    ("-precision", "double", Computation, "precision", "double"),
    ("-device", "cuda:1", Computation, "device", "cuda:1"),
    ("-engine", "eager", Computation, "engine", "eager"),
    ("-threads", "3", Computation, "threads", 3),
    ("-cull", "1e-6", Computation, "cull", 1e-6),
    ("-progress", "", Output, "progress", True),
    ("-noprogress -quiet", "", Output, "progress", False),
    ("-images", "20", SeriesChoice, "images", 20),
    ("-restart", "", SeriesChoice, "restart", True),
    ("-timings", "a.json", Timing, "file", "a.json"),
    ("-printout", "", Printout, "every", True),
    ("-printout_pixel", "7 3", Printout, "pixel", (7, 3)),
    ("-trace_pixel", "3 7", Traces, "pixel", ((3, 7),)),
    ("-tracer", "scaling", Traces, "tracer", ("scaling",)),
    ("-trace_log", "a.log", Traces, "log", "a.log"),
    ("-trace_json", "a.json", Traces, "json", "a.json"),
    ("-trace_select", "phi=0", Traces, "select", "phi=0"),
    ("-record", "a.json", Provenance, "record", "a.json"),
    ("-from", "a.json", Provenance, "repeat", "a.json"),
    ("-force", "", Provenance, "force", True),
    ("-write_anywhere", "", Provenance, "anywhere", True),
    ("-img", "a.img", CameraFile, "image", Path("a.img")),
    ("-preset", "mx-rotation", PresetChoice, "name", "mx-rotation"),
    ("-detector", "pilatus-6m", DetectorChoice, "name", "pilatus-6m"),
    ("-geometry", "a.expt", GeometryFile, "file", Path("a.expt")),
    ("-geometry_reader", "expt", GeometryFile, "reader", "expt"),
    ("-stolout", "a.stol", WithoutEffect, "stolout", "a.stol"),
    ("-coherent", "", WithoutEffect, "coherent", True),
    ("-hdiv", "0.28", WithoutEffect, "hdiv", 0.28 / 1000),
    ("-vdiv", "0.28", WithoutEffect, "vdiv", 0.28 / 1000),
    ("-dispstep", "3", WithoutEffect, "dispstep", 3.0),
]
#: The same for options of plugins: the plugin's role, name and field.
PLUGIN_FLAGS = [
    ("-fdet_vector", "0 0.01 2", "geometry_conventions custom fast", (0.0, 0.01, 2.0)),
    ("-sdet_vector", "0 -1 0.01", "geometry_conventions custom slow", (0.0, -1.0, 0.01)),
    ("-odet_vector", "1 0 0.5", "geometry_conventions custom normal", (1.0, 0.0, 0.5)),
    ("-beam_vector", "1 0.1 0", "geometry_conventions custom beam", (1.0, 0.1, 0.0)),
    ("-polar_vector", "0 1 1", "geometry_conventions custom polarization", (0.0, 1.0, 1.0)),
    ("-spindle_axis", "0 1 0", "geometry_conventions custom spindle", (0.0, 1.0, 0.0)),
    ("-twotheta_axis", "0 0 -1", "geometry_conventions custom twotheta", (0.0, 0.0, -1.0)),
    ("-pix0_vector", "0.09 0.02 -0.018", "geometry_conventions custom first_corner", (0.09, 0.02, -0.018)),
    ("-pix0_vector_mm", "90 20 -18", "geometry_conventions custom first_corner", (90 / 1000, 20 / 1000, -18 / 1000)),
    ("-hkl", "some.hkl", "structure_factors hkl file", Path("some.hkl")),
    ("-default_F", "20.5", "structure_factors hkl default_F", 20.5),
    ("-interpolate", "", "structure_factors hkl interpolate", True),
    ("-nointerpolate", "", "structure_factors hkl interpolate", False),
    ("-dump", "a.dump", "structure_factors hkl dump", Path("a.dump")),
    ("-gauss_star_width", "0.002", "lattice_shapes gauss_star width", 0.002 * 1e10),
    ("-mosaic_sequence", "random", "mosaic_models normal sequence", "random"),
    (
        "-mosaic_anisotropic",
        "0.1 0.2 0.3",
        "mosaic_models anisotropic spreads",
        (0.1 / DEGREES, 0.2 / DEGREES, 0.3 / DEGREES),
    ),
    ("-mosaic_axes", "crystal", "mosaic_models anisotropic axes", "crystal"),
    ("-mosaic_rotations", "turns.json", "mosaic_models list file", Path("turns.json")),
    ("-F_label", "FP", "structure_factors reflections amplitudes", "FP"),
    ("-I_label", "IMEAN", "structure_factors reflections intensities", "IMEAN"),
    ("-crystal_file", "a.ins", "structure_factors reflections crystal_file", Path("a.ins")),
    ("-symmetry", "4/mmm", "structure_factors reflections symmetry", "4/mmm"),
    ("-from_intensities", "", "structure_factors reflections from_intensities", True),
    ("-block", "one", "structure_factors reflections block", "one"),
    ("-resolution", "1.5", "structure_factors model resolution", 1.5 / 1e10),
    ("-k_sol", "0.35", "structure_factors model solvent_density", 0.35 * 1e30),
    ("-B_sol", "50", "structure_factors model solvent_b_factor", 50 / 1e20),
    ("-F000", "", "structure_factors model direct_beam", True),
    ("-noF000", "", "structure_factors model direct_beam", False),
    ("-anomalous", "Se,S", "structure_factors hkl anomalous", "Se,S"),
    ("-atoms", "a.txt", "structure_factors hkl atoms_file", Path("a.txt")),
    ("-channels", "", "structure_factors hkl for_channels", True),
    ("-phases", "", "structure_factors hkl phases", True),
    ("-anomalous_file", "a.txt", "structure_factors hkl corrections_file", Path("a.txt")),
    ("-fp_shift", "-2", "structure_factors hkl f_prime_shift", -2.0),
    ("-fpp_shift", "0.5", "structure_factors hkl f_second_shift", 0.5),
    ("-fpp_scale", "0.9", "structure_factors hkl f_second_scale", 0.9),
    ("-phase_label", "PHI", "structure_factors reflections phase_label", "PHI"),
    ("-AB_label", "A,B", "structure_factors reflections parts_label", "A,B"),
    ("-lattices", "3", "scene_models lattices count", 3),
    ("-lattice_spread", "10", "scene_models lattices spread", 10 / DEGREES),
    ("-lattice_seed", "5 -lattices 3", "scene_models lattices seed", 5),
    ("-lattice_weights", "1 0.5", "scene_models lattices weights", (1.0, 0.5)),
    ("-scene", "a.json", "scene_models scene-file file", Path("a.json")),
    ("-split", "1 2 3", "scene_models split angles", (1 / DEGREES, 2 / DEGREES, 3 / DEGREES)),
    ("-split_fraction", "0.3 -split 1 0 0", "scene_models split fraction", 0.3),
    ("-twin", "-h,-k,l", "scene_models twin law", "-h,-k,l"),
    ("-twin_fraction", "0.3 -twin -h,-k,l", "scene_models twin fraction", 0.3),
    ("-gaussian_width", "1", "spectra gaussian width", 1 / 100),
    ("-gaussian_width_energy", "30", "spectra gaussian width_energy", 30 * 1.602176634e-19),
    ("-gaussian_channels", "9 -gaussian_width 1", "spectra gaussian count", 9),
    ("-spectrum_file", "a.lam", "spectra listed file", Path("a.lam")),
    ("-pink_width", "3", "spectra pink width", 3 / 100),
    ("-pink_width_energy", "300", "spectra pink width_energy", 300 * 1.602176634e-19),
    ("-pink_edge", "20 -pink_width 3", "spectra pink edge", 20 / 100),
    ("-pink_channels", "9 -pink_width 3", "spectra pink count", 9),
    ("-sase_width", "0.3", "spectra sase width", 0.3 / 100),
    ("-sase_width_energy", "30", "spectra sase width_energy", 30 * 1.602176634e-19),
    ("-sase_spike", "5 -sase_width 1", "spectra sase spike", 5 / 100),
    ("-sase_seed", "7 -sase_width 1", "spectra sase seed", 7),
    ("-sase_channels", "9 -sase_width 1", "spectra sase count", 9),
    ("-labelsfile", "a.npz", "image_formats labels file", Path("a.npz")),
    ("-nxmx_labels", "", "image_formats nxmx with_labels", True),
    ("-trace_lattice", "1", "truth_formats traces lattice", 1),
    ("-diffuse_gamma", "20", "diffuse_models gamma_sigma gamma", (20 / 1e10,)),
    ("-diffuse_sigma", "0.2 0.3 0.4", "diffuse_models gamma_sigma sigma", (0.2 / 1e10, 0.3 / 1e10, 0.4 / 1e10)),
    ("-diffuse_stencil", "1", "diffuse_models gamma_sigma stencil", 1),
    ("-diffuse_symmetry", "P422", "diffuse_models gamma_sigma symmetry", "P422"),
    (
        "-diffuse_principal",
        "1 -1 0 1 1 0 0 0 1",
        "diffuse_models gamma_sigma principal_axes",
        (1.0, -1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    ),
    ("-diffuse_diffbragg", "", "diffuse_models gamma_sigma diffbragg", True),
    ("-pgmfile -pgmimage", "a.pgm", "image_formats pgm pgmfile", Path("a.pgm")),
    ("-pgmscale", "2.5", "image_formats pgm scale", 2.5),
    ("-nopgm", "", "image_formats pgm pgmfile", False),
    ("-nxmx", "a.nxs", "image_formats nxmx file", Path("a.nxs")),
    ("-nxmx_photons", "a.nxs", "image_formats nxmx photons_file", Path("a.nxs")),
    ("-nxmx_type", "int32", "image_formats nxmx pixel_type", "int32"),
    ("-nxmx_compression", "gzip", "image_formats nxmx compression", "gzip"),
    ("-nxmx_block", "10", "image_formats nxmx block", 10),
    ("-nxmx_start_time", "2026-01-31T12:00:00Z", "image_formats nxmx start_time", "2026-01-31T12:00:00Z"),
    ("-cbf -cbfile", "a.cbf", "image_formats minicbf file", Path("a.cbf")),
    ("-cbf_photons", "a.cbf", "image_formats minicbf photons_file", Path("a.cbf")),
    ("-cbf_scale", "2", "image_formats minicbf scale", 2.0),
    ("-cbf_cutoff", "1000", "image_formats minicbf cutoff", 1000),
    ("-tiff", "a.tif", "image_formats tiff file", Path("a.tif")),
    ("-tiffphotons", "a.tif", "image_formats tiff photons_file", Path("a.tif")),
    ("-tiff_bits", "16", "image_formats tiff bits", 16),
    ("-pngfile -pngimage", "a.png", "image_formats png file", Path("a.png")),
    ("-noisepng", "b.png", "image_formats png noise_file", Path("b.png")),
    ("-png_percentile", "90", "image_formats png percentile", 90.0),
    ("-png_gamma", "0.5", "image_formats png gamma", 0.5),
    ("-png_black", "", "image_formats png black", True),
    ("-floatfile -floatimage", "a.bin", "image_formats raw floatfile", Path("a.bin")),
    ("-intfile -intimage", "a.img", "image_formats smv intfile", Path("a.img")),
    ("-noisefile -noiseimage", "b.img", "image_formats smv noisefile", Path("b.img")),
    ("-scale", "0.5", "image_formats smv scale", 0.5),
    ("-refl", "a.refl", "truth_formats predicted-reflections file", Path("a.refl")),
    ("-expt", "a.expt", "truth_formats dials-experiments file", Path("a.expt")),
    ("-adc", "10", "image_formats smv adc_offset", 10.0),
    ("-bits", "32", "image_formats smv bits", 32),
    ("-stol", "a.stol", "backgrounds table file", Path("a.stol")),
    ("-4stol", "a.stol", "backgrounds table file_4stol", Path("a.stol")),
    ("-Q", "a.stol", "backgrounds table file_q", Path("a.stol")),
    ("-thick", "0.3", "backgrounds table thickness", 0.3 / 1000),
    ("-density -sample_density", "1.2", "backgrounds table density", 1.2 * 1000),
    ("-MW -molecular_weight", "20", "backgrounds table molar_mass", 20 / 1000),
    ("-solvent_thick", "0.3", "backgrounds water thickness", 0.3 / 1000),
    ("-solvent_density", "1.1", "backgrounds water density", 1.1 * 1000),
    ("-air_path", "12", "backgrounds air path", 12 / 1000),
    ("-air_density", "0.001", "backgrounds air density", 0.001 * 1000),
    ("-ice_thick", "0.3", "backgrounds ice thickness", 0.3 / 1000),
    ("-ice_width", "0.02", "backgrounds ice width", 0.02 * 1e10),
    ("-uniform_photons", "3", "backgrounds uniform per_pixel", 3.0),
    ("-uniform_density", "3", "backgrounds uniform per_area", 3.0 * 1e6),
    ("-detector_preset", "eiger", "noise_models detector preset", "eiger"),
    ("-detector_seed -calib_seed", "5", "noise_models detector detector_seed", 5),
    ("-flicker", "2", "noise_models detector flicker", 2 / 100),
    ("-psf", "gauss -psf_fwhm 80", "noise_models detector point_spread", "gauss"),
    ("-psf_fwhm", "80 -psf fibre", "noise_models detector point_spread_width", 80 * 1e-6),
    ("-psf_order", "after -psf fibre -psf_fwhm 80", "noise_models detector point_spread_order", "after"),
    ("-dead_time", "120", "noise_models detector dead_time", 120 / 1e9),
    ("-dead_time_kind", "nonparalyzable -dead_time 9", "noise_models detector dead_time_kind", "nonparalyzable"),
    ("-gain", "1.8", "noise_models detector gain", 1.8),
    ("-gain_spread", "35", "noise_models detector gain_spread", 35 / 100),
    ("-electrons_per_adu", "5", "noise_models detector electrons_per_count", 5.0),
    ("-calibration", "3", "noise_models detector calibration", 3 / 100),
    ("-module_calibration", "1", "noise_models detector module_calibration", 1 / 100),
    ("-module_pixels", "195 487 -module_calibration 1", "noise_models detector module", (195, 487)),
    ("-module_gains", "1.1 0.9", "noise_models detector module_gains", (1.1, 0.9)),
    ("-gain_map", "a.npy", "noise_models detector gain_map", Path("a.npy")),
    ("-gain_stages", "40 2 -gain_switches 30", "noise_models detector gain_stages", (40.0, 2.0)),
    ("-gain_switches", "30 -gain_stages 40 2", "noise_models detector gain_switches", (30.0,)),
    (
        "-stage_electrons",
        "80 400 -gain_stages 40 2 -gain_switches 30",
        "noise_models detector stage_electrons",
        (80.0, 400.0),
    ),
    ("-dark_map", "a.npy", "noise_models detector dark_map", Path("a.npy")),
    ("-pedestal_map", "a.npy", "noise_models detector pedestal_map", Path("a.npy")),
    ("-dark_current", "0.2", "noise_models detector dark_current", 0.2),
    ("-dark_electrons", "0.2", "noise_models detector dark_electrons", 0.2),
    ("-readout_noise -readnoise", "3", "noise_models detector readout_noise", 3.0),
    ("-readout_electrons", "80", "noise_models detector readout_electrons", 80.0),
    ("-pedestal", "20", "noise_models detector pedestal", 20.0),
    ("-saturation", "65535", "noise_models detector saturation", 65535.0),
    ("-dead_pixels", "0.1", "noise_models detector dead_pixels", 0.1 / 100),
    ("-hot_pixels", "0.1 -hot_current 5", "noise_models detector hot_pixels", 0.1 / 100),
    ("-hot_current", "5 -hot_pixels 1", "noise_models detector hot_current", 5.0),
]
#: Plugins that play no part without one of their flags.
_PART_BY_THEIR_FLAGS = (
    *("custom", "reflections", "model", "detector", "water", "air", "ice", "uniform", "table"),
    *("gauss_star", "normal", "anisotropic", "list", "gamma_sigma"),
    *("lattices", "scene-file", "split", "twin", "gaussian", "listed", "pink", "sase"),
)
#: Flags that have tests of their own below, or choose a plugin by name.
OTHER_FLAGS = {
    "-round_div",
    "-cell",
    "-sourcefile",
    "-mat",
    "-matrix",
    "-mask",
    "-convention",
    "-structure_factors",
    "-lattice_shape",
    "-diffuse",
    "-mosaic_model",
    "-spectrum",
    "-scene_model",
    "-noise",
    "-background",
    # In test_record.py.
    "-record",
    "-from",
    "-force",
    "-write_anywhere",
    # Of geometry readers, in plugins/geometry_readers/test_known_answers.py.
    "-clen",
    "-expt_number",
}


def kebab(flag: str) -> str:
    return "--" + flag.removeprefix("-").replace("_", "-").lower()


def each_spelling(table: list[Any]) -> list[Any]:
    """The rows of a table, one for every spelling and for its double-dash alias."""
    rows = []
    for spellings, value, *rest in table:
        for spelling in spellings.split():
            for flag in (spelling, kebab(spelling)):
                rows.append(pytest.param(flag, value.split(), *rest, id=" ".join([flag, value]).strip()))
    return rows


def field(thing: Any, path: str) -> Any:
    for name in path.split("."):
        thing = getattr(thing, name)
    return thing


def plugin_field(words: list[str], path: str) -> Any:
    """A field of a plugin that words set up; the path is its role, its name and the field."""
    role, name, attribute = path.split()
    chosen = selected(*words)
    several = {
        "image_formats": chosen.formats,
        "truth_formats": chosen.truths,
        "backgrounds": chosen.backgrounds,
    }
    candidates = several.get(role) or [chosen.roles[role]]
    return getattr(next(plugin for plugin in candidates if plugin.name == name), attribute)


@pytest.mark.parametrize(("flag", "words", "path", "value"), each_spelling(EXPERIMENT_FLAGS))
def test_flag_sets_its_field_in_si_units(flag: str, words: list[str], path: str, value: Any) -> None:
    assert field(experiment(flag, *words), path) == value
    assert field(experiment(), path) != value


@pytest.mark.parametrize(("flag", "words", "cls", "name", "value"), each_spelling(SETTING_FLAGS))
def test_flag_sets_its_setting(flag: str, words: list[str], cls: type, name: str, value: Any) -> None:
    # Parsing would open the record of -from.
    given = assignments_of(simulate_command().scan([flag, *words])[1])
    assert getattr(construct(cls, given), name) == value
    assert getattr(cls(), name) != value


@pytest.mark.parametrize(("flag", "words", "path", "value"), each_spelling(PLUGIN_FLAGS))
def test_flag_sets_its_plugins_option_in_si_units(flag: str, words: list[str], path: str, value: Any) -> None:
    assert plugin_field([flag, *words], path) == value
    if path.split()[1] not in _PART_BY_THEIR_FLAGS:
        assert plugin_field([], path) != value


def test_every_flag_of_this_distribution_has_a_row_in_the_tables_above() -> None:
    own = {found.cls for found in load_registry(()).found if found.distribution != "openbragg"}
    there = {
        spelling
        for section in simulate_command().sections
        for option in section.options
        if isinstance(option, FlagOption) and option.flag.owner not in own
        for spelling in option.flag.spellings
    }
    rows = [row[0] for table in (EXPERIMENT_FLAGS, SETTING_FLAGS, PLUGIN_FLAGS) for row in table]
    assert there == {spelling for spellings in rows for spelling in spellings.split()} | OTHER_FLAGS


def test_every_flag_has_words_of_help_and_one_that_takes_a_value_says_which() -> None:
    for section in simulate_command().sections:
        for option in section.options:
            assert len((option.help or "").split()) > 1, option.opts
            if isinstance(option, FlagOption) and option.flag.constant is None:
                assert (option.metavar or "").strip("<>"), option.opts


def test_every_bare_flag_of_a_plugin_chooses_it_in_both_spellings() -> None:
    for found in load_registry(()).found:
        if found.role.flag:
            for flag in found.cls.flags:
                for spelling in (flag, kebab(flag)):
                    assert selected(spelling).roles[found.role.hook].name == found.name


@pytest.mark.parametrize("flag", ["-convention", "-structure_factors", "-lattice_shape", "-noise"])
def test_every_plugin_of_a_role_with_a_choosing_flag_can_be_chosen_by_name(flag: str) -> None:
    choices = [found for found in load_registry(()).found if found.role.flag == flag]
    assert choices
    for found in choices:
        assert selected(flag, found.name).roles[found.role.hook].name == found.name


def test_without_flags_the_defaults_are_those_of_the_reference() -> None:
    chosen = {hook: plugin.name for hook, plugin in selected().roles.items()}
    assert chosen == {
        "geometry_conventions": "mosflm",
        "structure_factors": "hkl",
        "lattice_shapes": "square",
        "mosaic_models": "nanobragg",
        "diffuse_models": "none",
        "spectra": "dispersion",
        "scene_models": "single",
        "noise_models": "poisson",
    }
    made = experiment()
    assert made.beam.wavelength == 1e-10
    assert made.beam.fluence == 125932015286227086360700780544.0
    assert (made.beam.exposure, made.beam.size, made.beam.polarization) == (1.0, 1e-4, 0.0)
    assert (made.detector.distance, made.detector.pixel_size) == (0.1, 1e-4)
    assert made.detector.pixel_counts() == (1024, 1024)
    assert made.crystal.mosaic_seed == 12345678


@pytest.mark.parametrize(
    ("numbers", "cell"),
    [
        ("70", (70, 70, 70, 90, 90, 90)),
        ("70 80", (70, 80, 70, 90, 90, 90)),
        ("70 80 90", (70, 80, 90, 90, 90, 90)),
        ("70 80 90 75", (70, 80, 90, 75, 90, 90)),
        ("70 80 90 75 85", (70, 80, 90, 75, 85, 90)),
        ("70 80 90 75 85 95", (70, 80, 90, 75, 85, 95)),
    ],
)
@pytest.mark.parametrize("after", ["", "-N 2", "-misset 1 2 3", "-nopolar"])
def test_cell_takes_one_to_six_numbers_and_leaves_what_follows(
    numbers: str, cell: tuple[float, ...], after: str
) -> None:
    expected = (*(length / 1e10 for length in cell[:3]), *(angle / DEGREES for angle in cell[3:]))
    made = experiment("-cell", *numbers.split(), *after.split())
    assert made.crystal.cell == expected
    assert field(made, "beam.no_polarization_factor") == (after == "-nopolar")
    assert made.crystal.cells == ((2, 2, 2) if after == "-N 2" else (3, 3, 3))
    assert (made.crystal.misset is not None) == after.startswith("-misset")


def test_cell_takes_its_numbers_after_an_equals_sign_too() -> None:
    assert experiment("--cell=70 80 90").crystal == experiment("-cell", "70", "80", "90").crystal


def test_misset_takes_negative_and_exponential_numbers() -> None:
    angles = (-10 / DEGREES, -2e1 / DEGREES, -0.5 / DEGREES)
    assert experiment("-misset", "-10", "-2e1", "-.5", "-N", "2").crystal.misset == angles


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_all_ways_to_write_a_flag_give_the_same_bits(value: float) -> None:
    ways = [("-distance", f"{value!r}"), ("--distance", f"{value!r}"), (f"--distance={value!r}",)]
    assert {experiment(*way).detector.distance for way in ways} == {value / 1000}


@given(st.integers(min_value=-(2**53), max_value=2**53))
def test_a_whole_number_may_be_written_with_a_point_or_an_exponent(seed: int) -> None:
    assert {experiment("-seed", word).sampling.seed for word in (f"{seed}", f"{seed}.0", f"{seed}e0")} == {seed}


@pytest.mark.parametrize("seed", [2**53 + 1, 2**62 + 1])
@pytest.mark.parametrize("flag", ["-seed", "-misset_seed", "-mosaic_seed"])
def test_a_seed_keeps_all_its_digits(flag: str, seed: int) -> None:
    made = experiment(flag, seed)
    assert seed in (made.sampling.seed, made.crystal.misset_seed, made.crystal.mosaic_seed)


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        ("-N 3 -Na 5", "crystal.cells", (5, 3, 3)),
        ("-Na 5 -N 3", "crystal.cells", (3, 3, 3)),
        ("-Na 5 -Nb 6 -Na 7", "crystal.cells", (7, 6, 3)),
        ("-lambda 2 -energy 6000", "beam.wavelength", HC / 6000 / 1e10),
        ("-energy 6000 -lambda 2", "beam.wavelength", 2 / 1e10),
        ("-energy 6000 -wave 3 -wavelength 2", "beam.wavelength", 2 / 1e10),
        ("-detpixels 8 -detpixels_x 4", "detector.pixels", (8, 4)),
        ("-detpixels_x 4 -detpixels 8", "detector.pixels", (8, 8)),
        ("-detpixels_x 4 -detpixels_f 6", "detector.pixels", (None, 6)),
        ("-detsize_s 5 -detsize 6", "detector.size", (6 / 1000, 6 / 1000)),
        ("-xtal_y 0.01 -xtalsize 0.02 -height 0.03", "crystal.size", (0.02 / 1000, 0.02 / 1000, 0.03 / 1000)),
        ("-misset random -misset 1 2 3", "crystal.misset", (1 / DEGREES, 2 / DEGREES, 3 / DEGREES)),
        ("-misset 1 2 3 -misset random", "crystal.misset", "random"),
        ("-cell 70 80 90 -cell 60", "crystal.cell", (*(60 / 1e10,) * 3, *(90 / DEGREES,) * 3)),
        ("-roi 0 1 0 1 -roi 0 2 0 2", "sampling.region", (0, 2, 0, 2)),
        ("-pivot beam -pivot sample", "detector.pivot", "sample"),
        ("-distance 100 --distance 200", "detector.distance", 200 / 1000),
    ],
)
def test_the_later_of_flags_for_one_thing_wins(words: str, path: str, value: Any) -> None:
    assert field(experiment(*words.split()), path) == value


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        ("-interpolate -nointerpolate", "structure_factors hkl interpolate", False),
        ("-nointerpolate -interpolate", "structure_factors hkl interpolate", True),
        ("-pix0_vector 1 2 3 -pix0_vector_mm 4 5 6", "geometry_conventions custom first_corner", (0.004, 0.005, 0.006)),
        ("-pix0_vector_mm 4 5 6 -pix0_vector 1 2 3", "geometry_conventions custom first_corner", (1.0, 2.0, 3.0)),
        ("-floatfile a -floatimage b", "image_formats raw floatfile", Path("b")),
    ],
)
def test_the_later_of_flags_for_one_option_of_a_plugin_wins(words: str, path: str, value: Any) -> None:
    assert plugin_field(words.split(), path) == value


def test_a_matrix_is_scaled_with_the_wavelength_wherever_that_stands(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    file.write_text("0.02 0 0\n0 0.04 0\n0 0 0.05\n")
    rows = ((0.02 / 2e-10, 0.0, 0.0), (0.0, 0.04 / 2e-10, 0.0), (0.0, 0.0, 0.05 / 2e-10))
    for words in (("-mat", file, "-lambda", 2), ("-lambda", 2, "--matrix", file)):
        for row, expected in zip(experiment(*words).crystal.reciprocal_vectors, rows, strict=True):
            assert row == pytest.approx(expected, rel=1e-15)


def test_a_matrix_file_holds_the_reciprocal_vectors_in_columns(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    file.write_text("1 2 3\n4 5 6\n7 8 10\n 0.0 0.0 0.0\n what follows is MOSFLM's own\n")
    vectors = experiment("-mat", file, "-lambda", 1e10).crystal.reciprocal_vectors
    assert vectors == ((1.0, 4.0, 7.0), (2.0, 5.0, 8.0), (3.0, 6.0, 10.0))


@pytest.mark.parametrize(
    ("words", "pivot"),
    [
        ("", "beam"),
        ("-twotheta 5", "sample"),
        ("-twotheta 5 -distance 90", "beam"),
        ("-distance 90 -twotheta 5", "sample"),
        ("-Xclose 1 -Xbeam 1", "beam"),
        ("-Ybeam 1 -Yclose 1", "sample"),
        ("-Xbeam 1 -ORGX 3", "sample"),
        ("-Xbeam 1 -ORGY 3", "sample"),
        ("-distance 90 -close_distance 80", "sample"),
        ("-twotheta 5 -detector_rotx 3", "sample"),
        ("-twotheta 5 -pivot beam", "beam"),
        ("-distance 90 -pivot sample", "sample"),
        ("-pivot sample -distance 90", "sample"),
        ("-pivot beam -twotheta 5", "beam"),
    ],
)
def test_the_custom_convention_pivots_as_asked_or_else_as_the_last_flag_implies(words: str, pivot: str) -> None:
    line = [*words.split(), "-fdet_vector", "0", "0", "1"]
    convention = selected(*line).roles["geometry_conventions"]
    assert convention.name == "custom"
    assert convention.place(experiment(*line).detector).pivot == pivot


@pytest.mark.parametrize(
    ("words", "name", "overruled", "by"),
    [
        ("-mosflm -fdet_vector 0 0 1", "custom", "-mosflm", "-fdet_vector"),
        ("-fdet_vector 0 0 1 -mosflm", "mosflm", "-fdet_vector", "-mosflm"),
        ("-convention custom -mosflm", "mosflm", "-convention custom", "-mosflm"),
        ("-mosflm -convention custom", "custom", "-mosflm", "-convention custom"),
        ("-mosflm -spindle_axis 0 1 0 -mosflm", "mosflm", "-spindle_axis", "-mosflm"),
    ],
)
def test_the_last_convention_wins_with_a_notice(words: str, name: str, overruled: str, by: str) -> None:
    chosen = selected(*words.split())
    assert chosen.roles["geometry_conventions"].name == name
    (notice,) = chosen.notices
    assert notice.startswith(f"{overruled} is overruled by the later {by}")
    assert notice.endswith(name)


@pytest.mark.parametrize("words", ["-mosflm -mosflm", "-fdet_vector 0 0 1 -beam_vector 1 0 0", "-convention custom"])
def test_one_convention_named_twice_is_no_notice(words: str) -> None:
    assert selected(*words.split()).notices == []


def test_a_shape_named_twice_is_no_mistake() -> None:
    assert selected("-round_xtal", "-lattice_shape", "round").roles["lattice_shapes"].name == "round"


def test_a_switch_is_read_whatever_stands_around_it() -> None:
    options = [option for option, _ in parsed("-cell", "50", "-round_xtal", "-misset", "1", "2", "3", "-nonoise")]
    switches = [option.opts[0] for option in options if isinstance(option, SwitchOption)]
    assert switches == ["-round_xtal", "-nonoise"]


def test_a_value_may_look_like_a_flag_or_hold_blanks() -> None:
    assert plugin_field(["-floatfile", "--odd name.bin"], "image_formats raw floatfile") == Path("--odd name.bin")
    assert plugin_field(["--floatfile=--odd name.bin"], "image_formats raw floatfile") == Path("--odd name.bin")


def test_a_flag_is_never_cut_short_or_run_together_with_its_value() -> None:
    for words in (("-N5",), ("--dist", "100"), ("--det", "4"), ("-distance=100",)):
        finished = run("simulate", "-cell", "50", *words)
        assert finished.status == 2
        assert words[0] in finished.err


def test_a_source_file_gives_rows_with_blanks_for_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "sources.txt"
    file.write_text("-10 0 0.001 2 1.1e-10\r\n\n-10,0.003;0\n-9 0 0 0.5\n")
    assert experiment("-sourcefile", file).beam.sources == (
        (-10.0, 0.0, 0.001, 2.0, 1.1e-10),
        (-10.0, 0.003, 0.0, None, None),
        (-9.0, 0.0, 0.0, 0.5, None),
    )
    assert experiment().beam.sources is None


def test_the_last_word_on_the_shape_of_the_divergence_counts() -> None:
    assert experiment("-square_div", "-round_div").beam.round_divergence is True
    assert experiment("-round_div", "-square_div").beam.round_divergence is False


def test_a_sensor_without_an_end_is_a_surface() -> None:
    assert experiment("-detector_abs", "inf").detector.attenuation_length == "inf"


def the_notice(finished: Finished) -> str:
    """The one line on stderr of a run that came to its end."""
    assert finished.status == 0, finished.err
    (line,) = finished.complaints()
    assert line.startswith("openbragg: notice: ")
    return line.removeprefix("openbragg: notice: ")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("beginning", "flag"), BEGINNINGS.items())
def test_a_word_that_begins_like_a_flag_of_the_reference_is_that_flag(beginning: str, flag: str) -> None:
    word = f"{beginning}zz"
    _, [(option, values)], read_as = simulate_command().scan([word, *["1"] * 6][: 1 + fewest_values(flag)])
    assert flag in option.opts
    assert len(values) == fewest_values(flag)
    assert read_as == {word: flag}


def fewest_values(flag: str) -> int:
    options = [option for section in simulate_command().sections for option in section.options if flag in option.opts]
    return options[0].flag.length[0] if isinstance(options[0], FlagOption) else 0


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        ("-wavelen 2", "beam.wavelength", 2 / 1e10),
        ("-detector_absorption 200", "detector.attenuation_length", 200 * 1e-6),
        ("-sample_heigh 0.01", "crystal.size", (None, None, 0.01 / 1000)),
        ("-heighty 0.01", "crystal.size", (None, None, 0.01 / 1000)),
        ("-thickstepsize 4", "detector.sensor_layers", 4),
        ("-mosaici 0.5", "crystal.mosaic_spread", 0.5 / DEGREES),
        ("-mosaic_domain 5", "crystal.mosaic_domains", 5),
        ("-hdivstepses 3", "beam.divergence_steps", (3, None)),
        ("-phistepses 3", "scan.steps", 3),
        ("-detpixels_xy 3", "detector.pixels", (None, 3)),
        ("-oversample_polarization", "sampling.oversample_polarization", True),
        ("-oversamples 4", "sampling.oversample", 4),
        ("-distances 90", "detector.distance", 90 / 1000),
        ("-nopolarization", "beam.no_polarization_factor", True),
    ],
)
def test_the_longest_beginning_counts(words: str, path: str, value: Any) -> None:
    assert field(experiment(*words.split()), path) == value
    assert field(experiment(), path) != value


@pytest.mark.parametrize(
    ("words", "flag"), [("-wavelen 2", "-wave"), ("-nonoisey", "-nonoise"), ("-floatfilename a.bin", "-floatfile")]
)
def test_a_beginning_is_said_once(folder: Path, words: str, flag: str) -> None:
    word, *values = words.split()
    quiet = () if word == "-nonoisey" else ("-nonoise",)
    finished = run("simulate", *SMALL, *quiet, word, *values, word, *values)
    assert the_notice(finished) == f"{word} is read as {flag}, as the reference reads it"


def test_a_file_may_be_named_after_a_beginning(folder: Path) -> None:
    (folder / "a.mat").write_text("0.02 0 0\n0 0.02 0\n0 0 0.02\n")
    finished = run("simulate", "-matrixfile", "a.mat", *SMALL[2:], "-nonoise")
    assert the_notice(finished) == "-matrixfile is read as -mat, as the reference reads it"


def test_exact_spellings_are_no_beginnings() -> None:
    for section in simulate_command().sections:
        for option in section.options:
            for spelling in option.opts:
                fewest = fewest_values(spelling)
                _, [(found, _)], read_as = simulate_command().scan([spelling, *["1"] * fewest])
                assert found is option
                assert read_as == {}


@pytest.mark.parametrize("word", ["-polarization", "-phistart", "-hdivstepp", "-Number", "-lamda", "-detsizes"])
def test_a_word_that_the_reference_does_not_know_is_refused_with_a_suggestion(word: str) -> None:
    finished = run("simulate", *SMALL, word, "1")
    assert finished.status == 2
    (line,) = finished.complaints()
    assert line.startswith(f"openbragg: error: no such flag: {word}; did you mean -")


@pytest.mark.parametrize(
    ("words", "removed", "polarization"),
    [
        ("-nopolar -polar 0.5", False, 0.5),
        ("-polar 0.5 -nopolar", True, 0.5),
        ("-nopolar -polar 0.5 -nopolar", True, 0.5),
        ("-polar 0.5 -polar 0.9", False, 0.9),
    ],
)
def test_of_polar_and_nopolar_the_last_counts(words: str, removed: bool, polarization: float) -> None:
    beam = experiment(*words.split()).beam
    assert (beam.no_polarization_factor, beam.polarization) == (removed, polarization)


@pytest.mark.parametrize(
    ("words", "noise"),
    [
        ("-nonoise -noisefile a.img", "poisson"),
        ("-noisefile a.img -nonoise", "nonoise"),
        ("-nonoise -noisepng a.png", "poisson"),
        ("-nonoise -noisefile a.img -nonoise", "nonoise"),
        ("-nonoise -intfile a.img", "nonoise"),
    ],
)
def test_of_nonoise_and_a_file_with_noise_the_last_counts(words: str, noise: str) -> None:
    assert selected(*words.split()).roles["noise_models"].name == noise


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("-nopgm -pgmfile a.pgm", Path("a.pgm")),
        ("-pgmfile a.pgm -nopgm", False),
        ("-pgmscale 2 -nopgm", False),
        ("-nopgm -pgmscale 2", None),
        ("-pgmfile a.pgm -pgmfile b.pgm", Path("b.pgm")),
    ],
)
def test_of_nopgm_and_the_name_of_a_greymap_the_last_counts(words: str, file: object) -> None:
    assert plugin_field(words.split(), "image_formats pgm pgmfile") == file


@pytest.mark.parametrize(
    ("words", "pivot"),
    [
        ("-xds", "sample"),
        ("-dials", "beam"),
        ("-mosflm", "beam"),
        ("-adxv", "beam"),
        ("-denzo", "beam"),
        ("-twotheta 5 -mosflm", "beam"),
        ("-mosflm -twotheta 5", "sample"),
        ("-xds -Xbeam 1", "beam"),
        ("-Xbeam 1 -xds", "sample"),
        ("-xds -dials", "beam"),
        ("-xds -pivot beam", "beam"),
        ("-pivot beam -xds", "beam"),
    ],
)
def test_the_flag_of_a_convention_touches_the_pivot_of_a_custom_one_after_it(words: str, pivot: str) -> None:
    line = [*words.split(), "-spindle_axis", "0", "0", "1"]
    convention = selected(*line).roles["geometry_conventions"]
    assert convention.name == "custom"
    assert convention.place(experiment(*line).detector).pivot == pivot


@pytest.mark.parametrize(
    "words",
    ["-stolout b.stol", "-coherent", "-density 1.2", "-MW 20"],
)
def test_a_flag_without_effect_says_so_once_and_has_none(folder: Path, words: str) -> None:
    flag, *values = words.split()
    assert run("simulate", *SMALL, "-floatfile", "without.bin").complaints() == []
    finished = run("simulate", *SMALL, "-floatfile", "with.bin", flag, *values, flag, *values)
    assert the_notice(finished) == f"{flag} has no effect, in the reference program as here"
    assert (folder / "with.bin").read_bytes() == (folder / "without.bin").read_bytes()
    assert not (folder / "b.stol").exists()


@pytest.mark.parametrize(
    ("words", "meant"),
    [("-hdiv 0.28", "-hdivrange"), ("-vdiv 0.28", "-vdivrange"), ("-dispstep 3", "-dispsteps")],
)
def test_a_flag_that_the_reference_has_in_its_examples_alone_has_no_effect_and_names_the_one_that_is_meant(
    folder: Path, words: str, meant: str
) -> None:
    run("simulate", *SMALL, "-floatfile", "without.bin")
    notice = the_notice(run("simulate", *SMALL, "-floatfile", "with.bin", *words.split()))
    assert notice.startswith(f"{words.split()[0]} has no effect, in the reference program as here: ")
    assert notice.endswith(f"{meant} is probably meant")
    assert (folder / "with.bin").read_bytes() == (folder / "without.bin").read_bytes()


@pytest.mark.parametrize("flag", ["-N", "-Na", "-Nb", "-Nc"])
@pytest.mark.parametrize("zero", ["0", "0.0", "-0"])
def test_no_cells_along_an_axis_are_one_as_in_the_reference(folder: Path, flag: str, zero: str) -> None:
    # A single cell is faint: enough light to see it, so that nothing is said of that.
    bright = (*SMALL, "-fluence", "1e31")
    run("simulate", *bright, "-floatfile", "one.bin", flag, "1")
    notice = the_notice(run("simulate", *bright, "-floatfile", "none.bin", flag, zero))
    assert notice == f"{flag} {zero} is read as {flag} 1, as the reference reads it: a single cell, without a lattice"
    assert (folder / "none.bin").read_bytes() == (folder / "one.bin").read_bytes()


@pytest.mark.parametrize("words", ["-hdi 1", "-vdivs 1", "-dispst 3", "-N -1", "-Na -2"])
def test_other_unknown_flags_and_numbers_of_cells_stay_errors(words: str) -> None:
    assert run("simulate", *SMALL, *words.split()).status == 2


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ("-floatfile a.bin", "image.pgm, intimage.img, noiseimage.img"),
        ("-floatfile a.bin -nonoise", "image.pgm, intimage.img"),
        ("-floatfile a.bin -nonoise -nopgm", "intimage.img"),
        ("-floatfile a.bin -nonoise -nopgm -intfile a.img", ""),
        ("-noisefile a.img", "image.pgm, floatimage.bin, intimage.img"),
        ("-pngfile a.png", ""),
        ("", ""),
    ],
)
def test_a_run_says_which_files_the_reference_would_have_written_besides(
    folder: Path, words: str, left_out: str
) -> None:
    said = [line for line in run("simulate", *SMALL, *words.split()).out.splitlines() if "not written" in line]
    wanted = f"not written     {left_out} (defaults, which the reference writes in any case)"
    assert said == ([wanted] if left_out else [])
    assert not any((folder / name).exists() for name in left_out.split(", ") if name)


@pytest.mark.parametrize("words", ["-stol a.stol", "-4stol a.stol", "-Q a.stol", "-stol a.stol -thick 2 -MW 5"])
def test_amorphous_matter_has_no_effect_on_request_but_its_file_is_read(folder: Path, words: str) -> None:
    compat = ("-compat", "stol-ignored")
    (folder / "a.stol").write_text("# stol F\n\n0 2.57\n0.1 2.5\n")
    assert run("simulate", *SMALL, "-floatfile", "without.bin").complaints() == []
    finished = run("simulate", *SMALL, "-floatfile", "with.bin", *words.split(), *compat)
    assert (folder / "with.bin").read_bytes() == (folder / "without.bin").read_bytes()
    flag = words.split()[0]
    assert f"{flag} has no effect, in the reference program as here" in finished.complaints()[0]
    assert run("simulate", *SMALL, "-floatfile", "with.bin", *words.split()).status == 0
    assert (folder / "with.bin").read_bytes() != (folder / "without.bin").read_bytes()
    (folder / "a.stol").write_text("0 nan\n")
    finished = run("simulate", *SMALL, "-nonoise", *words.split(), *compat)
    assert finished.status == 1
    assert "a.stol, line 1: expected two numbers" in finished.err


def test_a_mask_is_read_with_its_header(folder: Path) -> None:
    header = b"{\nHEADER_BYTES=512;\nTYPE=unsigned_short;\nSIZE1=3;\nSIZE2=2;\nDISTANCE=77;\n}\n".ljust(512)
    (folder / "a.img").write_bytes(header + bytes([1, 0, 0, 0, 0, 1, 9, 9, 0, 0, 1, 1]))
    for flag in ("-mask", "--mask"):
        detector = experiment(flag, "a.img").detector
        assert detector.mask.tolist() == [[True, False, True], [True, False, True]]
        assert (detector.pixels, detector.distance) == ((2, 3), 77 / 1000)
    assert experiment().detector.mask is None


@pytest.mark.parametrize("words", ["-trace_log a.log", "-trace_json a.json", "-tracer scaling", "-trace_select phi=0"])
def test_flags_about_traces_want_a_pixel(folder: Path, words: str) -> None:
    finished = run("simulate", *SMALL, *words.split())
    assert finished.status == 2
    assert finished.err == f"openbragg: error: {words.split()[0]}: expected with -trace_pixel\n"
    assert list(folder.iterdir()) == []
