"""The networks of Docker and its like on this machine: taken, and taken next. Pure but for reading.

The bootstrap machine of TKG runs kind in Docker. An address in one of Docker's networks is sought
there and not on the wire, whatever else the machine can reach.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mirror.preflight.machine import Machine, read
from mirror.settings import MAX_POOL_NETWORKS

Network = ipaddress.IPv4Network

# By the names that Docker, Podman, CNI, libvirt and LXD give. A bridge of another name may well be
# the one through which the machine is on its own network.
_BRIDGE = re.compile(
    r"docker[0-9]+|docker_gwbridge|br-[0-9a-f]{12}|podman[0-9]+|cni(-?podman)?[0-9]+"
    r"|virbr[0-9]+|lx[cd]br[0-9]+"
)
# Docker's own pools, each with the prefix of one network, in the order in which it takes them
# (moby, libnetwork/ipamutils).
_POOLS = (
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
)
DEFAULT = Network(_POOLS[0][0])
_UP = 0x1


class Bridges(NamedTuple):
    """``taken`` by interface; ``own`` is the network of docker0; ``next`` of what comes then."""

    taken: tuple[tuple[str, Network], ...]
    own: Network | None
    next: Network | None
    pools: tuple[Network, ...]


def bridges(machine: Machine) -> Bridges:
    """What is taken here. Without Docker on this machine, what a fresh one would take."""
    known = tuple(routes(read(machine.routes)))
    settings = _settings(read(machine.docker))
    pools = tuple(_pools(settings)) or tuple((Network(base), size) for base, size in _POOLS)
    used = [network for _name, network in known]
    own = next((network for name, network in known if name == "docker0"), None)
    own = own or _network(settings.get("bip")) or free(pools, used)
    then = free(pools, [*used, own]) if own else None
    taken = tuple((name, network) for name, network in known if _BRIDGE.fullmatch(name))
    return Bridges(taken, own, then, tuple(base for base, _size in pools))


def routes(text: str) -> Iterator[tuple[str, Network]]:
    """Interface and network of each route in the form of /proc/net/route, the default one left out.

    Addresses stand there as the machine has them in memory, in hexadecimal.
    """
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 8:
            continue
        try:
            place, mask, flags = _address(words[1]), _address(words[7]), int(words[3], 16)
            network = Network(f"{place}/{mask}", strict=False)
        except ValueError:
            continue
        if network.prefixlen and flags & _UP:
            yield words[0], network


def _address(text: str) -> ipaddress.IPv4Address:
    number = int(text, 16)
    if not 0 <= number < 1 << 32:
        raise ValueError(text)
    return ipaddress.IPv4Address(number.to_bytes(4, sys.byteorder))


def free(pools: Iterable[tuple[Network, int]], used: Iterable[Network]) -> Network | None:
    """The network that Docker takes next: the first of its pools that no route has a part of."""
    taken, left = tuple(used), MAX_POOL_NETWORKS
    for base, size in pools:
        for network in base.subnets(new_prefix=size):
            if not any(network.overlaps(other) for other in taken):
                return network
            left -= 1
            if not left:
                return None
    return None


def _settings(text: str) -> dict[str, Any]:
    """Docker's daemon.json; nothing where it is none, and Docker would not start with it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _pools(settings: dict[str, Any]) -> Iterator[tuple[Network, int]]:
    found = settings.get("default-address-pools")
    for pool in found if isinstance(found, list) else ():
        base = _network(pool.get("base")) if isinstance(pool, dict) else None
        size = pool.get("size") if base else None
        if base and isinstance(size, int) and base.prefixlen <= size <= base.max_prefixlen:
            yield base, size


def _network(text: object) -> Network | None:
    try:
        return Network(text, strict=False) if isinstance(text, str) else None
    except ValueError:
        return None
