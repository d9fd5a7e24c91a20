"""PNG: pictures for people."""
