"""The imgCIF laboratory frame for OpenBragg."""
