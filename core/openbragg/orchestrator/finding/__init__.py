"""Plugins: found, recognised by name or by file, and held to their contracts."""
