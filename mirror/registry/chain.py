"""Why a presented chain of certificates is not trusted: which one fails, and what helps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from mirror.errors import Untrusted
from mirror.text import printable

if TYPE_CHECKING:
    # The classes themselves are imported where they are needed: only a failure needs them.
    from cryptography.x509 import Certificate, Name

# Numbers of OpenSSL's x509_vfy.h.
_DATES = frozenset({9, 10})
_NAMES = frozenset({62, 64})
_ISSUERS = frozenset({2, 18, 19, 20, 21})
_SIGNATURE = 7

_ANOTHER_NAME = "the certificate is another name's: use the name it was made for"
_RENEW = "renew the registry's certificate, or set this machine's clock"
_REPLACE = "have the certificate replaced: it breaks a rule that every client checks"
# Names of a certificate that are shown, and characters of a distinguished name.
_NAMES_SHOWN = 5
_LONGEST_NAME = 100


class Reason(NamedTuple):
    """The fact for a message, and the next step."""

    fact: str
    hint: str


class Evidence(NamedTuple):
    """What is known of a certificate that was not accepted.

    ``code`` is OpenSSL's X509_V_ERR number, ``path`` the presented chain in the order in which
    each was issued by the next (never empty), ``anchors`` is what is trusted, ``name`` the host
    that was asked for.
    """

    code: int
    path: Sequence[Certificate]
    anchors: Sequence[Certificate]
    name: str
    now: datetime


def plain_hint(code: int) -> str:
    """What helps where no more than OpenSSL's ``code`` is known."""
    if code in _NAMES:
        return _ANOTHER_NAME
    if code in _DATES:
        return _RENEW
    return Untrusted.hint if code in _ISSUERS else _REPLACE


def issued(chain: Sequence[Certificate]) -> list[Certificate]:
    """The leaf, and after each certificate the one that issued it, as far as they were sent.

    A server may send them in any order, and others as well (RFC 8446, 4.4.2).
    """
    path, rest = list(chain[:1]), list(chain[1:])
    while path and not _own_issuer(path[-1]):
        above = next((each for each in rest if each.subject == path[-1].issuer), None)
        if above is None:
            break
        rest.remove(above)
        path.append(above)
    return path


def explained(evidence: Evidence) -> Reason | None:
    """Which certificate fails, and on what; None where the evidence does not show it."""
    if evidence.code in _DATES:
        return _out_of_date(evidence)
    if evidence.code in _NAMES:
        return _another_name(evidence)
    top = evidence.path[-1]
    namesake = next((a for a in evidence.anchors if a.subject == top.issuer), None)
    if namesake is not None and evidence.code in (_SIGNATURE, *_ISSUERS):
        return None if _signed(top, namesake) else _another_key(top, namesake)
    return _no_issuer(evidence) if evidence.code in _ISSUERS else None


def _out_of_date(evidence: Evidence) -> Reason | None:
    clock = f"set this machine's clock, if it is wrong: it says {_day(evidence.now)}"
    top = evidence.path[-1].issuer
    for each in [*evidence.path, *(a for a in evidence.anchors if a.subject == top)]:
        start, end = each.not_valid_before_utc, each.not_valid_after_utc
        if end < evidence.now:
            fact = f"the certificate of {_shown(each.subject)} expired on {_day(end)}"
            return Reason(fact, f"have it renewed, or {clock}")
        if start > evidence.now:
            fact = f"the certificate of {_shown(each.subject)} is valid only from {_day(start)}"
            return Reason(fact, f"{clock}; or wait, or have it reissued")
    return None


def _another_name(evidence: Evidence) -> Reason:
    names = _alternative_names(evidence.path[0])
    if not names:
        fact = f"the certificate has no subject alternative name, and {evidence.name} was asked for"
        return Reason(fact, "have it reissued with that name: a common name alone does not count")
    told = printable(", ".join(names[:_NAMES_SHOWN]))
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    fact = f"the certificate is for {told}{more}, and {evidence.name} was asked for"
    return Reason(fact, "use a name it was made for, or have it reissued with the one asked for")


def _no_issuer(evidence: Evidence) -> Reason:
    top = evidence.path[-1]
    if not _own_issuer(top):
        return _not_sent(top, _likely_root(top, evidence.anchors))
    fact = f"the authority {_known(top)} is not trusted"
    if len(evidence.path) == 1:
        fact = f"the certificate {_known(top)} is self-signed, and not trusted itself"
    hint = "compare its SHA-256 with the registry's operator, then pass --ca-file FILE with it"
    return Reason(fact, hint)


def _another_key(top: Certificate, namesake: Certificate) -> Reason:
    """A name that is trusted under another key: an authority made anew, or an impostor."""
    fact = f"{_known(top)} is not signed by the trusted {_known(namesake)}, only by its name"
    return Reason(fact, "ask that authority's operator for its present certificate: --ca-file FILE")


def _not_sent(top: Certificate, root: Certificate | None) -> Reason:
    issuer = _shown(top.issuer)
    fact = f"{_known(top)} is issued by {issuer}, which is neither sent nor trusted"
    if root is None:
        hint = f"pass the certificate of {issuer} with --ca-file FILE; if its root is in there"
        return Reason(fact, f"{hint} already, the server must send the intermediate")
    return Reason(
        f"an intermediate is missing: {fact}, though {_shown(root.subject)} is",
        f"the server must send the intermediate {issuer}; until then, --ca-file FILE with it",
    )


def _likely_root(top: Certificate, anchors: Sequence[Certificate]) -> Certificate | None:
    """The trusted root at which a chain with its upper part missing would end.

    The authority key identifier may name it (RFC 5280, 4.2.1.1: the issuer's issuer); otherwise
    it is an authority of the same organisation as the issuer.
    """
    from cryptography.x509 import AuthorityKeyIdentifier, DirectoryName, ExtensionNotFound
    from cryptography.x509.oid import NameOID

    with suppress(ExtensionNotFound):
        key = top.extensions.get_extension_for_class(AuthorityKeyIdentifier).value
        names = [n.value for n in key.authority_cert_issuer or () if isinstance(n, DirectoryName)]
        for anchor in anchors:
            if anchor.subject in names:
                return anchor
    oid = NameOID.ORGANIZATION_NAME
    same = set(top.issuer.get_attributes_for_oid(oid))
    return next((a for a in anchors if same & set(a.subject.get_attributes_for_oid(oid))), None)


def _alternative_names(certificate: Certificate) -> list[str]:
    """The DNS names and addresses of a certificate, as ``DNS:name`` and ``IP:address``."""
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    names = [f"DNS:{name}" for name in found.get_values_for_type(DNSName)]
    names += [f"IP:{address}" for address in found.get_values_for_type(IPAddress)]
    return [printable(name, _LONGEST_NAME) for name in names]


def _signed(certificate: Certificate, issuer: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    return True


def _own_issuer(certificate: Certificate) -> bool:
    return certificate.subject == certificate.issuer


def _shown(name: Name) -> str:
    return f"'{printable(name.rfc4514_string(), _LONGEST_NAME)}'"


def _known(certificate: Certificate) -> str:
    """Its subject, and its fingerprint as ``openssl x509 -fingerprint -sha256`` writes it."""
    from cryptography.hazmat.primitives.hashes import SHA256

    digits = certificate.fingerprint(SHA256()).hex(":").upper()
    return f"{_shown(certificate.subject)} (SHA-256 {digits})"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
