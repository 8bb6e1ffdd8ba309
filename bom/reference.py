"""Image references: one spelling in, one spelling out, and the place of the fault for a caret.

The grammar is that of the OCI distribution specification (name, tag) and of docker's reference
package (host). Stricter in two points: the registry host must be named, since behind an air gap
no default is the right one, and digests are sha256, which is all the bundle format carries.

Every text is cut to length before a pattern meets it, and each pattern must match as a whole.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, total_ordering
from typing import Final, TypeVar

from bom.errors import DIGEST_LIKE, ReferenceFault, credentials_in, starred
from bom.limits import MAX_NAME_CHARS, MAX_REFERENCE_CHARS

# A separator is always followed by a letter or digit, and the two classes share no character:
# there is one way to read any text, so nothing to backtrack into.
_COMPONENT: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._:/@\[\]-]")
# The same together: a sound text is read at once, and its parts one by one only for the fault.
_PATH: Final = re.compile(rf"{_COMPONENT.pattern}(?:/{_COMPONENT.pattern})*")
_WHOLE: Final = re.compile(
    rf"([A-Za-z0-9.:\[\]-]+)/({_PATH.pattern})(?::({_TAG.pattern}))?(?:@({_DIGEST.pattern}))?"
)

_T = TypeVar("_T")


@total_ordering
@dataclass(frozen=True, slots=True)
class Reference:
    """The full name of an image. Build it with ``parse``; the constructor checks nothing.

    ``host`` is "registry.example.com:5000", in lower case; ``repository`` the name behind it,
    "tkg/antrea/antrea-debian"; ``tag`` and ``digest`` ("sha256:<64 hex>") may both be absent.
    References sort by their parts, an absent part first.
    """

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``host[:port]/repository[:tag][@digest]``; raises ReferenceFault.

        ``docker.io/nginx:1`` becomes ``docker.io/library/nginx:1``, as every client reads it.
        """
        whole = _WHOLE.fullmatch(text) if len(text) <= MAX_REFERENCE_CHARS else None
        if whole and _is_host(whole[1]) and len(whole[2]) <= MAX_NAME_CHARS:
            host = _within(text, 0, _check_host, whole[1])
            repository, tag, digest = whole[2], whole[3], whole[4]
        else:
            host, repository, tag, digest = _by_parts(text)
        if host == "docker.io" and "/" not in repository:
            repository = f"library/{repository}"
        if len(host) + 1 + len(repository) > MAX_NAME_CHARS:
            raise ReferenceFault(text, MAX_NAME_CHARS, _too_long(MAX_NAME_CHARS))
        return cls(host, repository, tag, digest)

    @property
    def name(self) -> str:
        """``host/repository``, without tag and digest."""
        return f"{self.host}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    def __lt__(self, other: object) -> bool:
        # dataclass(order=True) would compare None with a text and raise.
        if not isinstance(other, Reference):
            return NotImplemented
        return self._order() < other._order()

    def _order(self) -> tuple[str, str, str, str]:
        return self.host, self.repository, self.tag or "", self.digest or ""


def parse_repository(text: str) -> tuple[str, str]:
    """Read ``host[:port][/path...]`` into host and path ("" where there is none).

    For what images stand below: ``--source-repo``, ``imageConfig.imageRepository``, a push's
    destination. One trailing slash is dropped. Raises ReferenceFault.
    """
    _check_text(text, MAX_NAME_CHARS)
    first, slash, path = text.removesuffix("/").partition("/")
    if not _is_host(first):
        raise ReferenceFault(
            text, 0, "it names no registry host; write it out, as in registry.example.com/tkg"
        )
    host = _within(text, 0, _check_host, first)
    if slash:
        _within(text, len(first) + 1, check_path, path)
    return host, path


def normal_repository(text: str) -> str:
    """``parse_repository`` in the one spelling that references have; raises ReferenceFault."""
    host, path = parse_repository(text)
    return f"{host}/{path}" if path else host


def check_path(text: str) -> str:
    """An imagePath or repository path, given back as it is; raises ReferenceFault."""
    if len(text) <= MAX_NAME_CHARS and _PATH.fullmatch(text):
        return text
    _check_text(text, MAX_NAME_CHARS)
    position = 0
    for component in text.split("/"):
        _within(text, position, _check_component, component)
        position += len(component) + 1
    return text


def check_tag(text: str) -> str:
    """A tag, given back as it is; raises ReferenceFault."""
    if _TAG.fullmatch(text):
        return text
    if not text:
        raise ReferenceFault(text, 0, "the tag is empty")
    if DIGEST_LIKE.match(text):
        raise ReferenceFault(text, 0, "this is a digest, not a tag")
    if foreign := re.search(r"[^A-Za-z0-9._-]", text[:MAX_REFERENCE_CHARS]):
        raise ReferenceFault(text, foreign.start(), _character(foreign.group(), "a tag"))
    if text[0] in ".-":
        raise ReferenceFault(text, 0, "a tag begins with a letter, a digit or '_'")
    raise ReferenceFault(text, 128, "a tag is at most 128 characters long")


def _within(whole: str, start: int, check: Callable[[str], _T], part: str) -> _T:
    """Check a part, and tell a fault by its place in the whole."""
    try:
        return check(part)
    except ReferenceFault as fault:
        raise ReferenceFault(whole, start + fault.position, fault.reason) from None


def _check_text(text: str, limit: int) -> None:
    """What is wrong wherever it stands: credentials first, so that no later message shows them."""
    if not text:
        raise ReferenceFault(text, 0, "it is empty")
    _refuse_credentials(text)
    if len(text) > limit:
        raise ReferenceFault(text, limit, _too_long(limit))
    if foreign := _FOREIGN.search(text):
        raise ReferenceFault(text, foreign.start(), _character(foreign.group(), "a reference"))
    if (scheme := text.find("://")) >= 0:
        raise ReferenceFault(text, scheme, f"leave the scheme {text[: scheme + 3]} away")


def _refuse_credentials(text: str) -> None:
    """Refuse ``user:password@host``; the fault carries stars of the same length instead."""
    if place := credentials_in(text):
        reason = "a user name or password has no place before '@'"
        raise ReferenceFault(starred(text), place[0], reason)


def _by_parts(text: str) -> tuple[str, str, str | None, str | None]:
    """Host, repository, tag and digest, each checked; the fault names the place in ``text``."""
    _check_text(text, MAX_REFERENCE_CHARS)
    named, at, digest = text.partition("@")
    if at:
        _within(text, len(named) + 1, _check_digest, digest)
    return *_split_name(text, named), digest if at else None


def _split_name(text: str, named: str) -> tuple[str, str, str | None]:
    """Take ``host/repository[:tag]`` apart and check each part."""
    first, slash, rest = named.partition("/")
    if not slash and "." in first.partition(":")[0]:
        raise ReferenceFault(text, len(named), "it names no repository behind the registry host")
    if not slash or not _is_host(first):
        raise ReferenceFault(text, 0, _no_host(text, first, slash))
    host = _within(text, 0, _check_host, first)
    repository, colon, tag = rest.partition(":")
    start = len(first) + 1
    _within(text, start, check_path, repository)
    if colon:
        _within(text, start + len(repository) + 1, check_tag, tag)
    return host, repository, tag if colon else None


def _is_host(first: str) -> bool:
    """The rule docker has for telling ``localhost/a`` and ``host:5000/a`` from ``library/a``."""
    return "." in first or ":" in first or first == "localhost"


def _no_host(text: str, first: str, slash: str) -> str:
    if not first:
        return "it begins with a slash"
    meant = f"docker.io/{text}" if slash else f"docker.io/library/{text}"
    return f"it names no registry host; write it out, for example {meant}"


@lru_cache(maxsize=64)
def _check_host(text: str) -> str:
    """A DNS name, an IPv4 address or a bracketed IPv6 one, with or without a port.

    Thousands of references name a few hosts, and this is half of what it takes to read one.
    """
    if text.startswith("["):
        address, bracket, port = text[1:].partition("]")
        host = f"[{address}{bracket}"
        _check_ip(host, address if bracket else host, ipaddress.IPv6Address)
    else:
        host, colon, digits = text.partition(":")
        port = colon + digits
        _check_dns(host.lower())
    if port:
        _within(text, len(host), _check_port, port)
    return text.lower()


def _check_ip(
    text: str, address: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]
) -> None:
    try:
        kind(address)
    except ValueError:
        raise ReferenceFault(text, 0, f"{text} is no IP address") from None


def _check_dns(host: str) -> None:
    if re.fullmatch(r"[0-9.]+", host):
        _check_ip(host, host, ipaddress.IPv4Address)
        return
    position = 0
    for label in host.split("."):
        if not _LABEL.fullmatch(label):
            raise ReferenceFault(
                host, position, "a host name is made of letters, digits and '-' between dots"
            )
        position += len(label) + 1


def _check_port(text: str) -> None:
    """``text`` with its colon."""
    if not text.startswith(":") or not _PORT.fullmatch(text, 1) or int(text[1:]) > 65535:
        digits = 1 if text.startswith(":") and len(text) > 1 else 0
        raise ReferenceFault(text, digits, "a port is a number from 1 to 65535")


def _check_digest(text: str) -> None:
    if text.startswith("sha512:"):
        raise ReferenceFault(text, 0, "sha512 digests are not supported, bundles carry sha256")
    if not _DIGEST.fullmatch(text):
        raise ReferenceFault(text, 0, "a digest is sha256: and 64 digits of 0-9 and a-f")


def _check_component(text: str) -> None:
    if _COMPONENT.fullmatch(text):
        return
    if not text:
        raise ReferenceFault(text, 0, "a slash at the beginning, at the end or doubled")
    if text in {".", ".."}:
        raise ReferenceFault(text, 0, f"'{text}' is no part of a path")
    if foreign := re.search(r"[^a-z0-9._-]", text):
        raise ReferenceFault(text, foreign.start(), _character(foreign.group(), "a path"))
    match = _COMPONENT.match(text)
    raise ReferenceFault(
        text,
        match.end() if match else 0,
        "letters and digits must stand at both ends of a path's part, "
        "with one '.', one or two '_' or some '-' between them",
    )


def _character(char: str, place: str) -> str:
    """Why this character cannot stand in ``place``."""
    if char == "+":
        return f"{place} has no '+' in OCI; such versions are spelled with '_'"
    if char.isascii() and char.isupper():
        return f"upper case {char!r} in {place}"
    if char in ":@":
        return f"{place} has no {char!r}; tag, digest and host stand elsewhere"
    name = "white space" if char.isspace() else "a control character"
    return f"{char!r} in {place}" if char.isprintable() and char != " " else f"{name} in {place}"


def _too_long(limit: int) -> str:
    return f"longer than {limit} characters"
