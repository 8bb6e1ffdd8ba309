"""A machine that checks look at, made of files and of a name server on loopback.

    with NameServer({"harbor.corp.example": ["10.1.2.3"]}) as dns:
        found = look(names.resolves, "harbor.corp.example/tkg", machine(tmp_path, dns))

Its resolver does as glibc's with "hosts: files dns", and sends nothing: it reads the hosts file
and the records of the name server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mirror.errors import Side
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.interface import Verdict
from mirror.preflight.machine import Machine
from mirror.preflight.scene import Question, Scene, Target
from mirror.registry.access import Access
from mirror.registry.credentials import CredentialStore
from mirror.registry.lookup import NoAddress
from tests.fakes.nameserver import NameServer

HOST = "harbor.corp.example"


def machine(
    folder: Path,
    dns: NameServer | None = None,
    *,
    hosts: str = "",
    search: str = "",
    routes: Sequence[tuple[str, str, str]] = (),
    docker: str = "",
    environment: Mapping[str, str] | None = None,
    server: str = "127.0.0.1",
) -> Machine:
    """``routes`` as in /proc/net/route: interface, network and mask in hexadecimal."""
    (folder / "hosts").write_text(hosts)
    listed = f"nameserver {server}\n" if dns else ""
    (folder / "resolv.conf").write_text(f"{listed}search {search}\n" if search else listed)
    (folder / "daemon.json").write_text(docker)
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    lines = [
        f"{name}\t{net}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n" for name, net, mask in routes
    ]
    (folder / "route").write_text(head + "".join(lines))
    return Machine(
        resolve=_resolver(hosts, dns.records if dns else {}, search),
        hosts=folder / "hosts",
        resolv=folder / "resolv.conf",
        upstream=folder / "upstream.conf",
        dns_port=dns.port if dns else 1,
        routes=folder / "route",
        docker=folder / "daemon.json",
        environment=environment or {},
    )


def _resolver(
    hosts: str, records: Mapping[str, list[str]], search: str
) -> Callable[[str, int, float], tuple[str, ...]]:
    def resolve(host: str, port: int, seconds: float) -> tuple[str, ...]:
        lines = [line.split() for line in hosts.splitlines()]
        if found := tuple(words[0] for words in lines if host in words[1:]):
            return found
        for name in (host, *(f"{host}.{domain}" for domain in search.split())):
            if name in records:
                return tuple(records[name])
        raise NoAddress("Name or service not known")

    return resolve


def always(*places: str) -> Callable[[str, int, float], tuple[str, ...]]:
    """A resolver that knows one answer."""

    def resolve(host: str, port: int, seconds: float) -> tuple[str, ...]:
        return places

    return resolve


def scene(
    dest: str, where: Machine, cluster: Mapping[str, str] | None = None, *, plain_http: bool = False
) -> Scene:
    """What checks of ``dest`` look at from there."""
    access = Access(
        Side.DESTINATION, plain_http=plain_http, credentials=CredentialStore(environment={})
    )
    lines = {name: number for number, name in enumerate(cluster or {}, 1)}
    config = ClusterConfig("cluster.yaml", dict(cluster), lines) if cluster else None
    target = Target.parse(dest, plain_http=plain_http)
    return Scene(Question(target, access, cluster=config), machine=where)


def look(
    check: Callable[[Scene], Verdict],
    dest: str,
    where: Machine,
    cluster: Mapping[str, str] | None = None,
    *,
    plain_http: bool = False,
) -> Verdict:
    """What one check says."""
    with scene(dest, where, cluster, plain_http=plain_http) as asked:
        return check(asked)
