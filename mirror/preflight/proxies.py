"""Which requests go by a proxy, as Go's clients decide it (golang.org/x/net/http/httpproxy). Pure.

Docker, containerd, imgpkg and the Tanzu CLI are written in Go. Python's and curl's rules differ:
they know no CIDR, or take a suffix that begins in the middle of a word.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

from mirror.preflight.cluster import ClusterConfig
from mirror.settings import MAX_NO_PROXY
from mirror.text import printable


class Proxy(NamedTuple):
    """One proxy that is set: by which variable, where it is, and what is kept from it."""

    variable: str
    url: str
    no_proxy: str

    @property
    def shown(self) -> str:
        """Host and port alone: what stands before the last ``@`` is a password, or may be."""
        place = self.url.rpartition("@")[2].rpartition("://")[2]
        return printable(place.partition("/")[0]) or "a proxy"


def bypassed(no_proxy: str, host: str, port: int) -> bool:
    """True where a NO_PROXY keeps a host, without brackets, from the proxy.

    Never proxied are localhost and loopback addresses. An entry is ``*``, an address, a CIDR, which
    only an address in the URL can match, ``example.com`` with all below it, or ``.example.com``
    and ``*.example.com`` for what is below alone; each but a CIDR may end with a port.
    """
    address = _address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    entries = no_proxy[:MAX_NO_PROXY].lower().split(",")
    return any(_matches(entry.strip(), host, address, port) for entry in entries)


def _matches(
    entry: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int
) -> bool:
    if entry == "*":
        return True
    if entry.rpartition("/")[2].isdecimal() and (network := _network(entry)):
        return address is not None and address in network
    name, wanted = _split(entry)
    if not name or wanted not in ("", str(port)):
        return False
    if literal := _address(name):
        return literal == address
    name = name[1:] if name.startswith("*.") else name
    return host.endswith(name) if name.startswith(".") else f".{host}".endswith(f".{name}")


def _split(entry: str) -> tuple[str, str]:
    """Host and port, as Go's net.SplitHostPort; what is no such pair is a host as a whole."""
    name, colon, port = entry.rpartition(":")
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1], port
    if entry.startswith("[") or ":" in name or not colon:
        return entry, ""
    return name, port


def of_environment(environment: Mapping[str, str], scheme: str) -> list[Proxy]:
    """What this shell's variables say for requests of a scheme, ``http`` or ``https``.

    Go does not read ALL_PROXY; this tool, curl and others do, where nothing else is set.
    """
    no_proxy = _either(environment, "NO_PROXY")
    names = (f"{scheme.upper()}_PROXY", "ALL_PROXY")
    found = ((name, _either(environment, name)) for name in names)
    return [Proxy(name, url, no_proxy) for name, url in found if url][:1]


def of_cluster(cluster: ClusterConfig, scheme: str) -> list[Proxy]:
    """What the nodes of a cluster will have, if TKG_HTTP_PROXY is set: TKG looks at that alone.

    It adds to TKG_NO_PROXY what it knows itself (tanzu-framework, ``get_no_proxy``).
    """
    plain = cluster.get("TKG_HTTP_PROXY")
    if not plain:
        return []
    variable = "TKG_HTTPS_PROXY" if scheme == "https" else "TKG_HTTP_PROXY"
    own = {"aws": "AWS_VPC_CIDR", "azure": "AZURE_VNET_CIDR"}
    provider = own.get(cluster.get("INFRASTRUCTURE_PROVIDER"), "")
    added = [
        cluster.get("TKG_NO_PROXY"),
        cluster.get(provider) if provider else "",
        cluster.get("SERVICE_CIDR", "100.64.0.0/13"),
        cluster.get("CLUSTER_CIDR", "100.96.0.0/11"),
        ".svc,.svc.cluster.local",
    ]
    return [Proxy(variable, cluster.get(variable) or plain, ",".join(filter(None, added)))]


def _either(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None
