"""Loops of compiled code, as objdump tells them, and what they read of the stack before it is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import attrs

OBJDUMP = shutil.which("objdump")
_FUNCTION = re.compile(r"[0-9a-f]+ <(.*)>:")
_INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\s+([^#]*)")
_JUMP = re.compile(r"j\w+\s+([0-9a-f]+)\b")
_STACK = re.compile(r"(\w+) PTR \[(r[sb]p)([+-]0x[0-9a-f]+)?\]")
_BYTES = {"BYTE": 1, "WORD": 2, "DWORD": 4, "QWORD": 8, "XMMWORD": 16, "YMMWORD": 32, "ZMMWORD": 64}
#: Instructions that write nothing to what stands first.
_READING = ("cmp", "test", "vucomi", "vcomi", "push", "call", "j")


@attrs.frozen
class Loop:
    """The instructions of a loop that has no other within, as text."""

    function: str
    instructions: list[str]

    def narrows(self) -> bool:
        """Whether it makes float32 of vectors of float64."""
        return any(re.match(r"vcvtpd2ps [xy]mm", text) for text in self.instructions)

    def waits(self) -> list[str]:
        """What reads more of the stack at once than any one instruction of the loop has written of it."""
        written: list[tuple[str, int, int]] = []
        read: list[tuple[str, str, int, int]] = []
        for text in self.instructions:
            found = _STACK.search(text)
            if found is None or found[1] not in _BYTES or text.startswith("lea"):
                continue
            start = int(found[3] or "0", 16)
            place = (found[2], start, start + _BYTES[found[1]])
            if "PTR" in text.partition(",")[0] and not text.startswith(_READING):
                written.append(place)
            else:
                read.append((text, *place))
        return [
            text
            for text, register, start, end in read
            if (parts := [each for each in written if each[0] == register and each[1] < end and start < each[2]])
            and not any(each[1] <= start and end <= each[2] for each in parts)
        ]


def loops(library: Path, functions: str) -> list[Loop]:
    """Innermost loops of the functions whose names begin so, in a library or an object."""
    assert OBJDUMP is not None
    command = [OBJDUMP, "-d", "--no-show-raw-insn", "-M", "intel", str(library)]
    name, code, found = "", [], []
    for line in [*subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines(), "0 <>:"]:
        if (begun := _FUNCTION.fullmatch(line)) is not None:
            found += _innermost(name, code) if name.startswith(functions) else []
            name, code = begun[1], []
        elif (instruction := _INSTRUCTION.match(line)) is not None:
            code.append((int(instruction[1], 16), instruction[2].strip()))
    return found


def _innermost(function: str, code: list[tuple[int, str]]) -> list[Loop]:
    jumps = [(int(found[1], 16), place) for place, text in code if (found := _JUMP.match(text)) is not None]
    spans = [(start, end) for start, end in jumps if start <= end]
    inner = [
        span for span in spans if not any(span != each and span[0] <= each[0] and each[1] <= span[1] for each in spans)
    ]
    return [Loop(function, [text for place, text in code if start <= place <= end]) for start, end in inner]
