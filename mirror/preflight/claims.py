"""What a registry's token says that its bearer may do: a hint, for nobody has verified it."""

from __future__ import annotations

import base64
import binascii

from mirror.oci.strictjson import parse_object


def actions(authorization: str, repository: str) -> frozenset[str] | None:
    """The actions on a repository that the ``access`` claim of a JWT has; none is an empty set.

    None where it is no JWT, or one without that claim: many services hand out opaque tokens.
    Harbor names every action that the caller may do, and for a proxy cache also ``push``, which it
    refuses (measured): what a registry does counts, and not this.
    """
    parts = authorization.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return None
    try:
        coded = parts[1].encode("ascii")
        claims = parse_object(base64.urlsafe_b64decode(coded + b"=" * (-len(coded) % 4)))
    except (ValueError, binascii.Error):
        return None
    access = claims.get("access")
    if access is None and "access" in claims:
        # How Go writes an empty list.
        return frozenset()
    if not isinstance(access, list):
        return None
    return frozenset(action for entry in access for action in _granted(entry, repository))


def _granted(entry: object, repository: str) -> list[str]:
    if not isinstance(entry, dict) or entry.get("type") != "repository":
        return []
    found = entry.get("actions")
    if entry.get("name") != repository or not isinstance(found, list):
        return []
    return [action for action in found if isinstance(action, str)]
