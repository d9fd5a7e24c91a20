"""SMV images, the format of ADSC detectors."""
