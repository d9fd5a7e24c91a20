"""Images to look at: read from any format, with their geometry and predicted spots, as a page or a PNG."""
