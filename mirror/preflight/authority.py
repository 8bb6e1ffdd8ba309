"""TLS-8: the authority that a cluster configuration gives to every node."""

from __future__ import annotations

import base64
import binascii
import ssl
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from mirror.errors import RegistryFault
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.handshakes import Trial, over_tls, served, trial, tried
from mirror.preflight.interface import Check, Verdict, failed, passed, skipped, warned
from mirror.preflight.scene import Scene
from mirror.registry.tls import TlsOptions
from mirror.text import printable

CA = "TKG_CUSTOM_IMAGE_REPOSITORY_CA_CERTIFICATE"
_SKIP = "TKG_CUSTOM_IMAGE_REPOSITORY_SKIP_TLS_VERIFY"
# What TKG's CLI takes in its place, the first that is set (helpers.go, v0.28.3).
_PROXY = ("PROXY_CA_CERT", "TKG_PROXY_CA_CERT")
_HOW = f"{CA}: the one line that base64 -w0 ca.pem prints"


class Useless(Exception):
    """A variable does not hold what it must; the text says what it holds instead."""


class Given(NamedTuple):
    """The certificates of a variable, as PEM made anew, and whether a private key was beside."""

    name: str
    pem: bytes
    has_key: bool


def decoded(name: str, text: str) -> Given:
    """What a variable holds, read as TKG reads it: standard base64 in one line, of PEM.

    Go's ``base64.StdEncoding``: no URL-safe alphabet, padding as it belongs. A line break at the
    very end is YAML's, and does no harm. Raises Useless.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    raw = _of_base64(text.rstrip("\n"))
    if b"-----BEGIN CERTIFICATE-----" not in raw:
        raise Useless("base64 of something that is not PEM" + (" but DER" * (raw[:1] == b"0")))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = x509.load_pem_x509_certificates(raw)
            pem = b"".join(each.public_bytes(Encoding.PEM) for each in found)
        # Two parsers read it, and OpenSSL's may refuse what the first one let through.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as cause:
        raise Useless(f"PEM that holds no good certificate: {printable(str(cause))}") from None
    return Given(name, pem, b"PRIVATE KEY-----" in raw)


def _of_base64(text: str) -> bytes:
    if "-----BEGIN" in text:
        raise Useless("PEM as it is, and not base64 of it")
    if any(each.isspace() for each in text):
        raise Useless("base64 in several lines, or with blanks in it")
    if "-" in text or "_" in text:
        raise Useless("URL-safe base64 (with - and _ in it)")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Useless("no base64") from None


def variable(cluster: ClusterConfig) -> tuple[str, str]:
    """The name and text of the variable that holds the registry's authority, if there is one."""
    name = next((each for each in (CA, *_PROXY) if cluster.get(each)), "")
    return name, cluster.get(name)


def authorities(cluster: ClusterConfig | None) -> bytes:
    """What a cluster configuration trusts besides, as PEM; nothing where that is of no use."""
    name, text = variable(cluster) if cluster else ("", "")
    try:
        return decoded(name, text).pem if text else b""
    except Useless:
        # TLS-8 tells it, in its place among the other findings.
        return b""


@over_tls
def carried(scene: Scene) -> Verdict:
    """TLS-8. With the cluster configuration's authority, and the system's, nodes trust it."""
    if scene.question.cluster is None:
        return _unasked(scene)
    name, text = variable(scene.cluster)
    try:
        given = decoded(name, text) if text else None
    except Useless as cause:
        where = f"{name} ({scene.cluster.place(name)})"
        return failed(f"{where} is {cause}", _paste(scene), fix=f"set {_HOW}")
    options = TlsOptions(authorities=given.pem if given else b"")
    found = tried(scene, scene.once(served), options)
    told = _refused(scene, found)
    if told and not scene.cluster.flag(_SKIP):
        return _untrusted(scene, given, found, told)
    doubts = list(_doubts(scene.cluster, given, found, told))
    if doubts:
        summary, fix = doubts[0]
        detail = "\n".join([*(each for each, _fix in doubts), _paste(scene)])
        return warned(summary, detail, fix=fix)
    if verdict := _only_here(given, found):
        return verdict
    if given is None:
        return passed("nodes need no authority for it: the system's store has one", _paste(scene))
    return passed(f"{name} makes nodes trust it", _paste(scene))


def _only_here(given: Given | None, found: Trial) -> Verdict | None:
    """What this machine's store has and no node: an authority that somebody put into it."""
    from cryptography import x509

    anchor = found.chain.anchor
    own = x509.load_pem_x509_certificates(given.pem) if given else []
    known = any(each.certificate in own for each in found.chain.members)
    if anchor is None or known or anchor.der in _public():
        return None
    has = f"{given.name} does not have it" if given else f"there is no {CA}"
    summary = f"only this machine's own store trusts {anchor.subject}, which is no public"
    paste = f"{CA}: {base64.b64encode(anchor.pem).decode('ascii')}"
    return failed(f"{summary} authority; nodes do not know it, and {has}", paste, fix=f"set {_HOW}")


def _public() -> frozenset[bytes]:
    """The authorities of the public web, by Mozilla's list, from which node images take theirs."""
    import certifi

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    return frozenset(context.get_ca_certs(binary_form=True))


def _unasked(scene: Scene) -> Verdict:
    fix = f"name the cluster configuration: --cluster-config FILE; it needs {_HOW}"
    return skipped("no cluster configuration was given", _paste(scene), fix=fix)


def _refused(scene: Scene, found: Trial) -> str:
    return next((each.fact for each in found.refusals(scene.target.host)), "")


def _untrusted(scene: Scene, given: Given | None, found: Trial, told: str) -> Verdict:
    if found.chain.anchor is not None:
        summary = f"its authority is known to nodes, and they refuse it all the same: {told}"
        return failed(summary, _paste(scene), fix="mend what TLS-1 says")
    if given is None:
        summary = f"the cluster configuration has no {CA}: {told}"
        return failed(summary, _paste(scene), fix=f"set {_HOW}")
    where = f"{given.name} ({scene.cluster.place(given.name)})"
    summary = f"with {where} nodes do not trust it: {told}"
    return failed(summary, _paste(scene), fix=f"set it to the authority of this registry; {_HOW}")


def _doubts(
    cluster: ClusterConfig, given: Given | None, found: Trial, told: str
) -> Iterator[tuple[str, str]]:
    """What works, and somebody should know; each with what mends it."""
    if cluster.flag(_SKIP):
        summary = f"{_SKIP} ({cluster.place(_SKIP)}) lets nodes pull from whoever answers"
        yield (f"{summary}; without it: {told}" if told else summary), f"remove {_SKIP}; set {_HOW}"
    for name in _PROXY:
        if cluster.get(CA) and cluster.get(name) and cluster.get(name) != cluster.get(CA):
            summary = f"{name} ({cluster.place(name)}) silently replaces {CA} in TKG's CLI"
            yield summary, f"remove {name}, or put both authorities into it, in one PEM file"
    if given and given.has_key:
        summary = f"{given.name} ({cluster.place(given.name)}) holds a private key as well"
        yield summary, f"make that key anew: every node has seen it. {_HOW}"
    leaf = found.chain.leaf
    if given and leaf == found.chain.anchor:
        summary = f"{given.name} is the registry's own certificate, not an authority's"
        yield summary, "name the authority instead: as it is, every renewal goes to every node"


def _paste(scene: Scene) -> str:
    """The line for a cluster configuration, where what makes validation succeed is known."""
    top = None
    with suppress(RegistryFault):
        # What is wrong with a variable can be said whatever the registry does.
        found = scene.once(trial)
        top = None if found.refusals(scene.target.host) else found.chain.anchor
    return f"{CA}: {base64.b64encode(top.pem).decode('ascii')}" if top else ""


CHECKS = (
    Check("TLS-8", "nodes are given the authority that they need", carried, needs=("NET-6",)),
)
