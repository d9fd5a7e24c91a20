"""Commands of openbragg, one a folder."""
