"""NET-3, NET-4, NET-5: which addresses it has, and whose networks they lie in."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mirror.preflight import bridges
from mirror.preflight.bridges import Bridges
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.interface import Check, Verdict, failed, passed, warned
from mirror.preflight.names import addresses, listed
from mirror.preflight.scene import Scene
from mirror.preflight.wording import are
from mirror.registry.address import Address
from mirror.settings import MAX_CIDRS
from mirror.text import printable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 1918, section 3, and nothing else. Python's ``is_private`` counts loopback, documentation and
# unique local IPv6 addresses too, and leaves out 100.64.0.0/10.
_PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))

# What an address is otherwise (IANA's registries of special-purpose addresses); the first counts.
_KINDS = tuple(
    (ipaddress.ip_network(network), words)
    for network, words in (
        ("127.0.0.0/8", "loopback: nodes will contact themselves"),
        ("169.254.169.254/32", "where clouds hand out credentials"),
        ("169.254.0.0/16", "link-local: nothing is routed there"),
        ("100.96.0.0/11", "shared address space, by default the pods of TKG"),
        ("100.64.0.0/13", "shared address space, by default the services of TKG"),
        ("100.64.0.0/10", "shared address space of carriers, RFC 6598"),
        ("0.0.0.0/8", "no address of a host"),
        ("192.0.2.0/24", "for documentation"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("192.0.0.0/24", "for protocols"),
        ("198.18.0.0/15", "for benchmarks"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "loopback: nodes will contact themselves"),
        ("::ffff:0:0/96", "an IPv4 address inside IPv6"),
        ("64:ff9b::/96", "an IPv4 address inside IPv6"),
        ("fe80::/10", "link-local: nothing is routed there"),
        ("fc00::/7", "a unique local IPv6 address"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("ff00::/8", "multicast"),
    )
)

_RANGES = "10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"


def kind(address: Address) -> str:
    """What an address is, in some words; empty for one of RFC 1918."""
    if any(address in network for network in _PRIVATE):
        return ""
    public = "a public address" if address.version == 4 else "a public IPv6 address"
    return next((words for network, words in _KINDS if address in network), public)


def private(scene: Scene) -> Verdict:
    """NET-3. Any client may take any address, so all must be right; IPv6 ones are for NET-4."""
    found = addresses(scene)
    four: list[Address] = [each for each in found if each.version == 4]
    judged = four or list(found)
    told = "\n".join(f"{each}: {kind(each) or 'RFC 1918'}" for each in judged)
    bad = [each for each in judged if kind(each)]
    if not bad:
        return passed(f"{listed(judged)} {are(len(judged))} in RFC 1918", told)
    fix = f"give it an address in {_RANGES}, and no other one in DNS"
    if len(judged) == 1:
        return failed(f"{bad[0]} is not in RFC 1918: {kind(bad[0])}", told, fix=fix)
    some = f"{len(bad)} of {len(judged)} addresses {are(len(bad))} not in RFC 1918"
    return failed(f"{some}: {listed([f'{each} ({kind(each)})' for each in bad])}", told, fix=fix)


def families(scene: Scene) -> Verdict:
    """NET-4. Go's clients try IPv6 first where a name has it; TKG is IPv4 unless told otherwise."""
    found = addresses(scene)
    four = [each for each in found if each.version == 4]
    six = [each for each in found if each.version == 6]
    family = printable(scene.cluster.get("TKG_IP_FAMILY", "ipv4"))
    has = f"it has {listed(six)}, and clusters are {family} (TKG_IP_FAMILY)"
    if family == "ipv6" and not six:
        fix = "give it an IPv6 address and an AAAA record, or the clusters IPv4"
        return failed("TKG_IP_FAMILY is ipv6, and it has no IPv6 address", fix=fix)
    if not six:
        return passed("it has no IPv6 address")
    if "ipv6" in family:
        return passed(has)
    if not four:
        fix = f"give it an address in {_RANGES} and an A record"
        return failed(f"it has IPv6 addresses only: {listed(six)}", fix=fix)
    fix = "remove the AAAA record, or set TKG_IP_FAMILY where the clusters have IPv6"
    return warned(f"{has}: clients try IPv6 first", fix=fix)


class Range(NamedTuple):
    """Addresses that a cluster gives to pods or services, and where that is said."""

    name: str
    network: Network
    place: str


class Collision(NamedTuple):
    """Why an address cannot be the registry's, and what to set instead."""

    what: str
    fix: str


def ranges(cluster: ClusterConfig) -> tuple[list[Range], list[Collision]]:
    """The ranges of pods and services, and what is said of them that is no range.

    TKG's defaults where nothing is said, for each family of TKG_IP_FAMILY. The kind cluster that
    bootstraps has the same ones.
    """
    found, wrong = list[Range](), list[Collision]()
    for name, four, six in _DEFAULTS:
        family = cluster.get("TKG_IP_FAMILY", "ipv4")
        defaults = [cidr for cidr, word in ((four, "ipv4"), (six, "ipv6")) if word in family]
        given = cluster.get(name)
        place = cluster.place(name) if given else "the default of TKG"
        for text in given.split(",", MAX_CIDRS) if given else defaults:
            try:
                network = ipaddress.ip_network(text.strip(), strict=False)
            except ValueError:
                what = f"{name} of {place} is no range of addresses: {printable(text)!r}"
                wrong.append(Collision(what, f"write {name} as in {four}"))
            else:
                found.append(Range(name, network, place))
    return found, wrong


_DEFAULTS = (
    ("CLUSTER_CIDR", "100.96.0.0/11", "fd00:100:96::/48"),
    ("SERVICE_CIDR", "100.64.0.0/13", "fd00:100:64::/108"),
)


def apart(scene: Scene) -> Verdict:
    """NET-5. What lies in one of these networks is sought there, and never reaches the registry."""
    found, here = addresses(scene), bridges.bridges(scene.machine)
    spans, wrong = ranges(scene.cluster)
    fatal = [*wrong, *(c for each in found for c in _collisions(each, here, spans))]
    close = [c for each in found for c in _close(each, here)]
    told = "\n".join((*(c.what for c in (*fatal, *close)), *_surroundings(here, spans)))
    if fatal:
        return failed(_line(c.what for c in fatal), told, fix=_line(c.fix for c in fatal))
    if close:
        return warned(_line(c.what for c in close), told, fix=_line(c.fix for c in close))
    nets = ", ".join(str(net) for net in (here.own, *(span.network for span in spans)) if net)
    return passed(f"{listed(found)}: in no network of Docker, pods or services ({nets})", told)


def _line(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def _collisions(address: Address, here: Bridges, spans: Iterable[Range]) -> Iterator[Collision]:
    if inside := next((each for each in here.taken if address in each[1]), None):
        bridge, network = inside
        fix = f"move {bridge} to a free range, or give the registry another address"
        yield Collision(f"{address} is in {network}, the network of {bridge} on this machine", fix)
    elif here.own and address in here.own:
        fix = f'set "bip" in {_DOCKER} to a free range, or give the registry another address'
        yield Collision(f"{address} is in {here.own}, which Docker takes for docker0", fix)
    for span in spans:
        if address in span.network:
            use = "pods" if span.name == "CLUSTER_CIDR" else "services"
            what = f"{address} is in {span.network}, which clusters give to {use}"
            fix = f"set {span.name} to a range that is free"
            yield Collision(f"{what} ({span.name}, {span.place})", fix)


def _close(address: Address, here: Bridges) -> Iterator[Collision]:
    """What is not yet in the way, and may be when kind starts or elsewhere.

    Docker takes the networks of its pools one after the other, so that of all of 172.18.0.0 to
    172.31.255.255 and 192.168.0.0/16 one matters: the next, which will be kind's. It leaves out
    what a route of this machine leads to, but the registry is mostly behind the default route.
    """
    if any(address in network for _name, network in here.taken):
        return
    if here.next and address in here.next:
        fix = f'set "default-address-pools" in {_DOCKER} to a range that is free, restart Docker'
        yield Collision(f"{address} is in {here.next}, which Docker here gives to kind next", fix)
    elif address in bridges.DEFAULT and here.own != bridges.DEFAULT:
        fix = f'set "bip" on each machine that bootstraps clusters, as in {_DOCKER} here'
        what = f"{address} is in {bridges.DEFAULT}, which Docker takes on other machines"
        yield Collision(what, fix)


_DOCKER = "/etc/docker/daemon.json"


def _surroundings(here: Bridges, spans: Iterable[Range]) -> Iterator[str]:
    """What was compared with, for people who want to judge themselves."""
    yield from (f"{name} on this machine: {network}" for name, network in here.taken)
    if here.own:
        yield f"docker0, here or with these settings: {here.own}"
    if here.next:
        yield f"Docker's next network, which will be kind's: {here.next}"
    yield f"Docker's pools, for networks after that: {', '.join(map(str, here.pools))}"
    yield from (f"{span.name}, {span.place}: {span.network}" for span in spans)


CHECKS = (
    Check("NET-3", "every address is in RFC 1918", private, "R2", ("NET-2",)),
    Check("NET-4", "it has the addresses that TKG's nodes use", families, "R2", ("NET-2",)),
    Check("NET-5", "its addresses lie in no other network", apart, "R2", ("NET-2",)),
)
