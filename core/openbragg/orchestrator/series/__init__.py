"""Series of images, which go on where they were interrupted."""
