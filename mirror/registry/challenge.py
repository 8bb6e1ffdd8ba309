"""Challenges: what a 401 asks for (RFC 9110, section 11). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# One step of the grammar: a name and its value, quoted or not; a bare word; a comma.
_STEP = re.compile(
    r"""\s*(?:
        (?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*
            (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]*))
      | (?P<word>[!#$%&'*+.^_`|~0-9A-Za-z/=-]+)
      | ,
    )""",
    re.VERBOSE,
)
# Characters of one header that are looked at; real ones have under 300.
_LONGEST = 4096


class Challenge(NamedTuple):
    """One way to authenticate: ``scheme`` in lower case, parameters under lower-case names."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Every challenge of every WWW-Authenticate header, in order; what is malformed is left out.

    Registries send several in one header, leave values unquoted (zot) and put commas inside a
    quoted scope, so splitting at commas is not enough.
    """
    found: list[Challenge] = []
    for header in headers:
        text, position = header[:_LONGEST], 0
        while match := _STEP.match(text, position):
            position = match.end()
            _take(match, found)
    return tuple(found)


def _take(match: re.Match[str], found: list[Challenge]) -> None:
    if match["word"]:
        found.append(Challenge(match["word"].lower(), {}))
    elif match["name"] and found:
        quoted, plain = match["quoted"], match["plain"]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        found[-1].parameters.setdefault(match["name"].lower(), value)
