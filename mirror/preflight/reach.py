"""NET-6, NET-7: does it answer at every address, and does a proxy stand in between?"""

from __future__ import annotations

import errno
import shlex
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from mirror.preflight import proxies
from mirror.preflight.interface import Check, Verdict, failed, passed, untold, warned
from mirror.preflight.names import addresses, listed
from mirror.preflight.proxies import Proxy, bypassed
from mirror.preflight.scene import Scene
from mirror.registry.address import Address
from mirror.settings import MAX_ADDRESSES_TRIED, MAX_ERROR_SHOWN
from mirror.text import printable


class Attempt(NamedTuple):
    """One connection that was tried; ``fault`` is empty where it came about."""

    address: Address
    seconds: float
    source: str = ""
    """The address of this machine that it went out from."""
    fault: str = ""
    unrouted: bool = False
    """This machine has no way there: mostly no IPv6."""

    def __str__(self) -> str:
        if self.fault:
            return f"{self.address}: {self.fault}"
        return f"{self.address}: connected in {self.seconds * 1000:.1f} ms from {self.source}"


def _connect(address: Address, port: int, seconds: float) -> Attempt:
    began = time.perf_counter()
    try:
        with socket.create_connection((str(address), port), seconds) as wire:
            took = time.perf_counter() - began
            return Attempt(address, took, str(wire.getsockname()[0]))
    except TimeoutError:
        return Attempt(address, seconds, fault=f"no answer within {seconds:.0f} s")
    except OSError as cause:
        unrouted = cause.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
        fault = printable(cause.strerror or str(cause))
        return Attempt(address, time.perf_counter() - began, fault=fault, unrouted=unrouted)


def attempts(scene: Scene) -> tuple[Attempt, ...]:
    """A connection to each address, all at once; use it as ``scene.once(attempts)``."""
    places = addresses(scene)[:MAX_ADDRESSES_TRIED]
    port, seconds = scene.target.port, scene.seconds()
    with ThreadPoolExecutor(max(len(places), 1)) as pool:
        return tuple(pool.map(lambda place: _connect(place, port, seconds), places))


def answers(scene: Scene) -> Verdict:
    """NET-6. Clients take the address that they like best; a dead one is a pull that may fail."""
    tried, port = scene.once(attempts), scene.target.port
    dead = [each for each in tried if each.fault]
    told = "\n".join(map(str, tried))
    if len(dead) == len(tried):
        return _silent(scene, tried, told)
    told += f"\nfrom a node: curl -sv --max-time 5 -o /dev/null {_url(scene)}"
    barred = [each for each in dead if not each.unrouted]
    if barred:
        fix = f"let port {port} of it answer, or take it out of DNS"
        do = "does" if len(barred) == 1 else "do"
        what = f"{len(barred)} of {len(tried)} addresses {do} not answer on port {port}"
        return failed(f"{what}: {listed(barred)}", told, fix=fix, blocks=False)
    if dead:
        fix = "see from a node whether these answer, or take them out of DNS"
        what = f"this machine cannot see whether {listed([each.address for each in dead])} answers"
        return warned(f"{what}: {dead[0].fault}", told, fix=fix)
    left = len(addresses(scene)) - len(tried)
    if left:
        fix = "give the name a few addresses"
        was = "was" if left == 1 else "were"
        return warned(f"{len(tried)} addresses answer, and {left} {was} not tried", told, fix=fix)
    slowest = max(each.seconds for each in tried) * 1000
    what = f"{listed([each.address for each in tried])} on port {port} within {slowest:.1f} ms"
    return passed(f"connected to {what}", told)


def _silent(scene: Scene, tried: tuple[Attempt, ...], told: str) -> Verdict:
    """No address answers, so that nothing else can be asked."""
    port = scene.target.port
    if not tried:
        return untold(f"{scene.target.host} has no address to connect to")
    fix = "see routes and firewalls from here to it, and whether it is up"
    if any("refused" in each.fault for each in tried):
        fix = f"start the registry, or name its own port: nothing listens on {port}"
    return untold(f"it does not answer on port {port}: {listed(tried)}", told, fix=fix)


def _url(scene: Scene) -> str:
    return f"{_scheme(scene)}://{scene.target.authority}/v2/"


def _scheme(scene: Scene) -> str:
    return "http" if scene.question.access.plain_http else "https"


def straight(scene: Scene) -> Verdict:
    """NET-7. A proxy sees every image pass, and mostly cannot reach a private network at all."""
    host, port, scheme = scene.target.host, scene.target.port, _scheme(scene)
    here = proxies.of_environment(scene.machine.environment, scheme)
    nodes = proxies.of_cluster(scene.cluster, scheme)
    every = [*here, *nodes]
    told = "\n".join(f"{each.variable}: {each.shown}" for each in every)
    by = [each for each in every if not bypassed(each.no_proxy, host, port)]
    if not by:
        kept = f"{listed([each.variable for each in every])}: {host} is kept from it"
        return passed(kept if every else "no proxy is set", told)
    what = "; ".join(_way(scene, each) for each in by)
    return warned(what, told, fix="; ".join(_exempt(scene, each) for each in by))


def _way(scene: Scene, proxy: Proxy) -> str:
    if proxy.variable == "ALL_PROXY":
        return f"curl and this tool go there by {proxy.shown} (ALL_PROXY), which Go does not read"
    if proxy.variable.startswith("TKG_"):
        place = scene.cluster.place(proxy.variable)
        return f"nodes will go there by {proxy.shown} ({proxy.variable}, {place})"
    return f"clients in this shell go there by {proxy.shown} ({proxy.variable})"


def _exempt(scene: Scene, proxy: Proxy) -> str:
    """The setting that keeps the registry from a proxy, with what it has so far."""
    host = scene.target.host
    if proxy.variable.startswith("TKG_"):
        given = scene.cluster.get("TKG_NO_PROXY")
        return f'TKG_NO_PROXY: "{_and(given, host)}"'
    return f"export NO_PROXY={shlex.quote(_and(proxy.no_proxy, host))}"


def _and(given: str, host: str) -> str:
    """A list with one more entry; a long list only by its dots, as messages have one line."""
    if len(given) > MAX_ERROR_SHOWN // 2:
        return f"...,{host}"
    return f"{printable(given)},{host}" if given else host


CHECKS = (
    Check("NET-6", "every address answers", answers, needs=("NET-2",)),
    Check("NET-7", "no proxy stands in between", straight, needs=("NET-1",)),
)
