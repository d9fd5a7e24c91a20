"""NXmx: the HDF5 files of macromolecular crystallography, as NeXus defines them."""
