"""Faults in what the operator handed in.

    Fault                    anything this tool reports to a person
    └── InputFault           the operator's input: a file, a list, an option's value
        ├── ReferenceFault   a text that is no image reference
        ├── ListFault        an image list: which file, line and character
        └── BomFault         a BOM file: which file, line and key

The tree goes on in ``mirror.errors``, with the registries, the bundle and this machine.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

SHOWN_CHARS: Final = 160
"""Characters of a foreign text that a message repeats: enough for any real reference."""


DIGEST_LIKE: Final = re.compile(r"sha[0-9]+:")


def credentials_in(text: str) -> tuple[int, int] | None:
    """Where a name or password stands before a host: from its first character to the ``@``.

    The ``@`` of a digest is none; of several, the last counts, as a password may have one itself.
    """
    at = text.rfind("@")
    if at >= 0 and DIGEST_LIKE.match(text, at + 1):
        at = text.rfind("@", 0, at)
    if at < 0:
        return None
    scheme = text.find("://", 0, at)
    return (scheme + 3 if scheme >= 0 else 0), at


def starred(text: str) -> str:
    """The text with a star for each character of a name and password in it."""
    start, at = credentials_in(text) or (0, 0)
    return text[:start] + "*" * (at - start) + text[at:]


def shown(text: str) -> str:
    """A foreign text as a message may carry it: quoted, escaped, starred, no longer than needed."""
    text = starred(text)
    return repr(text) if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]!r}..."


class Fault(Exception):
    """A failure told in four parts; the sentences are put together at the command line.

    ``what`` failed, the ``fact`` (host, reference, expected and got), ``whose`` matter it
    is, and a ``hint`` at the next step. ``name`` is a stable word to search for.
    """

    name: ClassVar[str] = "fault"
    whose: str = "tkg-mirror itself"
    hint: str = ""

    def __init__(self, what: str, *, fact: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fact = fact
        self.hint = hint or type(self).hint

    def __str__(self) -> str:
        return f"{self.what}: {self.fact}" if self.fact else self.what


class InputFault(Fault):
    """Something handed to the tool is wrong: a BOM, an image list, a plan, a value."""

    name = "input"
    whose = "the input"
    hint = "correct it and run the command again"


class ReferenceFault(InputFault):
    """A text is not an image reference. ``text`` is the whole, ``position`` the 0-based fault."""

    name = "reference"

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(
            f"not an image reference: {reason}",
            fact=f"{shown(text)}, at character {position + 1}",
        )
        self.text = text
        self.position = position
        self.reason = reason


class ListFault(InputFault):
    """A line of an image list is wrong.

    ``line`` counted from 1 (0: the list as a whole), ``text`` the reference on that line and
    ``position`` the 0-based fault in it, for a caret.
    """

    name = "list"

    def __init__(self, file: str, line: int, text: str, position: int, reason: str) -> None:
        place = f"{file}:{line}" if line else file
        where = f": {shown(text)}, at character {position + 1}" if text else ""
        super().__init__(place, fact=f"{reason}{where}")
        self.file = file
        self.line = line
        self.text = text
        self.position = position
        self.reason = reason


class BomFault(InputFault):
    """A BOM file is not what it should be.

    ``file`` as it was named, ``line`` counted from 1 (0: the file as a whole), ``key`` the
    dotted path of the value, empty at the root.
    """

    name = "bom"

    def __init__(
        self, file: str, line: int, key: str, *, expected: str, found: str, hint: str = ""
    ) -> None:
        place = f"{file}:{line}" if line else file
        fact = f"expected {expected}, found {found}"
        super().__init__(place, fact=f"{key}: {fact}" if key else fact, hint=hint)
        self.file = file
        self.line = line
        self.key = key
        self.expected = expected
        self.found = found
