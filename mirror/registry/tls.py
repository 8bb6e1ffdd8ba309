"""TLS as the clients that will pull see it: Go's rules, as near as Python's ssl comes."""

from __future__ import annotations

import base64
import binascii
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mirror.errors import InputFault, MachineFault
from mirror.settings import MAX_SMALL_FILE

# RFC 7468, "Strict" (section 3): what every certificate authority hands out.
_BLOCK = re.compile(
    rb"-----BEGIN CERTIFICATE-----\r?\n((?:[A-Za-z0-9+/=]{1,76}\r?\n)+)-----END CERTIFICATE-----"
)
_PLAIN_FILE = re.compile(rb"(?:\s*%b[ \t]*(?=[\r\n]|\Z))+\s*" % _BLOCK.pattern)


class TlsOptions(NamedTuple):
    """What the operator says about TLS. ``insecure`` skips verification and nothing else."""

    ca_files: Sequence[Path] = ()
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure: bool = False
    authorities: bytes = b""
    """PEM that is trusted besides, where it comes from no file of its own."""


class HandshakeFailed(OSError):
    """A handshake that failed: at which ``address`` (as the socket has it), for which ``name``.

    Its ``__cause__`` is OpenSSL's error and its text is that error's.
    """

    def __init__(self, cause: ssl.SSLError, address: Any, name: str) -> None:
        super().__init__(str(cause))
        self.address = address
        self.name = name


class _Context(ssl.SSLContext):
    """Asks for a host without the dot that may end its name, and tells where a handshake failed.

    Go strips that dot too; certificates never have it (RFC 5280, 4.2.1.6; RFC 6066, 3). The
    system's authorities are read at the first handshake: 40 ms, which plain HTTP need not spend.
    """

    _reading = threading.Lock()
    _read = False

    def ready(self) -> None:
        """Read the system's authorities, once."""
        with self._reading:
            if not self._read:
                self.load_default_certs()
                self._read = True

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        self.ready()
        name, address = _undotted(server_hostname), sock.getpeername()
        try:
            return super().wrap_socket(
                sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, name, session
            )
        except ssl.SSLError as cause:
            raise HandshakeFailed(cause, address, name or "") from cause

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        self.ready()
        name = _undotted(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, name, session)


def _undotted(name: str | bytes | None) -> str | None:
    text = name.decode("ascii") if isinstance(name, bytes) else name
    return text.removesuffix(".") if text else text


def context(options: TlsOptions) -> ssl.SSLContext:
    """The same, all its authorities read: for whoever looks at them."""
    made = later_context(options)
    made.ready()
    return made


def later_context(options: TlsOptions) -> _Context:
    """The context for every connection; raises InputFault or MachineFault for unusable files.

    Set so that it agrees with Go's crypto/tls (62 certificate cases, measured): an
    intermediate in the trust store is an anchor, a private CA may lack key usage (which
    VERIFY_X509_STRICT, the default from Python 3.13 on, would not allow), a name only in the
    subject's CN does not count.
    """
    made = _Context(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.hostname_checks_common_name = False
    for path in options.ca_files:
        _trust(made, path)
    if options.authorities:
        made.load_verify_locations(cadata=options.authorities.decode("ascii"))
    _add_client_certificate(made, options)
    if options.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _trust(made: ssl.SSLContext, path: Path) -> None:
    raw = _read_ca(path)
    plain = _plain(raw)
    try:
        made.load_verify_locations(cadata=plain or _parsed(path, raw, pem=False))
    except ssl.SSLError as cause:
        if plain:
            # Whose words say more of what is wrong.
            _parsed(path, raw, pem=False)
        # Two parsers read it, and OpenSSL's may refuse what the first one let through.
        raise InputFault("not a CA file", fact=f"{path}: {cause.reason}") from None


def _plain(raw: bytes) -> bytes:
    """The certificates of a CA file that holds nothing else and nothing odd, as DER.

    Empty for any other file, which cryptography reads: loading that takes 40 ms. OpenSSL's own
    reader of PEM is of no use for either: it passes over what it does not know without a word.
    """
    if not _PLAIN_FILE.fullmatch(raw):
        return b""
    found = b""
    for block in _BLOCK.findall(raw):
        text = b"".join(block.split())
        try:
            der = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            return b""
        if binascii.b2a_base64(der, newline=False) != text:
            # More "=" than are needed, or bits behind the last byte.
            return b""
        # One sequence of 256 bytes to 64 KiB (X.690, 8.1.3), and not a byte behind it.
        if der[:2] != b"\x30\x82" or int.from_bytes(der[2:4], "big") + 4 != len(der):
            return b""
        found += der
    return found


def _read_ca(path: Path) -> bytes:
    """The PEM text of a CA file that holds PEM, or base64 of PEM as TKG's variables do."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SMALL_FILE)
    except FileNotFoundError:
        raise InputFault("no such CA file", fact=str(path)) from None
    except OSError as cause:
        raise MachineFault.from_os("cannot read a CA file", cause) from cause
    if b"-----BEGIN" in raw:
        return raw
    try:
        decoded = base64.b64decode(b"".join(raw.split()), validate=True)
    except binascii.Error:
        decoded = b""
    if b"-----BEGIN" not in decoded:
        raise InputFault("not a CA file", fact=f"{path}: neither PEM nor base64 of PEM")
    return decoded


def certificates(path: Path, *, pem: bool) -> bytes:
    """The certificates of a CA file as PEM or, for OpenSSL, one DER after the other.

    Made anew from what was parsed: such a file may hold a private key as well, or text, and
    these go nowhere.
    """
    return _parsed(path, _read_ca(path), pem=pem)


def _parsed(path: Path, raw: bytes, *, pem: bool) -> bytes:
    # Imported here: it takes 40 ms.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError as cause:
        raise InputFault("not a CA file", fact=f"{path}: {cause}") from None
    form = Encoding.PEM if pem else Encoding.DER
    return b"".join(certificate.public_bytes(form) for certificate in found)


def _add_client_certificate(made: ssl.SSLContext, options: TlsOptions) -> None:
    if options.cert_file is None:
        return
    try:
        # An empty password instead of none: with none OpenSSL would ask at the terminal.
        made.load_cert_chain(options.cert_file, options.key_file, password="")
    except ssl.SSLError as cause:
        reason = cause.reason or "not PEM, or encrypted"
        fact = f"{options.cert_file} with {options.key_file}: {reason}"
        raise InputFault("not a client certificate with its key", fact=fact) from None
    except FileNotFoundError:
        fact = f"{options.cert_file} with {options.key_file}"
        raise InputFault("no such client certificate or key", fact=fact) from None
    except OSError as cause:
        raise MachineFault.from_os(
            "cannot read the client certificate or its key", cause
        ) from cause


def presented(address: Any, name: str, timeout: float) -> list[bytes]:
    """The certificates that a server sends, each as DER, leaf first, none of them verified.

    A handshake and nothing more: no HTTP, no credentials, no client certificate. It ends after
    ``timeout`` seconds. Raises OSError.
    """
    ends = time.monotonic() + timeout
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE
    asking.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(address[:2], timeout) as raw:
        # Of a whole handshake, not of each of its reads: a slow peer cannot stretch it.
        raw.settimeout(max(ends - time.monotonic(), 0.001))
        with asking.wrap_socket(raw, server_hostname=name or None) as wrapped:
            return unverified_chain(wrapped)


def unverified_chain(wrapped: Any) -> list[bytes]:
    """DER, leaf first; the call is public from Python 3.13 on, and the same one before."""
    if sys.version_info >= (3, 13):
        found: list[bytes] = wrapped.get_unverified_chain()
        return found
    der = 2  # _ssl.ENCODING_DER
    return [each.public_bytes(der) for each in wrapped._sslobj.get_unverified_chain() or ()]
