"""The plugins that are installed: each with its role and its origin."""

from __future__ import annotations

from typing import Any

import attrs

from openbragg.errors import PluginError
from openbragg.options import OptionSpec, options_of
from openbragg.roles.plugin import Role

#: Environment variable that names plugins which are not loaded, between commas.
BLOCK_VARIABLE = "OPENBRAGG_NO_PLUGINS"


@attrs.frozen(kw_only=True)
class Found:
    """A plugin class and where it came from.

    Attributes
    ----------
    role
        Its role.
    cls
        The class itself.
    distribution, version
        The installed distribution that offers it.
    entry_point
        Name of the entry point.
    path
        The file it was loaded from.
    """

    role: Role
    cls: Any
    distribution: str
    version: str
    entry_point: str
    path: str

    @property
    def name(self) -> str:
        """The plugin's own name."""
        return str(self.cls.name)

    def options(self) -> list[tuple[str, OptionSpec]]:
        """The plugin's options as (field name, declaration)."""
        return options_of(self.cls)

    def spellings(self) -> list[str]:
        """Every flag the plugin claims."""
        return [*self.cls.flags, *(flag for _, spec in self.options() for flag in spec.spellings())]

    def origin(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}"


@attrs.frozen
class Registry:
    """The plugins of this run.

    Attributes
    ----------
    found
        All that loaded, in order of role, distribution and name.
    faults
        For each entry point that failed, its name and one line that says whose it is and why.
    blocked
        Names of entry points that were not loaded because the user said so.
    roles
        All roles.
    """

    found: tuple[Found, ...]
    faults: tuple[tuple[str, str], ...]
    blocked: tuple[str, ...]
    roles: tuple[Role, ...]

    def of_role(self, hook: str) -> list[Found]:
        """The plugins of one role."""
        return [plugin for plugin in self.found if plugin.role.hook == hook]

    def of_name(self, hook: str, name: str) -> Found | None:
        """The plugin of a role by name; None when there is none."""
        return next((plugin for plugin in self.of_role(hook) if plugin.name == name), None)

    def get(self, hook: str, name: str) -> Found:
        """The plugin of a role by name.

        Raises
        ------
        PluginError
            When there is none; the message lists those there are, and says if it is blocked or failed to load.
        """
        plugin = self.of_name(hook, name)
        if plugin is not None:
            return plugin
        title = next(role.title for role in self.roles if role.hook == hook)
        self.refuse_unloaded(name, title)
        known = ", ".join(sorted(plugin.name for plugin in self.of_role(hook))) or "none"
        raise PluginError(f"unknown {title} {name!r}; installed: {known}")

    def refuse_unloaded(self, name: str, title: str = "plugin") -> None:
        """Say why a plugin that is installed is not there; nothing of any other name.

        Raises
        ------
        PluginError
            When it failed to load, or is blocked.
        """
        for failed, fault in self.faults:
            if failed == name:
                raise PluginError(f"the {title} {name!r} could not be loaded: {fault}")
        if name in self.blocked:
            raise PluginError(f"the {title} {name!r} is blocked by --no-plugin or {BLOCK_VARIABLE}")
