"""TKG: does the registry run outside of TKG, so that clusters do not need themselves to start?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.interface import Check, Verdict, failed, passed, untold, warned
from mirror.preflight.ranges import (
    PODS,
    SERVICES,
    Address,
    Range,
    cluster_ranges,
    registry_addresses,
    written,
)
from mirror.preflight.scene import Scene
from mirror.preflight.service import root
from mirror.registry.probe import Answer
from mirror.text import printable

STATEMENT = "outside-tkg"

# Where load balancers of TKG clusters get their addresses from (config_default.yaml).
_BALANCED = (
    "AVI_DATA_NETWORK_CIDR",
    "AVI_CONTROL_PLANE_NETWORK_CIDR",
    "AVI_MANAGEMENT_CLUSTER_VIP_NETWORK_CIDR",
    "AVI_MANAGEMENT_CLUSTER_CONTROL_PLANE_VIP_NETWORK_CIDR",
    "KUBEVIP_LOADBALANCER_CIDRS",
)
_SPANS = "KUBEVIP_LOADBALANCER_IP_RANGES"
_NOT_SEEN = "no kubeconfig is read, so Services and Ingresses of clusters are not looked at"


def outside(scene: Scene) -> Verdict:
    """TKG-1. The design says should, and separate from any shared service (R1).

    An address in a cluster's range is evidence, which no statement outweighs. Envoy's headers are
    a hint only: the Harbor package of TKG stands behind Contour, which is Envoy, and so do
    registries of others. Nothing else shows from here, so that without a statement nothing passes.
    """
    at = scene.once(registry_addresses)
    inside = [(address, each) for address in at for each in _clusters(scene.cluster, address)]
    if inside:
        address, first = inside[0]
        lines = [f"{address} is in {each}" for address, each in inside]
        what = f"the registry's address {address} belongs to TKG clusters: it is in {first}"
        return failed(what, "\n".join(lines), fix=_MOVE)
    if not at:
        return untold(f"{scene.target.host} has no address to compare with those of clusters")
    hint = _envoy(scene.once(root))
    shown = ", ".join(map(str, at))
    if STATEMENT in scene.question.attested:
        what = f"attested: it runs outside of TKG, and {shown} is no address of a cluster"
        return passed(what, f"all the same, {hint}" if hint else "")
    if hint:
        what = f"it may run in a TKG cluster: {hint}, as the Harbor package behind Contour does"
        fix = f"{_MOVE}; if that is another Envoy: {_ATTEST}"
        return warned(what, _NOT_SEEN, fix=fix, unknown=True)
    what = f"cannot be seen from here: {shown} is in no range of a cluster, which proves little"
    fix = f"make sure that no cluster runs it, then {_ATTEST}"
    return warned(what, _NOT_SEEN, fix=fix, unknown=True)


_MOVE = "run the registry on a machine of its own, outside of every TKG cluster"
_ATTEST = f"--attest {STATEMENT}"


def _clusters(config: ClusterConfig, address: Address) -> Iterator[str]:
    """The ranges of clusters that an address is in, as the file has them or TKG by default."""
    ranges: list[Range] = [*cluster_ranges(config, PODS), *cluster_ranges(config, SERVICES)]
    for name in _BALANCED:
        ranges += written(config, name)
    yield from (f"{each}" for each in ranges if each.has(address))
    for span in filter(None, config.get(_SPANS).split(",")):
        if _within(address, span):
            yield f"{_SPANS} {printable(span, 100)}"


def _within(address: Address, span: str) -> bool:
    """True for an address from the first to the last of ``10.0.0.1-10.0.0.9``."""
    try:
        first, last = (ipaddress.ip_address(each.strip()) for each in span.split("-"))
    except ValueError:
        return False
    same = address.version == first.version == last.version
    return same and int(first) <= int(address) <= int(last)


def _envoy(answer: Answer) -> str:
    """What in an answer tells of Envoy; empty where nothing does."""
    server = answer.header("server")
    if "envoy" in server.lower():
        return f"it answers with server: {printable(server, 60)}"
    own = next((name for name in answer.headers if name.startswith("x-envoy-")), "")
    return f"it answers with {printable(own, 60)}" if own else ""


CHECKS = (Check("TKG-1", "it runs outside of TKG", outside, "R1", ("NET-2",)),)
