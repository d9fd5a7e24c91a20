"""What can go wrong, in one line each.

Every error a user can cause is an `OpenBraggError` whose message names the file and line, or the flag, the value
and what was expected. The command line prints the message and ends with the class's exit status; Python code
catches the class.
"""

_LONGEST_QUOTE = 60
_LONGEST_WORD = 200


def quoted(value: object) -> str:
    """A value as a message shows it: on one line, without control characters, not too long."""
    text = ascii(value) if isinstance(value, str | bytes) else repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def shown(word: str) -> str:
    """A word or the name of a file as a message shows it: as it is, unless that breaks the line or fills it."""
    return word if word.isprintable() and len(word) <= _LONGEST_WORD else quoted(word)


class OpenBraggError(Exception):
    """Something the user can mend; the message is one line."""

    exit_status = 1


class InputError(OpenBraggError):
    """A file or a value that cannot be used."""


class UsageError(OpenBraggError):
    """A command line or a call that does not make sense."""

    exit_status = 2


class PluginError(OpenBraggError):
    """Two plugins that cannot live together, or one that was asked for and is not there."""


class StoppedError(OpenBraggError):
    """A run that was interrupted; the message says what is done and how it goes on."""

    exit_status = 130
