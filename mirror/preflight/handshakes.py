"""Handshakes with a registry, for what they show: no HTTP, no login, no client certificate."""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from mirror.errors import Misbehaved, RegistryFault, Unreachable, Untrusted
from mirror.preflight.chains import Chain, judged, refusals
from mirror.preflight.interface import Verdict, skipped, untold
from mirror.preflight.member import Unreadable, members
from mirror.preflight.scene import Scene
from mirror.registry import tls, trust
from mirror.registry.chain import Reason
from mirror.registry.lookup import NoAddress, addresses
from mirror.registry.tls import TlsOptions
from mirror.settings import MAX_ADDRESSES, MAX_CHAIN
from mirror.text import printable

if TYPE_CHECKING:
    # Imported where it is needed: only a preflight over TLS needs it.
    from cryptography.x509 import Certificate

Place = TypeVar("Place")
Found = TypeVar("Found")

_WHAT = "cannot look at its TLS"
# Whatever a peer may still speak: this looks, and trusts nothing.
_EVERY_CIPHER = "ALL:@SECLEVEL=0"


class Shaken(NamedTuple):
    """What one handshake ended with: ``error``, or a ``version`` and the certificates sent."""

    address: str
    version: str = ""
    cipher: str = ""
    sent: tuple[bytes, ...] = ()
    error: OSError | None = None
    connected: bool = False
    """Where there was an error: whether it took the connection, and then shook no hands."""

    @property
    def cause(self) -> BaseException | None:
        """The error below: OpenSSL's, or the system's."""
        return self.error.__cause__ if isinstance(self.error, tls.HandshakeFailed) else self.error

    @property
    def reason(self) -> str:
        """OpenSSL's word for what went wrong, ``WRONG_VERSION_NUMBER`` for one."""
        return (self.cause.reason or "") if isinstance(self.cause, ssl.SSLError) else ""

    @property
    def distrusted(self) -> str:
        """OpenSSL's words where it was the certificate that failed."""
        if isinstance(self.cause, ssl.SSLCertVerificationError):
            return printable(self.cause.verify_message.rstrip("."))
        return ""

    @property
    def silent(self) -> bool:
        """The peer said nothing: hanging up is no word either."""
        said = isinstance(self.cause, ssl.SSLError) and not isinstance(self.cause, ssl.SSLEOFError)
        return self.error is not None and not said


def shaken(scene: Scene, address: str, context: ssl.SSLContext) -> Shaken:
    """One handshake with one address, ended after ``scene.seconds()``; never raises OSError."""
    seconds = scene.seconds()
    ends, connected = time.monotonic() + seconds, False
    try:
        with socket.create_connection((address, scene.target.port), seconds) as raw:
            connected = True
            # Of the whole handshake: a slow peer cannot stretch it.
            raw.settimeout(max(ends - time.monotonic(), 0.001))
            # An address is never sent as a server name (RFC 6066, 3): ssl sees to that.
            with context.wrap_socket(raw, server_hostname=scene.target.host) as wrapped:
                return _told(address, wrapped)
    except ValueError as cause:
        # A name that cannot be asked for, a label of more than 63 characters for one.
        return Shaken(address, error=OSError(printable(str(cause))))
    except OSError as cause:
        return Shaken(address, error=cause, connected=connected)


def _told(address: str, wrapped: ssl.SSLSocket) -> Shaken:
    cipher = wrapped.cipher()
    sent = tuple(tls.unverified_chain(wrapped))
    return Shaken(address, wrapped.version() or "", cipher[0] if cipher else "", sent)


def anything(
    lowest: ssl.TLSVersion = ssl.TLSVersion.MINIMUM_SUPPORTED,
    highest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> ssl.SSLContext:
    """A context that takes whatever certificate and cipher it is given.

    Raises ValueError or ssl.SSLError where this OpenSSL was built without such a version.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers(_EVERY_CIPHER)
    with warnings.catch_warnings():
        # Old versions are asked for in order to warn of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version, made.maximum_version = lowest, highest
    return made


# --- what is gathered once --------------------------------------------------------------------


def places(scene: Scene) -> tuple[str, ...]:
    """The registry's addresses, by the system's resolver. Raises Unreachable."""
    target = scene.target
    try:
        found = addresses(target.host, target.port, scene.seconds())
    except NoAddress as cause:
        raise _fault(scene, Unreachable, f"{target.host} has no address: {cause}") from None
    return found


def hands(scene: Scene) -> tuple[Shaken, ...]:
    """What each address sends to a client that takes anything, in their order; all at once.

    At most MAX_ADDRESSES of them. Raises Unreachable where the name has none.
    """
    return at_once(lambda address: shaken(scene, address, anything()), scene.once(places))


def at_once(look: Callable[[Place], Found], those: Sequence[Place]) -> tuple[Found, ...]:
    """Look at several addresses in the time that the slowest of them takes."""
    with ThreadPoolExecutor(MAX_ADDRESSES) as pool:
        return tuple(pool.map(look, those[:MAX_ADDRESSES]))


def served(scene: Scene) -> Shaken:
    """What the first address that answers sends.

    Raises Unreachable where none answers, and Untrusted where what answers shakes no hands.
    """
    seen = scene.once(hands)
    last = next((each for each in seen if not each.silent), seen[-1])
    if last.error is not None:
        raise fault_of(scene, last)
    return last


def elsewhere(scene: Scene) -> tuple[Shaken, ...]:
    """What the other addresses send where it is not the same, or take a connection and send none.

    One that takes no connection is the matter of NET-6.
    """
    first = scene.once(served)
    rest = (each for each in scene.once(hands) if each.address != first.address)
    return tuple(each for each in rest if each.sent != first.sent and (each.sent or each.connected))


class Trial(NamedTuple):
    """The certificates of one address, judged as Go does, and as OpenSSL did in a handshake."""

    chain: Chain
    wire: Shaken

    def refusals(self, host: str) -> list[Reason]:
        """Why Go's clients refuse it for ``host``; OpenSSL speaks where it alone can judge."""
        found = refusals(self.chain, host)
        if self.chain.undecided and self.wire.distrusted:
            fact = f"certificate verify failed: {self.wire.distrusted}"
            found.append(Reason(fact, "have the certificate replaced: it breaks a rule"))
        return found


def trial(scene: Scene) -> Trial:
    """What ``served`` has, by what the operator's options and the cluster configuration trust.

    Raises what ``served`` raises, and Misbehaved for certificates that nobody can read.
    """
    return tried(scene, scene.once(served), scene.question.access.tls)


def tried(scene: Scene, seen: Shaken, options: TlsOptions) -> Trial:
    """The same of any handshake, against the system's store and the authorities of ``options``.

    The verdict does not depend on switches that are meant for transfers: TKG's nodes have no
    client certificate, and do verify. Raises Misbehaved for certificates that nobody can read,
    and what a second handshake failed on where OpenSSL has to judge.
    """
    if not 0 < len(seen.sent) <= MAX_CHAIN:
        fact = f"it sends {len(seen.sent)} certificates, and 1 to {MAX_CHAIN} make a chain"
        raise _fault(scene, Misbehaved, fact)
    try:
        sent = members(seen.sent)
    except Unreadable as cause:
        fact = f"it sends a certificate that cannot be read: {cause}"
        raise _fault(scene, Misbehaved, fact) from None
    context = tls.context(options._replace(cert_file=None, key_file=None, insecure=False))
    # Before the store is read: what lies in a directory is loaded when a handshake needs it.
    wire = shaken(scene, seen.address, context)
    found = judged(sent, _anchors(context, options), datetime.now(UTC))
    if found.undecided and wire.error is not None and not wire.distrusted:
        raise fault_of(scene, wire)
    return Trial(found, wire)


def others(scene: Scene) -> tuple[tuple[str, Trial | RegistryFault], ...]:
    """``elsewhere`` by address, each tried as ``tried`` does, or why that cannot be."""

    def look(seen: Shaken) -> tuple[str, Trial | RegistryFault]:
        try:
            if seen.error is not None:
                raise fault_of(scene, seen)
            return seen.address, tried(scene, seen, scene.question.access.tls)
        except RegistryFault as fault:
            return seen.address, fault

    return at_once(look, scene.once(elsewhere))


def _anchors(context: ssl.SSLContext, options: TlsOptions) -> list[Certificate]:
    """All that is trusted: ``ssl`` lists authorities alone, and a server's own may be as well."""
    from cryptography.x509 import load_pem_x509_certificates

    given = [tls.certificates(path, pem=True) for path in options.ca_files]
    found = trust.parsed(context.get_ca_certs(binary_form=True))
    with warnings.catch_warnings():
        # Of serial numbers and the like, in files that were accepted already.
        warnings.simplefilter("ignore")
        for pem in filter(None, (*given, options.authorities)):
            found += load_pem_x509_certificates(pem)
    return list(dict.fromkeys(found))


Look = Callable[[Scene], Verdict]


def over_tls(look: Look) -> Look:
    """A check of what TLS-1 has seen; there is nothing to look at in plain HTTP."""

    @wraps(look)
    def looked(scene: Scene) -> Verdict:
        if scene.question.access.plain_http:
            return skipped("it is asked in plain HTTP (--plain-http): there is no TLS to look at")
        try:
            return look(scene)
        except RegistryFault:
            # Once is enough to be told why.
            return untold("nothing is to be seen of its certificates: see TLS-1")

    return looked


# --- faults -----------------------------------------------------------------------------------


def fault_of(scene: Scene, last: Shaken) -> RegistryFault:
    """Why there was no handshake: Unreachable for silence, Untrusted for anything said."""
    if last.silent:
        where = f"{last.address} port {scene.target.port}"
        return _fault(scene, Unreachable, f"no TLS from {where}: {printable(str(last.error))}")
    reason = why(last)
    fact = reason.fact if reason else printable(str(last.error))
    host = f"[{scene.target.host}]" if ":" in scene.target.host else scene.target.host
    look = f"openssl s_client -connect {host}:{scene.target.port} -showcerts"
    return _fault(scene, Untrusted, fact, reason.hint if reason else f"see what it does: {look}")


def why(last: Shaken) -> Reason | None:
    """The sentence for a handshake that failed on something else than a certificate."""
    cause = last.cause
    return trust.named(cause, TlsOptions()) if isinstance(cause, ssl.SSLError) else None


def _fault(scene: Scene, kind: type[RegistryFault], fact: str, hint: str = "") -> RegistryFault:
    side, host = scene.question.access.side, scene.target.authority
    return kind(side, host, _WHAT, fact=fact, hint=hint)
