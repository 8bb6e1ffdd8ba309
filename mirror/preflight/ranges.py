"""TKG: the address ranges of a cluster configuration, apart from each other and the registry.

Defaults are those of tanzu-framework v0.28.3 (tkg/constants/defaults.go for pods and services,
providers/config_default.yaml for AWS); the rules what its tkg/client/validate.go refuses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from itertools import combinations, islice
from typing import NamedTuple

from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.flaws import NOT_GIVEN, Flaw, judged
from mirror.preflight.interface import Check, Verdict
from mirror.preflight.scene import Scene
from mirror.registry.lookup import NoAddress, addresses

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PODS, SERVICES, VPC = "CLUSTER_CIDR", "SERVICE_CIDR", "AWS_VPC_CIDR"
# Docker's own network where nobody configured another: the bootstrap machine has it.
DOCKER = ipaddress.ip_network("172.17.0.0/16")

_DEFAULTS = {
    PODS: {4: "100.96.0.0/11", 6: "fd00:100:96::/48"},
    SERVICES: {4: "100.64.0.0/13", 6: "fd00:100:64::/108"},
}
# Where pods and services can move to, the first that is free: TKG's own, then other customary ones.
_SPARE = {
    PODS: ("100.96.0.0/11", "100.80.0.0/12", "10.244.0.0/16", "192.168.0.0/16"),
    SERVICES: ("100.64.0.0/13", "100.72.0.0/13", "10.96.0.0/16", "192.168.0.0/16"),
}
_FAMILIES = {"ipv4": (4,), "ipv6": (6,), "ipv4,ipv6": (4, 6), "ipv6,ipv4": (6, 4)}
_AWS_DEFAULTS = {
    "AWS_PRIVATE_NODE_CIDR": "10.0.0.0/24",
    "AWS_PUBLIC_NODE_CIDR": "10.0.1.0/24",
    "AWS_PRIVATE_NODE_CIDR_1": "10.0.2.0/24",
    "AWS_PUBLIC_NODE_CIDR_1": "10.0.3.0/24",
    "AWS_PRIVATE_NODE_CIDR_2": "10.0.4.0/24",
    "AWS_PUBLIC_NODE_CIDR_2": "10.0.5.0/24",
}
_VPC_SAYS = f"{VPC}: what aws ec2 describe-vpcs says of it; beside AWS_VPC_ID TKG ignores it"
# Bits of host part that kube-apiserver lets services have at most (validateServiceCIDRNetmask).
_SERVICE_BITS = 20
# Go's ParseCIDR wants the bits written out; ip_network would take a bare address or a mask.
_CIDR = re.compile(r"[0-9A-Fa-f.:]{2,45}/[0-9]{1,3}", re.ASCII)


class Range(NamedTuple):
    """A network and the variable that it is of; ``default`` where the file leaves it to TKG."""

    name: str
    network: Network
    default: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.network}{' (default)' if self.default else ''}"

    def meets(self, other: Range) -> bool:
        """True where both have an address in common."""
        return self.network.version == other.network.version and self.network.overlaps(
            other.network
        )

    def lies_in(self, other: Range) -> bool:
        """True where the other one has all addresses of this one."""
        return self.network.version == other.network.version and (
            self.network.network_address in other.network
            and self.network.broadcast_address in other.network
        )

    def has(self, address: Address) -> bool:
        """True where the address is of this network."""
        return address in self.network


def networks(text: str) -> tuple[Network, ...]:
    """The networks of a list with commas, as Go reads it: no blanks. Raises ValueError."""
    found = []
    for part in text.split(","):
        if not _CIDR.fullmatch(part):
            raise ValueError(f"{part!r} is no network")
        found.append(ipaddress.ip_network(part, strict=False))
    return tuple(found)


def cluster_ranges(config: ClusterConfig, name: str) -> tuple[Range, ...]:
    """The ranges of pods or services; empty where the file's value is not readable."""
    if config.get(name):
        return written(config, name)
    families = _FAMILIES.get(config.get("TKG_IP_FAMILY").lower(), (4,))
    chosen = [_DEFAULTS[name][family] for family in families]
    return tuple(Range(name, ipaddress.ip_network(each), default=True) for each in chosen)


def written(config: ClusterConfig, name: str) -> tuple[Range, ...]:
    """The ranges that stand in the file; empty where there are none or they are not readable."""
    try:
        found = networks(config.get(name)) if config.get(name) else ()
    except ValueError:
        return ()
    return tuple(Range(name, network) for network in found)


def registry_addresses(scene: Scene) -> tuple[Address, ...]:
    """Every address of the registry; empty where its name has none: NET-2 tells that."""
    target = scene.target
    try:
        found = addresses(target.host, target.port, scene.seconds())
    except NoAddress:
        return ()
    # Of a link-local address getaddrinfo tells the interface as well.
    return tuple(ipaddress.ip_address(each.partition("%")[0]) for each in found)


def apart(scene: Scene) -> Verdict:
    """TKG-5. Two networks with one address in common: nodes send it to the nearer one.

    The registry may well be in the VPC (the deployment guide puts it there); among pods or
    services no node reaches it. Docker's network is a warning: the design lets it be changed,
    which is not seen from the file (tko-on-aws-airgap.md, "Network Recommendations").
    """
    config = scene.question.cluster
    if config is None:
        return NOT_GIVEN
    pods, services = cluster_ranges(config, PODS), cluster_ranges(config, SERVICES)
    vpc, nodes = _aws(config)
    at = scene.once(registry_addresses)
    ranges = (*pods, *services, *vpc)
    taken = (*ranges, Range("docker", DOCKER), *(Range("registry", _alone(each)) for each in at))
    flaws = [
        *_unreadable(config),
        *_family(config),
        *_too_wide(services),
        *_overlaps(ranges, taken),
        *(_nodes_in(vpc, nodes) if vpc else _nodes_beside((*pods, *services), nodes)),
        *_docker(ranges, taken),
        *_registry(at, (*pods, *services), taken),
        *_unknown_vpc(config),
    ]
    shown = ", ".join(map(str, ranges))
    note = f"ranges: {shown}" if at else f"ranges: {shown}; the registry's address is not known"
    return judged(config, flaws, f"no range meets another one: {shown}", note)


def _alone(address: Address) -> Network:
    return ipaddress.ip_network(address)


def _aws(config: ClusterConfig) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """The VPC's ranges and those of nodes. For a VPC that exists, TKG takes neither from the file
    (SetAndValidateDefaultAWSVPCConfiguration); what stands there is what its operator says.
    """
    if config.infrastructure != "aws":
        return (), ()
    nodes = [each for name in _AWS_DEFAULTS for each in written(config, name)]
    if config.get("AWS_VPC_ID"):
        return written(config, VPC), tuple(nodes)
    vpc = written(config, VPC) if config.get(VPC) else (_default(VPC, "10.0.0.0/16"),)
    zones = len(_AWS_DEFAULTS) if config.get("CLUSTER_PLAN") != "dev" else 2
    for name, network in list(_AWS_DEFAULTS.items())[:zones]:
        if not config.get(name):
            nodes.append(_default(name, network))
    return vpc, tuple(nodes)


def _default(name: str, network: str) -> Range:
    return Range(name, ipaddress.ip_network(network), default=True)


def _unreadable(config: ClusterConfig) -> Iterator[Flaw]:
    for name in (PODS, SERVICES, VPC, *_AWS_DEFAULTS):
        if config.get(name) and not written(config, name):
            example = _DEFAULTS.get(name, {}).get(4) or _AWS_DEFAULTS.get(name, "10.0.0.0/16")
            expected = f"a network such as {example}"
            yield Flaw(name, expected, f"{name}: {example}", grave=True)


def _family(config: ClusterConfig) -> Iterator[Flaw]:
    """As many networks as TKG_IP_FAMILY has families, in its order (validateCIDRsForIPFamily).

    Any other word than these four ends an installation at once (tkg/kind/client.go, getIPFamily).
    """
    family = config.get("TKG_IP_FAMILY", "ipv4")
    wanted = _FAMILIES.get(family.lower())
    if wanted is None:
        fix = "TKG_IP_FAMILY: ipv4"
        yield Flaw("TKG_IP_FAMILY", f"one of {' '.join(_FAMILIES)}", fix, grave=True)
        return
    for name in (PODS, SERVICES):
        found = written(config, name)
        if found and tuple(each.network.version for each in found) != wanted:
            default = ",".join(_DEFAULTS[name][each] for each in wanted)
            expected = f"networks of {family} (TKG_IP_FAMILY)"
            yield Flaw(name, expected, f"{name}: {default}", grave=True)


def _too_wide(services: tuple[Range, ...]) -> Iterator[Flaw]:
    for each in services:
        bits = each.network.max_prefixlen - _SERVICE_BITS
        if each.network.prefixlen < bits:
            fix = f"{SERVICES}: {_DEFAULTS[SERVICES][each.network.version]}"
            yield Flaw(SERVICES, f"/{bits} or smaller", fix, grave=True)


def _overlaps(ranges: tuple[Range, ...], taken: tuple[Range, ...]) -> Iterator[Flaw]:
    for one, two in combinations(ranges, 2):
        if one.meets(two) and one.name == two.name == VPC:
            # Only a list of an existing VPC's ranges has several, and AWS has none that meet.
            yield Flaw(VPC, "ranges of one VPC, which do not meet", _VPC_SAYS)
        elif one.meets(two):
            # What the file says moves before what it leaves to TKG, and a VPC before nothing.
            mend, other = (two, one) if one.default and two.name != VPC else (one, two)
            yield _move(mend, f"a range apart from {other}", taken, grave=True)


def _nodes_in(vpc: tuple[Range, ...], nodes: tuple[Range, ...]) -> Iterator[Flaw]:
    """AWS makes no subnet outside of its VPC, and none that meets another one."""
    for place, node in enumerate(nodes):
        hit = next(filter(node.meets, nodes[:place]), None)
        if not any(node.lies_in(each) for each in vpc):
            expected = f"a part of {vpc[0]}"
        elif hit:
            expected = f"a range apart from {hit}"
        else:
            continue
        fix = f"{node.name}: {_part(vpc[0].network, [n for n in nodes if n is not node])}"
        yield Flaw(node.name, expected, fix, str(node.network), grave=True)


def _nodes_beside(cluster: tuple[Range, ...], nodes: tuple[Range, ...]) -> Iterator[Flaw]:
    """Of a VPC whose range is not in the file."""
    for node in nodes:
        if hit := next(filter(node.meets, cluster), None):
            fix = f"{hit.name}: a range outside {node.network}"
            yield Flaw(hit.name, f"a range apart from {node}", fix, str(hit.network), grave=True)


def _docker(ranges: tuple[Range, ...], taken: tuple[Range, ...]) -> Iterator[Flaw]:
    docker = Range("docker's own", DOCKER)
    for each in filter(docker.meets, ranges):
        expected = f"a range apart from {docker}"
        if each.name == VPC:
            fix = f"{VPC} may stay if docker has another network (bip in its daemon.json)"
            yield Flaw(each.name, expected, fix, str(each.network))
        else:
            yield _move(each, expected, taken)


def _registry(
    at: tuple[Address, ...], ranges: tuple[Range, ...], taken: tuple[Range, ...]
) -> Iterator[Flaw]:
    for address in at:
        for each in ranges:
            if each.has(address):
                expected = f"a range without the registry's address {address}"
                yield _move(each, expected, taken, grave=True)


def _move(mend: Range, expected: str, taken: tuple[Range, ...], *, grave: bool = False) -> Flaw:
    """A flaw of pods or services, with the first range that nothing else has."""
    others = [each for each in taken if each is not mend]
    spare = (Range(mend.name, ipaddress.ip_network(each)) for each in _SPARE[mend.name])
    free = next((each for each in spare if not any(map(each.meets, others))), None)
    fix = f"{mend.name}: {free.network if free else 'a range that nothing else has'}"
    found = f"{mend.network}{' (default)' if mend.default else ''}"
    return Flaw(mend.name, expected, fix, found, grave)


def _part(vpc: Network, others: list[Range]) -> str:
    """A subnet of a VPC for nodes, /24 where there is room: AWS knows /16 to /28."""
    bits = max(24, vpc.prefixlen + 3)
    if vpc.version == 6 or bits > 28:
        return f"a part of {vpc}"
    parts = (Range("", each) for each in islice(vpc.subnets(new_prefix=bits), 64))
    free = next((each for each in parts if not any(map(each.meets, others))), None)
    return str(free.network) if free else f"a part of {vpc}"


def _unknown_vpc(config: ClusterConfig) -> Iterator[Flaw]:
    """The range of a VPC that exists is not in the file, so it cannot be told apart either."""
    vpc = config.get("AWS_VPC_ID")
    if config.infrastructure == "aws" and vpc and not config.get(VPC):
        yield Flaw(VPC, "the VPC's range, to compare it with the others", _VPC_SAYS)


CHECKS = (Check("TKG-5", "pods, services, VPC, docker and registry have ranges apart", apart),)
