"""Why TLS with a registry failed, in one sentence, and what helps.

OpenSSL says which check failed and not on which certificate. A second handshake, unverified and
without a word of HTTP, fetches what the server presents, for the rules in ``chain``. Whatever
goes wrong on this way leaves OpenSSL's own words.
"""

from __future__ import annotations

import re
import ssl
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import httpx

from mirror.registry import tls
from mirror.registry.chain import Evidence, Reason, explained, issued, plain_hint
from mirror.registry.transport import proxy_for
from mirror.text import printable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Kind = TypeVar("Kind", bound=BaseException)

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
        return named(error, options)
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


def named(error: ssl.SSLError, options: tls.TlsOptions) -> Reason | None:
    """The reason where OpenSSL's own words say it well enough; None where they do not."""
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
    if url.scheme != "http" or proxy_for(url) or not _NOT_HTTP.search(str(cause)):
        return False
    try:
        return bool(tls.presented((url.host, url.port or 80), url.host, timeout))
    except ssl.SSLError as failure:
        # An alert is a word of TLS too.
        return "ALERT" in (failure.reason or "")
    except (OSError, ValueError):
        return False


# --- certificates -----------------------------------------------------------------------------

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
        return Reason(words, plain_hint(error.verify_code))
    return Reason(f"{reason.fact} ({words})", reason.hint)


def _evidence(
    error: ssl.SSLCertVerificationError,
    cause: Exception,
    options: tls.TlsOptions,
    timeout: float,
) -> Evidence | None:
    failed = _behind(cause, tls.HandshakeFailed)
    if failed is None or not isinstance(cause, httpx.RequestError) or proxy_for(cause.request.url):
        return None
    sent = tls.presented(failed.address, failed.name, timeout)
    chain, anchors = parsed(sent), parsed(tls.context(options).get_ca_certs(binary_form=True))
    if not chain or len(chain) != len(sent):
        return None
    return Evidence(error.verify_code, issued(chain), anchors, failed.name, datetime.now(UTC))


def parsed(certificates: Sequence[bytes]) -> list[Certificate]:
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
