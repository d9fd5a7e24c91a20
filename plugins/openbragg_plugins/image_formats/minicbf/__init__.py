"""miniCBF, the format of PILATUS detectors."""
