"""TLS-7: which versions of TLS are spoken, and whether a FIPS build can speak any of them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from mirror.preflight.chains import CURVES
from mirror.preflight.everywhere import UNSEEN, worst
from mirror.preflight.handshakes import (
    Shaken,
    Trial,
    anything,
    at_once,
    hands,
    others,
    over_tls,
    served,
    shaken,
    trial,
)
from mirror.preflight.interface import Check, Status, Verdict, failed, passed, untold, warned
from mirror.preflight.member import Member
from mirror.preflight.scene import Scene

# Go's suites for TLS 1.2 (crypto/tls, cipher_suites.go); it has no DHE, and no CBC with SHA-2.
_GO = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM:RSA+AES:!SHA256:!SHA384:!AESCCM"
# Those of TLS 1.2 that FIPS builds have (crypto/tls, boring.go).
_FIPS = "ECDHE+AESGCM"
_GROUPS = ("prime256v1", "secp384r1")
# RSA keys that FIPS builds take (crypto/x509, boring.go).
_FIPS_RSA = (2048, 3072, 4096)

_V = ssl.TLSVersion
_OLD = {"TLS 1.1": _V.TLSv1_1, "TLS 1.0": _V.TLSv1}
_ENABLE = "have TLS 1.2 enabled: in nginx, ssl_protocols TLSv1.2 TLSv1.3"
_DISABLE = "have them disabled: in nginx, ssl_protocols TLSv1.2 TLSv1.3"
_SUITES = "in nginx, ssl_ciphers ECDHE+AESGCM"

# What OpenSSL says where the other side declined: an alert, or an answer in another version.
_DECLINED = re.compile("ALERT|UNSUPPORTED_PROTOCOL|WRONG_SSL_VERSION|WRONG_VERSION_NUMBER")


class Offer(Enum):
    """Whether the registry takes what was proposed."""

    YES = "offered"
    NO = "not offered"
    UNTOLD = "cannot be told"


def offer(last: Shaken) -> Offer:
    """What one handshake says.

    A server that hangs up has declined, as it is known to shake hands otherwise. What this side's
    OpenSSL cannot do itself, or silence, says nothing.
    """
    if last.error is None:
        return Offer.YES
    cut = isinstance(last.cause, ssl.SSLEOFError | ConnectionResetError | BrokenPipeError)
    return Offer.NO if cut or _DECLINED.search(last.reason) else Offer.UNTOLD


class Versions(NamedTuple):
    """What was found out, by the version's name: the newest first."""

    offers: dict[str, Offer]

    def those(self, wanted: Offer) -> list[str]:
        """The names of those with such an answer."""
        return [name for name, found in self.offers.items() if found is wanted]

    def __str__(self) -> str:
        return "\n".join(f"{name}: {found.value}" for name, found in self.offers.items())


def versions(scene: Scene, address: str) -> Versions:
    """A handshake for each version alone, with an address that shakes hands."""
    return Versions(
        {
            "TLS 1.3": asked(scene, address, _V.TLSv1_3),
            "TLS 1.2": asked(scene, address, _V.TLSv1_2, _GO),
            **{name: asked(scene, address, version) for name, version in _OLD.items()},
        }
    )


def asked(
    scene: Scene, address: str, version: ssl.TLSVersion, ciphers: str = "", group: str = ""
) -> Offer:
    """Whether it takes just this version, with one of these suites, on this curve."""
    try:
        context = anything(version, version)
        if ciphers:
            context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        if group:
            context.set_ecdh_curve(group)
    except (ValueError, ssl.SSLError):
        # Built without it.
        return Offer.UNTOLD
    return offer(shaken(scene, address, context))


@over_tls
def spoken(scene: Scene) -> Verdict:
    """TLS-7. TLS 1.2 or 1.3 with suites that Go has, nothing older; FIPS builds stop at 1.2.

    Each address is asked: with the same certificate, one may be another machine with other
    settings. What shakes no hands at all is the matter of TLS-1.
    """
    first = scene.once(served).address
    some = [each.address for each in scene.once(hands) if each.error is None]
    found = zip(some, at_once(lambda address: _spoken(scene, address), some), strict=True)
    return worst(scene, [("" if where == first else where, told) for where, told in found])


def _spoken(scene: Scene, address: str) -> Verdict:
    found = versions(scene, address)
    good = [name for name in ("TLS 1.3", "TLS 1.2") if name in found.those(Offer.YES)]
    lost = [name for name in ("TLS 1.3", "TLS 1.2") if name in found.those(Offer.UNTOLD)]
    if not good and not lost:
        summary = "it speaks neither TLS 1.3, nor TLS 1.2 with a cipher suite of TKG's clients"
        return failed(summary, str(found), fix=f"{_ENABLE}; {_SUITES}")
    against = _against_fips(scene, address, found) if scene.question.fips else None
    if against and against.status is Status.FAIL:
        return against
    if lost:
        summary = f"whether it speaks {' and '.join(lost)} cannot be told"
        return untold(summary, str(found), fix=_AGAIN)
    return against or _old(found, good)


_AGAIN = "run it again; where it stays so, see in its own log why it ends handshakes"
_FIX_FIPS = (
    "serve TLS 1.2 with ECDHE and AES-GCM on P-256 or P-384 (in nginx, ssl_ciphers ECDHE+AESGCM,"
    " ssl_ecdh_curve prime256v1:secp384r1), and certificates with RSA 2048, 3072, 4096 or EC keys"
)


def _old(found: Versions, good: Sequence[str]) -> Verdict:
    spoken = " and ".join(good)
    old = [name for name in found.those(Offer.YES) if name in _OLD]
    if old:
        summary = f"it speaks {' and '.join(old)} too, which are broken (RFC 8996)"
        return warned(summary, str(found), fix=_DISABLE)
    if list(good) == ["TLS 1.3"]:
        summary = "it speaks TLS 1.3 alone, and FIPS builds of TKG stop at TLS 1.2"
        return warned(summary, str(found), fix=_ENABLE)
    lost = [name for name in found.those(Offer.UNTOLD) if name in _OLD]
    if lost:
        summary = f"it speaks {spoken}; whether {' and '.join(lost)} too cannot be told from here"
        fix = f"ask another OpenSSL than {ssl.OPENSSL_VERSION}: openssl s_client -tls1 or -tls1_1"
        return untold(summary, str(found), fix=fix)
    return passed(f"it speaks {spoken}, and nothing older", str(found))


# --- FIPS -------------------------------------------------------------------------------------


def _against_fips(scene: Scene, address: str, found: Versions) -> Verdict | None:
    """What a FIPS build of Go (BoringCrypto) cannot do, if there is anything."""
    other = dict(scene.once(others)).get(address, scene.once(trial))
    if not isinstance(other, Trial):
        return untold(UNSEEN)
    groups = _groups(other.chain.leaf)
    offers = [asked(scene, address, _V.TLSv1_2, _FIPS, group) for group in groups]
    wrong = next(filter(None, map(not_for_fips, other.chain.members)), "")
    if Offer.YES not in offers and Offer.UNTOLD not in offers:
        wrong = _unshared(scene, address, found)
    if wrong:
        summary = f"FIPS builds of TKG cannot speak with it: {wrong}"
        return failed(summary, str(found), fix=_FIX_FIPS)
    if Offer.YES not in offers:
        return untold("whether FIPS builds of TKG can speak with it cannot be told", str(found))
    return None


def _unshared(scene: Scene, address: str, found: Versions) -> str:
    """What keeps a FIPS build from a handshake."""
    if found.offers["TLS 1.2"] is Offer.NO:
        return "they know nothing newer than TLS 1.2, and it does not speak that"
    if asked(scene, address, _V.TLSv1_2, _FIPS) is Offer.YES:
        return "it exchanges keys on no curve of P-256 and P-384"
    return "none of its cipher suites for TLS 1.2 is ECDHE with AES-GCM"


def _groups(leaf: Member) -> tuple[str, ...]:
    """A key on P-521 can sign only for who knows that curve, and FIPS builds do."""
    return (*_GROUPS, "secp521r1") if leaf.key.curve == "P-521" else _GROUPS


def not_for_fips(member: Member) -> str:
    """What is wrong with a certificate; nothing where FIPS builds take it."""
    key = member.key
    if (key.kind == "RSA" and key.bits in _FIPS_RSA) or (key.kind == "EC" and key.curve in CURVES):
        return ""
    return f"the key of {member.subject} is {key}"


CHECKS = (Check("TLS-7", "it speaks TLS 1.2 and 1.3, and nothing older", spoken, needs=("NET-6",)),)
