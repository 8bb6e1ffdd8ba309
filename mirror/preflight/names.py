"""NET-1, NET-2: what DEST names, and whether nodes can find it by that name."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from mirror.preflight import nameservers
from mirror.preflight.interface import Check, Verdict, failed, passed, untold, warned
from mirror.preflight.machine import read
from mirror.preflight.nameservers import Told
from mirror.preflight.scene import Scene
from mirror.registry.address import Address
from mirror.registry.lookup import NoAddress
from mirror.settings import MAX_ADDRESSES_SHOWN, MAX_HOST_CHARS
from mirror.text import printable

# A last label that is a number: no such name exists, and getaddrinfo reads it as an address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_OWN = "localhost"
_SERVERS = "see which name servers /etc/resolv.conf has, and whether they answer this machine"


class Names(NamedTuple):
    """Where a name leads: by this machine's own resolver, by name servers alone, by /etc/hosts."""

    system: tuple[str, ...]
    reason: str
    """Why the machine's resolver gave no address."""
    dns: Told
    entries: tuple[tuple[int, str], ...]
    """Line and address of each entry of /etc/hosts."""

    @property
    def stray(self) -> tuple[str, ...]:
        """Addresses that no name server gave."""
        return tuple(each for each in self.system if each not in self.dns.addresses)

    @property
    def evidence(self) -> str:
        """Who says what, a line each."""
        said = self.dns.fault or listed(self.dns.addresses) or "no address"
        servers = listed(self.dns.servers) or "none"
        lines = [f"this machine's resolver: {listed(self.system) or self.reason}"]
        lines += [f"name servers ({servers}): {said}"]
        lines += [f"name servers, IPv6: {self.dns.note}"] if self.dns.note else []
        lines += [f"/etc/hosts:{number}: {printable(text)}" for number, text in self.entries]
        return "\n".join(lines)


def names(scene: Scene) -> Names:
    """Look the host up both ways at once; use it as ``scene.once(names)``."""
    target, machine = scene.target, scene.machine
    entries = tuple(_entries(read(machine.hosts), target.host))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_asked, scene, target.host)
        reason, found = "", tuple[str, ...]()
        try:
            found = machine.resolve(target.host, target.port, scene.seconds())
        except NoAddress as cause:
            reason = str(cause)
    return Names(found, reason, asked.result(), entries)


def _asked(scene: Scene, host: str) -> Told:
    """What name servers say; they are not asked for localhost (RFC 6761, 6.3)."""
    return Told() if host == _OWN else nameservers.ask(host, scene.machine, scene.seconds())


def addresses(scene: Scene) -> tuple[Address, ...]:
    """Every address that the host stands for, here or by name servers, each once."""
    if literal := scene.target.literal:
        return (literal,)
    found = scene.once(names)
    return tuple(dict.fromkeys(map(ipaddress.ip_address, (*found.system, *found.dns.addresses))))


def listed(items: Sequence[object]) -> str:
    """Some addresses as a line; of very many the first ones."""
    shown = ", ".join(map(str, items[:MAX_ADDRESSES_SHOWN]))
    more = len(items) - MAX_ADDRESSES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def parses(scene: Scene) -> Verdict:
    """NET-1. What is no ``host[:port]/project`` at all never gets here (``run.unaddressed``)."""
    target = scene.target
    if unclear := _unclear(target.host):
        what, better = unclear
        return failed(f"clients do not agree on what {target.host} is: {what}", fix=better)
    project = f"project {target.project}" if target.project else "no project"
    return passed(f"host {target.host}, port {target.port}, {project}")


def _unclear(host: str) -> tuple[str, str] | None:
    """What is wrong with a spelling, and how to mend it; None for a good one.

    getaddrinfo reads 0x0a000001, 10.1 and 010.0.0.1 (which is 8.0.0.1); Go, which pulls the
    images, takes each for a name. So nothing may be asked by such a spelling (facts A9).
    """
    name = "give the registry's name, or its address as four decimal numbers"
    if len(host) > MAX_HOST_CHARS:
        return f"a name has at most {MAX_HOST_CHARS} characters", name
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not _NUMBER.fullmatch(host.rpartition(".")[2]):
            return None
        return f"some read {_meant(host)}, others a name that cannot exist", name
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped:
        return f"it is {mapped} inside an IPv6 address", f"give {mapped}"
    if str(address) != host:
        return "an unusual spelling, and registries are told apart by it", f"give [{address}]"
    return None


def _meant(host: str) -> str:
    """The address that a number stands for, by the C library; nobody is asked for that."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return "a number"


def resolves(scene: Scene) -> Verdict:
    """NET-2. Nodes have DNS, and not this machine's /etc/hosts, which getaddrinfo mixes in."""
    host = scene.target.host
    if scene.target.literal:
        return passed("DEST has an address, so there is no name to resolve")
    found = scene.once(names)
    if not found.system and not found.dns.addresses:
        return _nowhere(host, found)
    scene.later(changed)
    return _only_here(host, found) or _doubtful(host, found)


def _nowhere(host: str, found: Names) -> Verdict:
    if found.dns.fault:
        what = f"nothing says where {host} is: {found.dns.fault}"
        return untold(what, found.evidence, fix=_SERVERS)
    fix = f"add an A record for {host} to DNS, or name the registry as DNS does"
    return failed(f"no name server knows {host}", found.evidence, fix=fix)


def _only_here(host: str, found: Names) -> Verdict | None:
    """What this machine knows and nodes do not, or what cannot be told from it."""
    if host == _OWN:
        return None
    entry = next((f"/etc/hosts:{number}" for number, _text in found.entries), "")
    if found.dns.fault:
        what = f"whether nodes find {host} cannot be told: {found.dns.fault}"
        return untold(what, found.evidence, fix=_SERVERS, blocks=False)
    if not found.dns.addresses:
        where = f"{entry} says {listed(found.system)}" if entry else listed(found.system)
        fix = f"add an A record for {host} to the DNS that nodes ask: they have no /etc/hosts of it"
        what = f"only this machine knows {host} ({where}), and no name server does"
        return failed(what, found.evidence, fix=fix, blocks=False)
    if entry and found.stray:
        fix = f"let {entry} and the A record of {host} name the same address"
        what = f"{entry} says {listed(found.stray)}, and nodes will find"
        what = f"{what} {listed(found.dns.addresses)} for {host}"
        return failed(what, found.evidence, fix=fix, blocks=False)
    if entry and found.dns.local:
        fix = f"ask a name server of the nodes: dig @SERVER {host}"
        what = f"{entry} has {host}, and the name server is this machine, which may repeat it"
        return warned(what, found.evidence, fix=fix)
    return None


def _doubtful(host: str, found: Names) -> Verdict:
    """What nodes will find, and may find otherwise."""
    given = listed(found.dns.addresses)
    if "." not in host:
        fix = "name the registry with its domain, here, in its certificate and in the variables"
        what = f"{host} has no domain, and nodes search in domains of their own"
        return warned(what, found.evidence, fix=fix)
    if host.endswith(".local"):
        fix = "give the registry a name outside .local, or have nodes ask DNS for .local"
        what = f"{host} ends with .local, which systemd-resolved on nodes asks no name server for"
        return warned(what, found.evidence, fix=fix)
    if found.dns.name != host:
        fix = f"name the registry {found.dns.name}, as nodes may search in other domains"
        what = f"{host} is found only as {found.dns.name}, by this machine's search list"
        return warned(what, found.evidence, fix=fix)
    if not found.system:
        fix = "see the line hosts: of /etc/nsswitch.conf"
        what = f"name servers know {host} ({given}), and this machine's resolver does not"
        return warned(f"{what}: {found.reason}", found.evidence, fix=fix)
    if found.stray:
        fix = f"ask again: dig {host}; let every answer have all addresses, or one"
        what = f"{host} is {listed(found.system)} at one time and {given} at another"
        return warned(what, found.evidence, fix=fix)
    return passed(f"name servers know {host}: {given}", found.evidence)


def changed(scene: Scene) -> str:
    """A notice where the name leads elsewhere by now, as it does behind DNS that takes turns."""
    before = scene.once(names)
    if before.dns.fault:
        # It would take its time once more to say nothing.
        return ""
    after, old = names(scene), {*before.system, *before.dns.addresses}
    new = {*after.system, *after.dns.addresses}
    if not new or new == old:
        return ""
    told = f"was {listed(sorted(old))} at first, and {listed(sorted(new))} at the end"
    return f"{scene.target.host} {told}: DNS takes turns, or was changed"


def _entries(text: str, host: str) -> Iterator[tuple[int, str]]:
    """Line and address of every entry of a hosts file that has this name."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].lower().split()
        if host in words[1:]:
            yield number, words[0]


CHECKS = (
    Check("NET-1", "DEST is the address of a registry", parses),
    Check("NET-2", "name servers know its name", resolves, needs=("NET-1",)),
)
