"""Values that an option takes as one text: a rate, a pair of hosts, a platform."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from math import isnan

import typer

from bom.errors import ReferenceFault
from bom.reference import parse_repository
from mirror.errors import UsageFault
from mirror.oci.platform import Platform, as_listed
from mirror.settings import GIB, KIB, MAX_PLATFORMS, MIB
from mirror.text import printable, starred

# Powers of 1024, as curl's and wget's --limit-rate have them.
_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB}
_RATE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([KMG]?)", re.IGNORECASE | re.ASCII)


def number(value: float) -> float:
    """``nan`` is a float, and neither below nor above any limit."""
    if isnan(value):
        raise typer.BadParameter("it is no number")
    return value


def rate(text: str) -> int:
    """Bytes a second of ``20M``, ``1.5G`` or ``500000``; BadParameter for anything else and 0."""
    found = _RATE.fullmatch(text.strip())
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if not size:
        raise typer.BadParameter(f"{text!r} is no rate; 20M, for example, is 20 MiB a second")
    return size


def allowed_hosts(texts: Iterable[str]) -> frozenset[tuple[str, str]]:
    """The pairs of ``--allow-host``: a registry, and a host that it may send this client to.

    Raises UsageFault for a value that is not ``host[:port]=host[:port]``.
    """
    return frozenset(_pair(text) for text in texts)


def platforms(texts: Collection[str]) -> tuple[str, ...]:
    """The values of ``--platform``, sorted, each once.

    Raises UsageFault for a value that is not ``os/arch`` or ``os/arch/variant``.
    """
    if len(texts) > MAX_PLATFORMS:
        raise UsageFault("too many platforms", fact=f"--platform at most {MAX_PLATFORMS} times")
    try:
        return as_listed(map(Platform.parse, texts))
    except ValueError as cause:
        raise UsageFault(str(cause), fact="--platform OS/ARCH", hint=_PLATFORM) from None


def waivers(texts: Iterable[str]) -> dict[str, str]:
    """The pairs of ``--waive``: a check or requirement, and why its failure may be.

    Raises UsageFault for a value that is not ``ID=REASON``.
    """
    found = {}
    for text in texts:
        name, _equals, reason = text.partition("=")
        reason = printable(reason)
        if not name.strip() or not reason:
            fact = f"--waive {printable(text, 80)!r}"
            raise UsageFault("not a waiver", fact=fact, hint="give both: --waive NET-3='reason'")
        found[name.strip().upper()] = reason
    return found


def region(text: str) -> str:
    """The value of ``--aws-endpoints``; raises UsageFault for what no region is called."""
    from mirror.preflight.endpoints import REGION

    if REGION.fullmatch(text):
        return text
    fact = f"--aws-endpoints {printable(text, 80)!r}"
    raise UsageFault("not a region of AWS", fact=fact, hint="us-east-1, for example: no zone")


def _pair(text: str) -> tuple[str, str]:
    registry, _equals, host = text.partition("=")
    try:
        return _host(registry), _host(host)
    except ReferenceFault:
        # A name and password before a host belong nowhere on a command line, nor in a message.
        fact = f"--allow-host {starred(text)!r}"
        raise UsageFault("not a pair of hosts", fact=fact, hint=_PAIR) from None


def _host(text: str) -> str:
    """As references name them: ``harbor.example.com``, ``10.0.0.7:5000``."""
    if "/" in text:
        raise ReferenceFault(text, text.index("/"), "only a host")
    return parse_repository(f"{text}/project")[0]


_PAIR = "give both, each with its port if it has one: harbor.example.com=auth.example.com:8443"
_PLATFORM = "as an index names it, in lower case: linux/amd64, windows/amd64, linux/arm/v7"
