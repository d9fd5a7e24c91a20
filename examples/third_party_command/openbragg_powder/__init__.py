"""The command ``powder`` for OpenBragg."""
