"""TLS-1: would the clients of TKG trust this registry?"""

from __future__ import annotations

from collections.abc import Iterator

from mirror.errors import Misbehaved, RegistryFault, Unreachable, Untrusted
from mirror.preflight.chains import strict_complaint
from mirror.preflight.handshakes import Trial, fault_of, others, served, trial
from mirror.preflight.interface import Check, Verdict, failed, passed, warned
from mirror.preflight.scene import Scene
from mirror.preflight.service import root
from mirror.preflight.wording import advice
from mirror.registry.chain import Reason

_CA = "TKG_CUSTOM_IMAGE_REPOSITORY_CA_CERTIFICATE"
_SERVE_TLS = "serve HTTPS, and leave --plain-http away: TKG has no switch for plain HTTP"
_NO_CLIENT = "switch the demand for client certificates off: TKG's clients have none to show"
_OTHER_KEY = "if it demands none, serve a certificate with an RSA or P-256 key"
_ALL_ADDRESSES = "let every address serve HTTPS on that port, or take it out of DNS"
_PORT = "serve HTTPS on that port (TKG has no switch for plain HTTP), or name the port that does"


def trusted(scene: Scene) -> Verdict:
    """TLS-1. A handshake, and the chain as Go judges it, at every address (requirement R3)."""
    if scene.question.access.plain_http:
        return _in_plain(scene)
    try:
        found = scene.once(trial)
    except (Untrusted, Misbehaved) as fault:
        return failed(f"no client of TKG can speak TLS with it: {fault.fact}", fix=_fix(fault))
    detail = _detail(scene, found)
    told = [*_refused(scene, found), *_elsewhere(scene)]
    if told:
        detail = "\n".join([*(each.fact for each in told), detail])
        return failed(f"TKG's clients refuse it: {told[0].fact}", detail, fix=_hint(told[0]))
    if found.wire.error is not None and not found.wire.distrusted:
        raise fault_of(scene, found.wire)
    return _accepted(scene, found, detail)


def _in_plain(scene: Scene) -> Verdict:
    """Whoever answers in plain HTTP fails; whoever does not answer is not judged."""
    try:
        scene.once(root)
    except Untrusted as fault:
        return failed(fault.fact, fix="leave --plain-http away, and it is checked as TKG sees it")
    return failed("it is asked in plain HTTP, which TKG cannot speak", fix=_SERVE_TLS)


def _fix(fault: RegistryFault) -> str:
    if "client certificate" in fault.fact:
        return f"{_NO_CLIENT}; {_OTHER_KEY}" if "no cipher" in fault.fact else _NO_CLIENT
    return _PORT if "plain HTTP" in fault.fact else advice(fault)


def _hint(reason: Reason) -> str:
    """What helps; where a CA file does, what is given to TKG in its place."""
    if "--ca-file" in reason.hint:
        return f"{reason.hint}; nodes need it too: {_CA} in the cluster configuration"
    return reason.hint


def _refused(scene: Scene, found: Trial) -> Iterator[Reason]:
    """Why it is refused: for its certificates, or by a handshake that failed otherwise."""
    yield from found.refusals(scene.target.host)
    if found.wire.error is not None and not (found.wire.silent or found.wire.distrusted):
        fault = fault_of(scene, found.wire)
        yield Reason(fault.fact, advice(fault))
    yield from _wants_certificate(scene)


def _wants_certificate(scene: Scene) -> Iterator[Reason]:
    """In TLS 1.3 a client hears only after the handshake that it should have shown one.

    A stranger verifies nothing, so nothing else can be wrong with its TLS by now.
    """
    try:
        scene.once(root)
    except Untrusted as fault:
        yield Reason(fault.fact, _fix(fault))
    except RegistryFault:
        # It may be wrong in every other way; that is the matter of API-1.
        return


def _elsewhere(scene: Scene) -> Iterator[Reason]:
    """A name with several addresses is as good as the worst of them."""
    for address, each in scene.once(others):
        if isinstance(each, Unreachable):
            yield Reason(f"at {address}: {each.fact}", _ALL_ADDRESSES)
        elif isinstance(each, RegistryFault):
            yield Reason(f"at {address}: {each.fact}", _fix(each))
        else:
            for reason in each.refusals(scene.target.host):
                yield Reason(f"at {address}: {reason.fact}", reason.hint)


def _accepted(scene: Scene, found: Trial, detail: str) -> Verdict:
    leaf, top = found.chain.leaf, found.chain.members[-1]
    if top == leaf and (leaf.own or not found.chain.rooted):
        summary = f"trusted only as itself: {leaf.subject} is the CA file's own certificate"
        fix = "have it signed by an authority: as it is, every renewal must be given to every node"
        return warned(summary, detail, fix=fix)
    doubts = list(_doubts(scene, found))
    if doubts:
        fix = "nothing has to be done for TKG; have it reissued with what stricter clients ask for"
        summary = f"TKG's clients trust it, and stricter ones do not: {doubts[0]}"
        return warned(summary, "\n".join([*doubts, detail]), fix=fix)
    return passed(f"its certificate {leaf.subject} is trusted, by {top.subject}", detail)


def _doubts(scene: Scene, found: Trial) -> Iterator[str]:
    """Who refuses what Go accepts: OpenSSL, and those with the rules of the public web."""
    if found.wire.distrusted:
        yield f"OpenSSL, and so this tool's own pushes: {found.wire.distrusted}"
    if found.chain.undecided:
        words = found.chain.words
        yield f"cryptography's, so that OpenSSL alone judged it: {words}"
    elif complaint := strict_complaint(found.chain, scene.target.host):
        yield f"rules of the public web, Python's since 3.13: {complaint}"


def _detail(scene: Scene, found: Trial) -> str:
    first = scene.once(served)
    lines = [f"{first.address} answered in {first.version} with {first.cipher}, and sent"]
    lines += [f"{number}. {each}" for number, each in enumerate(found.chain.sent, 1)]
    top = found.chain.members[-1]
    if found.chain.path:
        lines.append(f"trusted: {top}")
    return "\n".join(lines)


CHECKS = (Check("TLS-1", "TKG's clients trust its certificate", trusted, "R3", ("NET-6",)),)
