"""Detectors by name, found among those of the plugins."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import attrs

from openbragg.errors import PluginError, UsageError, shown
from openbragg.model import Detector
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.roles import DetectorDescription, Found, Registry

_ROLE = "detectors"


@attrs.frozen(eq=False)
class NamedDetector:
    """A detector, its name, and the plugin that offers it."""

    name: str
    description: DetectorDescription
    family: Found


@attrs.frozen(eq=False)
class NamedDetectors:
    """The detectors that plugins offer.

    Attributes
    ----------
    found
        Each by its name, family by family.
    faults
        For each plugin that could not say which it offers, one line that says whose it is and why.
    """

    found: dict[str, NamedDetector]
    faults: tuple[str, ...]

    def descriptions(self) -> dict[str, DetectorDescription]:
        """The detectors by their names, family by family."""
        return {name: one.description for name, one in self.found.items()}

    def get(self, name: str) -> NamedDetector:
        """A detector by its name in letters of any case; blanks and underscores may stand for the dashes.

        Raises
        ------
        UsageError
            When there is none; the message has names like it, and what plugins could not be asked.
        """
        wanted = name.lower().replace(" ", "-").replace("_", "-")
        if wanted in self.found:
            return self.found[wanted]
        close = get_close_matches(wanted[:40], self.found, n=3, cutoff=0.5)
        guess = f"; did you mean {' or '.join(close)}?" if close else ""
        skipped = "".join(f"; plugin skipped: {fault}" for fault in self.faults)
        raise UsageError(f"no detector {shown(name)!r}{guess} (openbragg detectors lists them){skipped}")


def named_detectors(registry: Registry | None = None) -> NamedDetectors:
    """All detectors that are known by name; of the plugins that are installed, without a registry.

    Raises
    ------
    PluginError
        When two plugins offer a detector of one name; both distributions are named.
    """
    found: dict[str, NamedDetector] = {}
    faults = []
    for plugin in (registry or default_registry()).of_role(_ROLE):
        try:
            offered = list(_offered(plugin))
        except Exception as error:
            reason = " ".join(str(error).split()) or "no reason given"
            faults.append(f"{plugin.name} of {plugin.origin()}: detectors(): {type(error).__name__}: {reason}")
            continue
        for one in offered:
            other = found.setdefault(one.name, one).family
            if other is not plugin:
                raise PluginError(
                    f"two plugins offer the detector {one.name!r}: {other.name} of {other.origin()} and {plugin.name} "
                    f"of {plugin.origin()}; block one with --no-plugin"
                )
    return NamedDetectors(found, tuple(faults))


def detector_description(name: str) -> DetectorDescription:
    """What is known of a detector by name; ``openbragg detectors`` lists them.

    Raises
    ------
    UsageError
        When there is none; the message has names like it.
    """
    return named_detectors().get(name).description


def detector_preset(name: str, wavelength: float | None = None, **settings: object) -> Detector:
    """A detector by name, for example ``detector_preset("pilatus-6m", 1e-10, distance=0.2)``.

    Parameters
    ----------
    name
        One of those that ``openbragg detectors`` lists.
    wavelength
        In metres; with it the sensor absorbs as its material does.
    settings
        Further fields of the `Detector`, in SI units and radians; they win.

    Raises
    ------
    OpenBraggError
        When there is no such detector, or a value breaks its rule.
    """
    return Detector(**{**detector_description(name).settings(wavelength), **settings})  # type: ignore[arg-type]


def _offered(plugin: Found) -> Iterator[NamedDetector]:
    """The detectors of a plugin, which may be anybody's."""
    for name, description in plugin.cls.detectors().items():
        if not isinstance(description, DetectorDescription):
            raise TypeError(f"{name!r}: expected a DetectorDescription, got {type(description).__name__}")
        if not isinstance(name, str) or name != name.lower() or set(name) & set(" _"):
            raise TypeError(f"{name!r}: expected a name in lower case, with dashes between words")
        yield NamedDetector(name, description, plugin)
