"""Structure factors, lattice shapes and image formats that come with OpenBragg."""
