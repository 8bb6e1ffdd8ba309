"""A chain of certificates as the clients of TKG judge it, which are written in Go. Pure.

Python's own handshake is not the verdict: it takes a certificate whose name stands in its CN
alone, and from 3.13 on it refuses private authorities that Go takes (both measured on 62 chains).
So the path is verified by cryptography's verifier with Go's rules about extensions, names are
compared as Go compares them (crypto/x509, verify.go), and what Go knows besides stands here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from mirror.preflight.member import Key, Member, Unreadable, member
from mirror.registry.chain import Evidence, Reason, explained
from mirror.settings import LARGEST_RSA, LEAST_RSA
from mirror.text import printable

if TYPE_CHECKING:
    # Imported where they are needed: only a preflight over TLS needs them.
    from cryptography.x509 import Certificate
    from cryptography.x509.verification import Policy, PolicyBuilder

# What registry.chain asks for: OpenSSL's numbers for a date, a missing issuer and a wrong name.
_DATE, _ISSUER, _NAME = 10, 20, 62

SERVER_AUTH, ANY_PURPOSE = "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
CURVES = frozenset({"P-256", "P-384", "P-521"})
_DIGESTS = frozenset({"sha256", "sha384", "sha512", "ed25519"})
_REISSUE = "have it reissued by a rule-abiding authority, or mend the authority's own certificate"
# The verifier's words for what ``weaknesses`` and ``_unhandled`` tell better.
_TOLD_BETTER = re.compile("Forbidden|RSA key is too weak|.*unaccounted-for critical")


class Chain(NamedTuple):
    """What a server sent, and what came of it against the ``anchors`` that are trusted."""

    sent: tuple[Member, ...]
    """Never empty; the leaf is first."""
    line: tuple[Member, ...]
    """The leaf, and after each the one that signed it, as far as those were sent."""
    anchor: Member | None
    """The trusted one that ends the line, or issued its end."""
    path: tuple[Member, ...]
    """From the leaf to what is trusted, as verified; empty where that failed."""
    words: str
    """The verifier's, where it failed."""
    anchors: Sequence[Certificate]
    now: datetime

    @property
    def leaf(self) -> Member:
        """The server's own."""
        return self.sent[0]

    @property
    def members(self) -> tuple[Member, ...]:
        """Every one that a client needs, the trusted one last, as far as they are known."""
        if self.path or self.anchor is None or self.anchor in self.line:
            return self.path or self.line
        return (*self.line, self.anchor)

    @property
    def rooted(self) -> bool:
        """What was sent leads to a trusted root, as clients of OpenSSL ask for."""
        if self.path and self.path[-1].own:
            return True
        roots = (each for each in self.anchors if each.subject == each.issuer)
        return any(issued(self.line[-1], each) for each in roots)

    @property
    def undecided(self) -> bool:
        """The verifier cannot judge it, and Go can: then it is for OpenSSL to say.

        It knows no authority with an Ed25519 key, and no critical policies or CRL places.
        """
        if self.path or self.anchor is None:
            return False
        if self.words.startswith("Forbidden"):
            issuers, digests = self.members[1:], {each.digest for each in self.members}
            return "ed25519" in digests or any(each.key.kind == "Ed25519" for each in issuers)
        known = not any(each.unhandled for each in self.members)
        return known and "unaccounted-for critical" in self.words

    def explained(self, code: int) -> Reason | None:
        """The sentence that a failed transfer would have for OpenSSL's ``code``, and its hint."""
        line = [each.certificate for each in self.line]
        with suppress(Exception):
            # What a parser leaves for later may be wrong in any anchor; nothing depends on it.
            return explained(Evidence(code, line, self.anchors, self.leaf.subject, self.now))
        return None


def judged(sent: Sequence[Member], anchors: Sequence[Certificate], now: datetime) -> Chain:
    """Look for a way from the leaf to an anchor, by Go's rules for everything but names."""
    line = _line(sent)
    path, words = _verified(sent, anchors, now)
    anchor = path[-1] if path else _anchor(line, anchors)
    return Chain(tuple(sent), line, anchor, path, words, anchors, now)


def refusals(chain: Chain, host: str) -> list[Reason]:
    """Why Go's clients refuse it for this host, the weightiest first; empty where they accept."""
    return list(_refusals(chain, host))


def _refusals(chain: Chain, host: str) -> Iterator[Reason]:
    wrong = [*weaknesses(chain), *_unhandled(chain)]
    if not chain.path:
        dated = chain.explained(_DATE)
        issuer = None if chain.anchor else chain.explained(_ISSUER)
        yield from (each for each in (dated, issuer) if each)
        better = _TOLD_BETTER.match(chain.words) and (wrong or chain.undecided)
        if not (dated or issuer or better):
            yield Reason(f"a rule is broken: {chain.words}", _REISSUE)
    yield from wrong
    if not matches(chain.leaf, host):
        yield misnamed(chain.leaf, host)


def _unhandled(chain: Chain) -> Iterator[Reason]:
    for each in chain.members:
        if each.unhandled:
            fact = f"{each.subject} has a critical extension {each.unhandled[0]}, unknown to Go"
            yield Reason(fact, "have it reissued without that extension, or with it not critical")


# --- keys and signatures ----------------------------------------------------------------------


def weaknesses(chain: Chain) -> Iterator[Reason]:
    """Keys and signatures that Go refuses, and RSA below 2048 bits, which others refuse.

    What is trusted needs no signature: the SHA-1 of an old root hurts nobody.
    """
    for each in chain.members:
        if found := weakness(each.key):
            yield Reason(f"the key of {each.subject} is {found}", _BETTER_KEY)
        if each != chain.anchor and each.digest not in _DIGESTS:
            yield Reason(f"{each.subject} is signed over {each.digest.upper()}", _BETTER_DIGEST)


_BETTER_KEY = "have it reissued with an RSA key of 2048 to 4096 bits, or EC on P-256 or P-384"
_BETTER_DIGEST = "have it reissued with a signature over SHA-256 (openssl x509 -sha256)"


def weakness(key: Key) -> str:
    """What is wrong with a key; nothing where all of TKG's clients take it."""
    if key.kind == "RSA":
        if key.bits < LEAST_RSA:
            return f"{key}, below {LEAST_RSA} bits"
        return f"{key}, above {LARGEST_RSA} bits" if key.bits > LARGEST_RSA else ""
    if key.kind == "EC":
        return "" if key.curve in CURVES else f"{key}, a curve that Go does not have"
    return "" if key.kind == "Ed25519" else f"{key}, a kind that Go does not have"


# --- names ------------------------------------------------------------------------------------


def matches(leaf: Member, host: str) -> bool:
    """Whether a certificate is for ``host``, a name or an address (x509.VerifyHostname)."""
    with suppress(ValueError):
        wanted = ipaddress.ip_address(host.strip("[]"))
        return any(_plain(wanted) == _plain(each) for each in leaf.addresses)
    name = host.removesuffix(".").lower()
    return any(_covers(pattern, name) for pattern in leaf.names)


def _plain(address: Any) -> Any:
    """Go compares ``::ffff:10.0.0.1`` as ``10.0.0.1``."""
    return getattr(address, "ipv4_mapped", None) or address


def _covers(pattern: str, name: str) -> bool:
    """A star stands for one whole label, and only for the first (RFC 6125, 6.4.3)."""
    if not pattern.isascii():
        return False
    said, asked = pattern.lower().split("."), name.split(".")
    if len(said) != len(asked) or not all(asked):
        return False
    first = said[0] == asked[0] or (said[0] == "*" and len(said) > 1)
    return first and said[1:] == asked[1:]


def misnamed(leaf: Member, host: str) -> Reason:
    """What its names are instead of ``host``."""
    wanted = f"IP:{host}" if _is_address(host) else f"DNS:{host}"
    names = ", ".join(leaf.alternatives) or "no name at all that counts (no subjectAltName)"
    fact = f"the certificate is for {printable(names, 120)}, and not for {wanted}"
    hint = f"have it reissued with subjectAltName={wanted}, or use a name that it is for"
    return Reason(fact, hint if leaf.alternatives else f"{hint}; a common name does not count")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


# --- the way to what is trusted ---------------------------------------------------------------


def _line(sent: Sequence[Member]) -> tuple[Member, ...]:
    """In the order of issue, by signatures; a server may send others too, in any order."""
    line, rest = [sent[0]], list(dict.fromkeys(sent[1:]))
    while not line[-1].own:
        above = next((each for each in rest if issued(line[-1], each.certificate)), None)
        if above is None:
            break
        rest.remove(above)
        line.append(above)
    return tuple(line)


def issued(below: Member, above: Certificate) -> bool:
    """Whether ``above`` is the issuer of ``below``, by name and signature."""
    from cryptography.exceptions import InvalidSignature

    try:
        if above.subject != below.certificate.issuer:
            return False
        below.certificate.verify_directly_issued_by(above)
    except InvalidSignature:
        return False
    except Exception:
        # A kind of signature that cannot be tested here, SHA-1 for one: by name it is the one.
        return True
    return True


def _anchor(line: Sequence[Member], anchors: Sequence[Certificate]) -> Member | None:
    """What is trusted of the line or as issuer of its end; a root rather than another one."""
    issuers = [each for each in anchors if issued(line[-1], each)]
    for each in sorted(issuers, key=lambda found: found.subject != found.issuer):
        with suppress(Unreadable):
            return member(each)
    trusted = set(anchors)
    return next((each for each in line if each.certificate in trusted), None)


def _verified(
    sent: Sequence[Member], anchors: Sequence[Certificate], now: datetime
) -> tuple[tuple[Member, ...], str]:
    """The way from the leaf to an anchor, or none and why.

    A client's certificate is what is asked for, since that has no name to be compared with: the
    verifier knows no name with an underscore, which Go and DNS do.
    """
    from cryptography.x509.verification import Store, VerificationError

    if not anchors:
        return (), "nothing is trusted"
    verifier = _rules().store(Store(list(anchors))).time(now).build_client_verifier()
    leaf, *others = (each.certificate for each in sent)
    try:
        found = verifier.verify(leaf, others).chain
        return tuple(member(each) for each in found), ""
    except VerificationError as cause:
        return (), _in_short(str(cause))
    except Exception as cause:
        # It is given what a hostile peer sent.
        return (), printable(f"{type(cause).__name__}: {cause}")


def _in_short(words: str) -> str:
    for noise in (
        r"^validation failed: ",
        r"^candidates exhausted: ",
        r"Python extension validator failed: ValueError: ",
        r" \(encountered processing .*",
        r"invalid extension: [\d.]+: ",
        r": AlgorithmIdentifier .*",
    ):
        words = re.sub(noise, "", words, flags=re.DOTALL)
    return printable(words)


@cache
def _rules() -> PolicyBuilder:
    """Go's, as near as they come: 59 of 62 chains by themselves, and the others by what is above.

    Extensions may be marked critical or not; private authorities often do not as RFC 5280 has it.
    """
    from cryptography import x509
    from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder

    either = Criticality.AGNOSTIC
    leaf = ExtensionPolicy.permit_all().may_be_present(x509.ExtendedKeyUsage, either, _serves)
    issuer = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, either, None)
        .may_be_present(x509.KeyUsage, either, _signs)
        .may_be_present(x509.ExtendedKeyUsage, either, _serves)
    )
    return PolicyBuilder().extension_policies(ca_policy=issuer, ee_policy=leaf)


def _signs(_policy: Policy, _certificate: Certificate, usage: Any) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an issuer may not sign certificates (keyUsage without keyCertSign)")


def _serves(_policy: Policy, _certificate: Certificate, purposes: Any) -> None:
    if purposes is not None and not {SERVER_AUTH, ANY_PURPOSE} & {
        each.dotted_string for each in purposes
    }:
        raise ValueError("it is not for servers (extendedKeyUsage without serverAuth)")


def strict_complaint(chain: Chain, host: str) -> str:
    """What clients with the rules of the public web hold against an accepted chain, if anything.

    Python from 3.13 on is one of them. Nothing is said where the verifier cannot read the name.
    """
    from cryptography.x509 import DNSName, IPAddress
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    address = _is_address(host)
    name = host.removesuffix(".")
    try:
        wanted = IPAddress(ipaddress.ip_address(host)) if address else DNSName(name)
        builder = PolicyBuilder().store(Store(list(chain.anchors))).time(chain.now)
        verifier = builder.build_server_verifier(wanted)
    except ValueError:
        return ""
    leaf, *others = (each.certificate for each in chain.sent)
    try:
        verifier.verify(leaf, others)
    except (VerificationError, ValueError) as cause:
        return _in_short(str(cause))
    return ""
