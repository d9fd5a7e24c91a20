"""What every plugin class has, and what a role is."""

from __future__ import annotations

from typing import ClassVar, Protocol

import attrs


class Plugin(Protocol):
    """What every plugin class has.

    Attributes
    ----------
    name
        The word that chooses the plugin, lower case.
    summary
        One line for ``openbragg plugins``.
    flags
        Bare flags that choose the plugin, for example ``("-round_xtal",)``; may be empty.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    flags: ClassVar[tuple[str, ...]]


@attrs.frozen
class Role:
    """A role as the orchestrator and the command line see it.

    Attributes
    ----------
    hook
        The hook's name in `openbragg.hookspecs`.
    title
        What people call a plugin of this role.
    protocol
        The contract.
    alternatives
        Other contracts, one of which is enough.
    default
        The plugin used when none is chosen; empty for roles of which any number, or none, may be active at once.
    flag
        The flag that chooses by name; empty where there is none.
    simulates
        Whether plugins of this role take part in a simulation, so that their options are flags of it.
    """

    hook: str
    title: str
    protocol: type
    default: str = ""
    flag: str = ""
    simulates: bool = True
    alternatives: tuple[type, ...] = ()

    def missing(self, cls: type) -> list[str]:
        """Names of the methods of the contract that a class lacks; none where it keeps that or an alternative."""
        lacking: list[str] = []
        for protocol in (*self.alternatives, self.protocol):
            methods = (name for name, member in vars(protocol).items() if callable(_plain(member)))
            lacking = [name for name in methods if not name.startswith("_") and not callable(getattr(cls, name, None))]
            if not lacking:
                break
        return lacking


def _plain(member: object) -> object:
    return member.__func__ if isinstance(member, classmethod) else member
