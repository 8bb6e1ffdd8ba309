"""TLS-2 to TLS-6: what is right and wrong with each certificate, trusted or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bom.errors import ReferenceFault
from mirror.preflight.chains import (
    ANY_PURPOSE,
    SERVER_AUTH,
    Chain,
    matches,
    misnamed,
    weaknesses,
)
from mirror.preflight.clock import difference
from mirror.preflight.everywhere import of_chains
from mirror.preflight.handshakes import Trial, others, over_tls, trial
from mirror.preflight.interface import Check, Verdict, failed, passed, untold, warned
from mirror.preflight.member import Member
from mirror.preflight.scene import Scene, Target
from mirror.preflight.wording import counted
from mirror.settings import VALID_AT_LEAST, VALID_BETTER
from mirror.text import printable

# --- TLS-2: the chain as served ---------------------------------------------------------------

# OpenSSL's number for a missing issuer.
_ISSUER = 20
_BUNDLE = "cat server.pem intermediate.pem > fullchain.pem, and serve that file"


@over_tls
def complete(scene: Scene) -> Verdict:
    """TLS-2. The server sends all but the root: clients fetch nothing (RFC 5246, 7.4.2)."""
    return of_chains(scene, _complete)


def _complete(chain: Chain) -> Verdict:
    detail = "\n".join(_remarks(chain))
    if chain.anchor is None:
        return _ends_nowhere(chain, detail)
    if chain.rooted:
        sent = counted(len(chain.sent), "certificate")
        return passed(f"it sends a complete chain ({sent})", detail)
    name = chain.anchor.subject
    if chain.anchor in chain.sent:
        summary = f"what is trusted is {name}, which is no root: OpenSSL's clients refuse that"
        return warned(summary, detail, fix="put the root of the chain into the CA file as well")
    summary = f"it does not send the intermediate {name}: it works only where that is trusted"
    fix = f"have the server send it ({_BUNDLE}), and trust the root instead"
    return warned(summary, detail, fix=fix)


def _ends_nowhere(chain: Chain, detail: str) -> Verdict:
    """Nothing is trusted of it; it may be complete all the same."""
    end = chain.line[-1]
    if end.own:
        summary = f"it sends a complete chain, up to {end.subject}, which is not trusted (TLS-1)"
        return passed(summary, detail)
    reason = chain.explained(_ISSUER)
    if reason and "intermediate is missing" in reason.fact:
        return failed(reason.fact, detail, fix=f"have the server send it: {_BUNDLE}")
    summary = f"{end.issuer} is neither sent nor trusted: it may be a root, or an intermediate"
    fix = reason.hint if reason else f"name the root of {end.issuer} with --ca-file FILE"
    return untold(summary, detail, fix=fix)


def _remarks(chain: Chain) -> Iterator[str]:
    """What clients put up with."""
    sent = list(chain.sent)
    if sent[: len(chain.line)] != list(chain.line):
        yield "sent in another order than that of issue, which clients accept"
    for each in sent:
        if each not in chain.members and each not in chain.line:
            yield f"sent and not needed: {each.subject}"
    if len(chain.line) > 1 and chain.line[-1].own:
        yield f"the root {chain.line[-1].subject} is sent too, which nobody needs"
    for place in chain.line[-1].issued_at:
        yield f"its issuer is to be had, by its own word, at {place}"


# --- TLS-3: names -----------------------------------------------------------------------------


@over_tls
def named(scene: Scene) -> Verdict:
    """TLS-3. Names and addresses of subjectAltName alone count (x509.VerifyHostname)."""
    hosts = list(_hosts(scene))
    return of_chains(scene, lambda chain: _named(chain.leaf, hosts))


def _named(leaf: Member, hosts: Sequence[str]) -> Verdict:
    detail = printable(f"subjectAltName: {', '.join(leaf.alternatives) or 'none'}")
    for host in hosts:
        if not matches(leaf, host):
            wrong = misnamed(leaf, host)
            return failed(wrong.fact, detail, fix=wrong.hint)
    return passed(f"it is made for {' and '.join(hosts)}", detail)


def _hosts(scene: Scene) -> Iterator[str]:
    """The one that was asked for, and the one that clusters will ask for."""
    yield scene.target.host
    text = scene.cluster.get("TKG_CUSTOM_IMAGE_REPOSITORY")
    try:
        host = Target.parse(text).host if text else scene.target.host
    except ReferenceFault:
        # Which is told by the checks of the cluster configuration.
        return
    if host != scene.target.host:
        yield host


# --- TLS-4: validity --------------------------------------------------------------------------


@over_tls
def valid(scene: Scene) -> Verdict:
    """TLS-4. Every certificate of the chain, the trusted one too, is valid now and for a while."""
    chain = scene.once(trial).chain
    found = dict.fromkeys((*chain.members, *_elsewhere(scene)))
    detail = "\n".join(f"{each.subject}: {_span(each)}" for each in found)
    early = max(found, key=lambda each: each.begins)
    if early.begins > chain.now:
        clock = f"the clock here says {_day(chain.now)}, and {difference(scene)}"
        summary = f"{early.subject} is valid only from {_day(early.begins)}; {clock}"
        return failed(summary, detail, fix="set the clock that is wrong, or wait, or reissue it")
    first = min(found, key=lambda each: each.ends)
    left = first.ends - chain.now
    if left < timedelta(0):
        summary = f"{first.subject} expired on {_day(first.ends)}; {difference(scene)}"
        return failed(summary, detail, fix="have it renewed; or set the clock that is wrong")
    summary = f"{first.subject} is the first to expire, on {_day(first.ends)}: in {left.days} days"
    if left < timedelta(days=VALID_AT_LEAST):
        return failed(summary, detail, fix="renew it before the installation begins")
    if left < timedelta(days=VALID_BETTER):
        return warned(summary, detail, fix="renew it: nodes made after that day cannot pull")
    return passed(summary, detail)


def _elsewhere(scene: Scene) -> Iterator[Member]:
    """Certificates of its other addresses, where they have others; what has none is for TLS-1."""
    for _address, each in scene.once(others):
        if isinstance(each, Trial):
            yield from each.chain.members


def _span(member: Member) -> str:
    return f"{_day(member.begins)} to {_day(member.ends)}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


# --- TLS-5: strength --------------------------------------------------------------------------


@over_tls
def strong(scene: Scene) -> Verdict:
    """TLS-5. Keys and signatures that Go and OpenSSL take, at every place of the chain."""
    return of_chains(scene, _strong)


def _strong(chain: Chain) -> Verdict:
    detail = "\n".join(
        f"{each.subject}: {each.key}, signed over {each.digest}" for each in chain.members
    )
    wrong = list(weaknesses(chain))
    if wrong:
        facts = "\n".join(each.fact for each in wrong)
        return failed(wrong[0].fact, f"{facts}\n{detail}", fix=wrong[0].hint)
    keys = ", ".join(dict.fromkeys(str(each.key) for each in chain.members))
    return passed(f"keys and signatures are strong enough: {keys}", detail)


# --- TLS-6: what the leaf may be used for -----------------------------------------------------

_REISSUE = (
    "have it reissued as a server's: basicConstraints CA:FALSE,"
    " keyUsage digitalSignature, extendedKeyUsage serverAuth"
)


@over_tls
def usable(scene: Scene) -> Verdict:
    """TLS-6. The server's own certificate is one for servers, and no authority's."""
    return of_chains(scene, lambda chain: _usable(chain.leaf))


def _usable(leaf: Member) -> Verdict:
    detail = "\n".join(_usage(leaf))
    if wrong := _unusable(leaf):
        return failed(wrong, detail, fix=_REISSUE)
    odd = list(_oddities(leaf))
    if odd:
        return warned("; ".join(odd), detail, fix=_REISSUE)
    return passed("the certificate is a server's", detail)


def _unusable(leaf: Member) -> str:
    if leaf.purposes is not None and not {SERVER_AUTH, ANY_PURPOSE} & leaf.purposes:
        return "its extendedKeyUsage leaves out serverAuth: every client refuses that"
    if leaf.unhandled:
        return f"it has a critical extension that Go does not know: {leaf.unhandled[0]}"
    return ""


def _oddities(leaf: Member) -> Iterator[str]:
    """What Go takes and others do not, or what makes trouble later."""
    if leaf.own:
        yield "it is self-signed: every renewal must be given to every node"
    if leaf.authority:
        yield "it is an authority's (CA:TRUE): whoever has its key can sign for any name"
    if leaf.purposes is not None and SERVER_AUTH not in leaf.purposes:
        yield "its extendedKeyUsage is anyExtendedKeyUsage alone: OpenSSL's clients refuse it"
    serves = {"digital_signature", "key_encipherment", "key_agreement"}
    if leaf.usage is not None and not leaf.usage & serves:
        yield "its keyUsage has no digitalSignature: OpenSSL's clients refuse it"


def _usage(leaf: Member) -> Iterator[str]:
    yield f"basicConstraints: {'none' if leaf.authority is None else f'cA {leaf.authority}'}"
    for name, found in (("keyUsage", leaf.usage), ("extendedKeyUsage", leaf.purposes)):
        yield f"{name}: {'none' if found is None else ', '.join(sorted(found)) or 'empty'}"


CHECKS = (
    Check("TLS-2", "the chain is complete as served", complete, "R3", ("NET-6",)),
    Check(
        "TLS-3", "its certificate is for the name or address that is used", named, "R3", ("NET-6",)
    ),
    Check("TLS-4", "every certificate of the chain is valid", valid, "R3", ("NET-6",)),
    Check("TLS-5", "keys and signatures are strong enough", strong, "R3", ("NET-6",)),
    Check("TLS-6", "its certificate is a server's", usable, "R3", ("NET-6",)),
)
