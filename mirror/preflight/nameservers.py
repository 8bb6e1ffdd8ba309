"""What name servers say about a name, /etc/hosts and every other source left out."""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from mirror.preflight.machine import Machine, read
from mirror.settings import DNS_SECONDS, DNS_SERVER_SECONDS
from mirror.text import printable

if TYPE_CHECKING:
    from dns.resolver import Resolver


class Told(NamedTuple):
    """The answer of this machine's name servers, A and AAAA together.

    Without addresses and without a ``fault``, they know no address of that name.
    """

    addresses: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    """Who was asked."""
    name: str = ""
    """The full name that has the addresses: with a domain of the search list, where it has one."""
    fault: str = ""
    """Why there is no answer at all."""
    note: str = ""
    """Why there is none about IPv6: some servers fail for AAAA alone."""

    @property
    def local(self) -> bool:
        """True where only this machine was asked: such servers often read /etc/hosts too."""
        return all(_loopback(server) for server in self.servers)


def ask(host: str, machine: Machine, seconds: float) -> Told:
    """Ask the name servers of /etc/resolv.conf, with its search list, for ``seconds`` at most.

    A server that is not there is told from one that is slow by nothing: questions go by UDP.
    """
    import dns.exception

    try:
        resolver = _resolver(machine)
    except (dns.exception.DNSException, ValueError, IndexError):
        return Told(fault=f"{machine.resolv} names no name server")
    resolver.lifetime = min(seconds, DNS_SECONDS)
    servers = tuple(printable(str(each)) for each in resolver.nameservers)
    with ThreadPoolExecutor(2) as pool:
        four = pool.submit(_one, resolver, host, "A")
        six = pool.submit(_one, resolver, host, "AAAA")
    (found, name, fault), (more, other, note) = four.result(), six.result()
    return Told(found + more, servers, name or other, fault, note)


def _one(resolver: Resolver, host: str, kind: str) -> tuple[tuple[str, ...], str, str]:
    """Addresses, the full name that has them, and why there is no answer.

    dnspython takes only what its question was answered with: another server's, another name's
    and torn messages count as none.
    """
    import dns.exception
    import dns.resolver

    try:
        answer = resolver.resolve(host, kind, search=True)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return (), "", ""
    except dns.resolver.LifetimeTimeout:
        return (), "", f"no answer within {resolver.lifetime:.0f} s"
    except (dns.exception.DNSException, OSError, ValueError) as cause:
        return (), "", printable(str(cause))
    # Servers shuffle them; two reports of one registry shall be the same.
    found = sorted({ipaddress.ip_address(record.address) for record in answer}, key=int)
    name = printable(answer.qname.to_text(omit_final_dot=True)).lower()
    return tuple(map(str, found)), name, ""


def _resolver(machine: Machine) -> Resolver:
    """A resolver for the servers of /etc/resolv.conf; ValueError or DNSException for none.

    systemd-resolved answers from /etc/hosts what it is asked at its own address, so the servers
    behind it are asked, which it lists in a file of its own.
    """
    import dns.resolver

    resolver = dns.resolver.Resolver(StringIO(read(machine.resolv)))
    if all(str(each) in ("127.0.0.53", "127.0.0.54") for each in resolver.nameservers):
        behind = read(machine.upstream)
        resolver = dns.resolver.Resolver(StringIO(behind)) if behind else resolver
    resolver.port = machine.dns_port
    resolver.timeout = DNS_SERVER_SECONDS
    return resolver


def _loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server).is_loopback
    except ValueError:
        return False
