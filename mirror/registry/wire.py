"""What a status and its body mean: answers turned into our faults. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from mirror.errors import (
    Full,
    Incomplete,
    Misbehaved,
    NotFound,
    Refused,
    RegistryFault,
    Side,
    Unreachable,
)
from mirror.oci import mediatypes
from mirror.oci.strictjson import parse_object
from mirror.settings import LONGEST_PAUSE
from mirror.text import printable

# Every manifest type by name: Distribution 2.8 answers 404 for an OCI manifest that is not
# asked for as one (measured).
ACCEPT_MANIFESTS = ", ".join(sorted(mediatypes.MANIFESTS))

# Answers that may be better later. Of the 5xx only these two stay as they are: not implemented,
# and another version of HTTP; 520 to 527 are what content networks say for a silent registry.
_LATER = frozenset({408, 425, 429, *range(500, 600)}) - {501, 505}
_ITS_WORDS = "its words are the reason (quota, read-only, proxy cache); if it is the account: "
_NO_PROJECT = {
    Side.SOURCE: "check the name; --source-repo and --rewrite say where images are now",
    Side.DESTINATION: "create the project at the destination first",
}
_NONE_SUCH = " (there is no such project)"
# Refusals that no login mends. Distribution answers a bare 405 to every write in maintenance, and
# with UNSUPPORTED where it is a pull-through cache.
_RULES = {
    405: "it takes no writes: in maintenance (read-only), or only a cache of another registry",
    412: "a rule of the project forbids it (immutable tag, signature, scan): ask who runs it",
}
# What a file system says, in the system's spelling or Go's.
_NO_ROOM = re.compile("no space left on device|disk quota exceeded", re.IGNORECASE)
# Linux has some 130 error numbers, and this bound keeps strerror to them.
_ERRNOS = 256


def fault_of(
    side: Side, host: str, what: str, status: int, headers: Mapping[str, str], body: bytes
) -> RegistryFault:
    """The fault for an answer that is not the hoped-for one; ``what`` was being done."""
    told = _told(body)
    if status == 401 and headers.get("www-authenticate") == "":
        # Harbor's sign for a project that is not there (measured); a HEAD has no words for it.
        fact = f"{host} answered 401 with an empty challenge{told or _NONE_SUCH}"
        return Refused(side, host, what, fact=fact, hint=_NO_PROJECT[side])
    fact = f"{host} answered {status}{told}"
    if status in (400, 500) and "MANIFEST_BLOB_UNKNOWN" in fact:
        # With 500, Distribution 2.8 refuses a foreign layer whose URL it does not allow (measured).
        return Incomplete(side, host, what, fact=fact)
    if status in _LATER:
        pause = pause_of(headers)
        if _NO_ROOM.search(fact):
            return Full(side, host, what, fact=fact)
        return Unreachable(
            side, host, what, fact=fact, retry_after=pause, answered=True, status=status
        )
    if status in (401, 403):
        hint = _ITS_WORDS + Refused.hint if status == 403 and told else ""
        return Refused(side, host, what, fact=fact, hint=hint, status=status)
    if status in _RULES:
        return Refused(side, host, what, fact=fact, hint=_RULES[status], status=status)
    if status == 404:
        return NotFound(side, host, what, fact=fact)
    return Misbehaved(side, host, what, fact=fact)


def declines(status: int) -> bool:
    """True for a refusal that stands: the registry does not do this, here or for us."""
    return status >= 400 and status not in _LATER


def pause_of(headers: Mapping[str, str]) -> float | None:
    """Seconds after which an answer says to ask again; None if it says nothing.

    A date counts from the answer's own ``Date``: in an enclave without a time server two clocks
    may be hours apart.
    """
    return retry_after(headers.get("retry-after", ""), _date(headers.get("date", "")))


def retry_after(value: str, now: datetime | None = None) -> float | None:
    """Seconds to wait (RFC 9110, 10.2.3: a number or a date), capped; None if it says nothing."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_PAUSE)
    date = _date(text)
    if date is None:
        return None
    seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, ArithmeticError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _told(body: bytes) -> str:
    """The registry's own words, made safe to print (distribution-spec, "Error Codes")."""
    try:
        errors = parse_object(body).get("errors")
    except ValueError:
        return ""
    told = [_one_error(error) for error in errors[:3]] if isinstance(errors, list) else []
    text = printable("; ".join(filter(None, told)))
    return f" ({text})" if text else ""


def _one_error(error: Any) -> str:
    if not isinstance(error, dict):
        return ""
    parts = (error.get("code"), error.get("message"), _detail(error.get("detail")))
    return ": ".join(part for part in parts if isinstance(part, str) and part)


def _detail(detail: Any) -> Any:
    """Why a storage failed: its error is "unknown error", and only the detail says more.

    Distribution 2.8 has two forms (measured): Go's text, ``write PATH: no space left on device``,
    or a driver's error, ``{"DriverName": ..., "Enclosed": {"Op": ..., "Path": ..., "Err": 28}}``,
    with a number of Linux. The path has another name at every attempt, and is left out.
    """
    if isinstance(detail, str):
        return detail.rpartition(": ")[2]
    enclosed = detail.get("Enclosed") if isinstance(detail, dict) else None
    number = enclosed.get("Err") if isinstance(enclosed, dict) else None
    return os.strerror(number) if type(number) is int and 0 < number < _ERRNOS else detail
