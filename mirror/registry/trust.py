"""Why TLS with a registry failed, in one sentence, and what helps.

OpenSSL says which check failed and not on which certificate. A second handshake, unverified and
without a word of HTTP, fetches what the server presents; the rules here compare that with what is
trusted. Whatever goes wrong on this way leaves OpenSSL's own words.
"""

from __future__ import annotations

import re
import ssl
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx

from mirror.errors import Untrusted
from mirror.registry import tls
from mirror.text import printable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name

Kind = TypeVar("Kind", bound=BaseException)


@dataclass(frozen=True, slots=True)
class Reason:
    """The fact for a message, and the next step."""

    fact: str
    hint: str


@dataclass(frozen=True, slots=True)
class Evidence:
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


# --- failures that OpenSSL names well enough --------------------------------------------------

_TLS_HERE = Reason(
    "it speaks TLS on this port, and was asked in plain HTTP",
    "leave --plain-http away, or name its port for plain HTTP",
)
_PLAIN_HERE = Reason(
    "it speaks plain HTTP on this port, or something else that is not TLS",
    "--plain-http, if that is meant; otherwise name its port for TLS",
)
_TOO_OLD = Reason(
    "it speaks no version of TLS from 1.2 on", "have TLS 1.2 or 1.3 switched on at the registry"
)
_NO_SUCH_NAME = Reason(
    "it serves no host of this name", "use the name that the registry was set up with"
)
_WANTS_CERTIFICATE = Reason(
    "it wants a client certificate", "pass one that it trusts: --cert-file with --key-file"
)
_ENDED = Reason(
    "it ended the handshake: it wants a client certificate, or shares no cipher",
    _WANTS_CERTIFICATE.hint,
)
_OTHER_CERTIFICATE = Reason(
    "it does not accept the client certificate",
    "name with --cert-file and --key-file a certificate of an authority that it trusts",
)

# Under TLS 1.2 a missing client certificate may be an alert of a failed handshake, as is no
# common cipher. OpenSSL 3.2 says RECORD_LAYER_FAILURE where older ones say WRONG_VERSION_NUMBER.
_SIGNS = (
    (re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE"), _PLAIN_HERE),
    (re.compile("UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION"), _TOO_OLD),
    (re.compile("UNRECOGNIZED_NAME"), _NO_SUCH_NAME),
    (re.compile("ALERT_HANDSHAKE_FAILURE"), _ENDED),
    (re.compile("ALERT_(UNKNOWN_CA|ACCESS_DENIED|[A-Z_]*CERTIFICATE)"), _WANTS_CERTIFICATE),
)

# What a TLS server does with a request in plain HTTP: an alert instead of a status line, or
# the end of the connection. Go's (net/http) and nginx answer 400 with these words.
_NOT_HTTP = re.compile("illegal (status|request) line|without sending a response|reset by peer")
_SAID = re.compile(rb"HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port")


def untrusted(cause: Exception, options: tls.TlsOptions, timeout: float) -> Reason | None:
    """Why the two sides cannot speak TLS; None where TLS is not what failed.

    ``cause`` is the HTTP library's error. May open one more connection to the same address, for
    ``timeout`` seconds at the most and never through a proxy.
    """
    error = _behind(cause, ssl.SSLError)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error, cause, options, timeout)
    if error is not None:
        return _named(error, options)
    return _TLS_HERE if _asked_in_plain(cause, timeout) else None


def said_in_plain(url: httpx.URL, status: int, body: bytes) -> Reason | None:
    """The reason where a server's answer says that ``url`` in plain HTTP is its port for TLS.

    A gateway's inner registry may say so too: then ``url`` is https and the matter is another.
    """
    return _TLS_HERE if status == 400 and url.scheme == "http" and _SAID.search(body) else None


def _behind(cause: BaseException | None, kind: type[Kind]) -> Kind | None:
    """The first error of this kind among what caused another one.

    The HTTP library raises some of its errors ``from None``, so the context is followed too; but
    not that of a system's error: that is the first in its row, and what came before is over.
    """
    while cause is not None and not isinstance(cause, kind):
        if isinstance(cause, OSError) and not isinstance(cause, tls.HandshakeFailed):
            return None
        cause = cause.__cause__ or cause.__context__
    return cause


def _named(error: ssl.SSLError, options: tls.TlsOptions) -> Reason | None:
    for sign, found in _SIGNS:
        if sign.search(error.reason or ""):
            reason = found
            if found in (_ENDED, _WANTS_CERTIFICATE) and options.cert_file is not None:
                reason = _OTHER_CERTIFICATE
            return Reason(f"{reason.fact} ({error.reason})", reason.hint)
    return None


def _asked_in_plain(cause: Exception, timeout: float) -> bool:
    """True where a request in plain HTTP got no answer, and a TLS handshake on its port does."""
    if not isinstance(cause, httpx.RemoteProtocolError | httpx.ReadError):
        return False
    url = cause.request.url
    if url.scheme != "http" or proxied(url) or not _NOT_HTTP.search(str(cause)):
        return False
    try:
        return bool(tls.presented((url.host, url.port or 80), url.host, timeout))
    except ssl.SSLError as failure:
        # An alert is a word of TLS too.
        return "ALERT" in (failure.reason or "")
    except (OSError, ValueError):
        return False


def proxied(url: httpx.URL) -> bool:
    """True where the environment sends requests for ``url`` through a proxy.

    Where the two disagree about NO_PROXY, the HTTP library goes directly more often than this
    says; then a diagnosis is left out.
    """
    proxies = getproxies()
    through = proxies.get(url.scheme) or proxies.get("all")
    return bool(through) and not proxy_bypass(url.netloc.decode("ascii"), proxies)


# --- certificates -----------------------------------------------------------------------------

# Numbers of OpenSSL's x509_vfy.h.
_DATES = frozenset({9, 10})
_NAMES = frozenset({62, 64})
_ISSUERS = frozenset({2, 7, 18, 19, 20, 21})

_ANOTHER_NAME = "the certificate is another name's: use the name it was made for"
_RENEW = "renew the registry's certificate, or set this machine's clock"
_REPLACE = "have the certificate replaced: it breaks a rule that every client checks"
# Names of a certificate that are shown, and characters of a distinguished name.
_NAMES_SHOWN = 5
_LONGEST_NAME = 100
# What is done about warnings is one setting of the whole process, and transfers run in threads.
_WARNINGS = threading.Lock()


def _certificate(
    error: ssl.SSLCertVerificationError,
    cause: Exception,
    options: tls.TlsOptions,
    timeout: float,
) -> Reason:
    words = printable(f"certificate verify failed: {error.verify_message.rstrip('.')}")
    reason = None
    # The parser meets what a hostile peer sends, and raises more than it documents; nothing of
    # that may hide the fault that is being explained.
    with suppress(Exception):
        evidence = _evidence(error, cause, options, timeout)
        reason = explained(evidence) if evidence else None
    if reason is None:
        return Reason(words, _plain_hint(error.verify_code))
    return Reason(f"{reason.fact} ({words})", reason.hint)


def _plain_hint(code: int) -> str:
    if code in _NAMES:
        return _ANOTHER_NAME
    if code in _DATES:
        return _RENEW
    return Untrusted.hint if code in _ISSUERS else _REPLACE


def _evidence(
    error: ssl.SSLCertVerificationError,
    cause: Exception,
    options: tls.TlsOptions,
    timeout: float,
) -> Evidence | None:
    failed = _behind(cause, tls.HandshakeFailed)
    if failed is None or not isinstance(cause, httpx.RequestError) or proxied(cause.request.url):
        return None
    sent = tls.presented(failed.address, failed.name, timeout)
    chain, anchors = _parsed(sent), _parsed(tls.context(options).get_ca_certs(binary_form=True))
    if len(chain) != len(sent):
        return None
    return Evidence(error.verify_code, issued(chain), anchors, failed.name, datetime.now(UTC))


def _parsed(certificates: Sequence[bytes]) -> list[Certificate]:
    """Those of them that can be read.

    Systems' stores hold odd ones, a serial number of zero for instance. The parser refuses some
    and warns of others, and the operator of this tool can mend neither.
    """
    # Imported here: only a failure needs it.
    from cryptography.x509 import load_der_x509_certificate

    found = []
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for der in certificates:
            with suppress(ValueError):
                found.append(load_der_x509_certificate(der))
    return found


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
    if not evidence.path:
        return None
    if evidence.code in _DATES:
        return _out_of_date(evidence)
    if evidence.code in _NAMES:
        return _another_name(evidence)
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
    namesake = next((a for a in evidence.anchors if a.subject == top.issuer), None)
    if namesake is not None:
        return _another_key(top, namesake)
    if not _own_issuer(top):
        return _not_sent(top, _likely_root(top, evidence.anchors))
    alone = len(evidence.path) == 1
    fact = f"the certificate {_known(top)} is self-signed, and not trusted itself"
    if not alone:
        fact = f"the authority {_known(top)} is not trusted"
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
    same = set(top.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    oid = NameOID.ORGANIZATION_NAME
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
