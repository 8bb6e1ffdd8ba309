"""One certificate of a chain, read whole into values that cannot fail afterwards. Pure."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from mirror.text import printable

if TYPE_CHECKING:
    # Imported where they are needed: only a preflight over TLS needs them.
    from cryptography.x509 import Certificate, Extensions

# Characters of one name that are shown; a common name has 64 at most (RFC 5280, appendix A).
_LONGEST_NAME = 100
# Extensions that Go handles where they are critical (crypto/x509, parse.go), by their number below
# 2.5.29: any other one makes it refuse the certificate.
_HANDLED = {f"2.5.29.{number}" for number in (14, 15, 17, 19, 30, 31, 32, 35, 37)}
_USAGES = ("digital_signature", "key_encipherment", "key_agreement", "key_cert_sign")


class Unreadable(Exception):
    """This is no certificate that any client could read."""


class Key(NamedTuple):
    """A public key: ``RSA`` with its ``bits``, ``EC`` with its ``curve``, or another ``kind``."""

    kind: str
    bits: int = 0
    curve: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.curve or self.bits or ''}".strip()


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One certificate. Its texts are printable, except for ``names``; equal where the DER is."""

    der: bytes = field(repr=False)
    certificate: Certificate = field(repr=False)
    subject: str
    issuer: str
    own: bool
    """Its subject is its issuer, as it is for roots."""
    begins: datetime
    ends: datetime
    key: Key
    digest: str
    """What its signature was made over: ``sha256``; ``ed25519`` for that kind of signature."""
    names: tuple[str, ...]
    """DNS names just as they stand in it: a character left out could make another name of one."""
    addresses: tuple[Any, ...]
    """``ipaddress`` values."""
    authority: bool | None
    """The cA of basicConstraints; None where there are none."""
    usage: frozenset[str] | None
    purposes: frozenset[str] | None
    """Dotted object identifiers."""
    unhandled: tuple[str, ...]
    """Critical extensions that Go does not know."""
    issued_at: tuple[str, ...]
    """Where its issuer's certificate can be had, by its own word (caIssuers)."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """The names and addresses that it is for, as OpenSSL writes them; not printable yet."""
        return (
            *(f"DNS:{name}" for name in self.names),
            *(f"IP:{address}" for address in self.addresses),
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 as ``openssl x509 -fingerprint -sha256`` writes it."""
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.certificate.fingerprint(SHA256()).hex(":").upper()

    @property
    def pem(self) -> bytes:
        """As it stands in files."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self.certificate.public_bytes(Encoding.PEM)

    def __str__(self) -> str:
        """What there is to know of it, in one line."""
        names = f", for {printable(', '.join(self.alternatives))}" if self.alternatives else ""
        until = f"{self.begins:%Y-%m-%d} to {self.ends:%Y-%m-%d %H:%M} UTC"
        signed = f"signed over {self.digest}"
        return f"{self.subject} {self.key}, {signed}, {until}{names}, SHA-256 {self.fingerprint}"


def members(sent: Sequence[bytes]) -> tuple[Member, ...]:
    """Those that a server sent, read. Raises Unreadable if one is not: Go refuses all then."""
    from cryptography.x509 import load_der_x509_certificate

    with warnings.catch_warnings():
        # Of serial numbers below one and the like, which clients read all the same.
        warnings.simplefilter("ignore")
        try:
            return tuple(member(load_der_x509_certificate(der)) for der in sent)
        except Unreadable:
            raise
        except Exception as cause:
            # A hostile peer may send anything, and the parser raises more than it documents.
            raise Unreadable(printable(str(cause) or type(cause).__name__)) from cause


def member(certificate: Certificate) -> Member:
    """One that was parsed; raises Unreadable for what its parser left for later and is wrong."""
    try:
        return _read(certificate)
    except Exception as cause:
        raise Unreadable(printable(str(cause) or type(cause).__name__)) from cause


def _read(certificate: Certificate) -> Member:
    from cryptography.hazmat.primitives.serialization import Encoding

    extensions = certificate.extensions
    return Member(
        certificate.public_bytes(Encoding.DER),
        certificate,
        _shown(certificate.subject),
        _shown(certificate.issuer),
        certificate.subject == certificate.issuer,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        _key(certificate),
        _digest(certificate),
        *_alternative_names(extensions),
        _authority(extensions),
        _usage(extensions),
        _purposes(extensions),
        tuple(_unhandled(extensions)),
        tuple(_issued_at(extensions)),
    )


def _shown(name: Any) -> str:
    return f"'{printable(name.rfc4514_string(), _LONGEST_NAME)}'"


def _key(certificate: Certificate) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import PublicKeyAlgorithmOID

    identifier = certificate.public_key_algorithm_oid
    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm:
        return Key(f"a key of kind {identifier.dotted_string}")
    if isinstance(key, rsa.RSAPublicKey):
        pss = identifier == PublicKeyAlgorithmOID.RSASSA_PSS
        return Key("RSA-PSS" if pss else "RSA", key.key_size)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return Key("EC", curve=_CURVES.get(key.curve.name, key.curve.name))
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Key("Ed25519")
    return Key(type(key).__name__.removesuffix("PublicKey").lstrip("_"))


_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def _digest(certificate: Certificate) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.oid import SignatureAlgorithmOID

    identifier = certificate.signature_algorithm_oid
    if identifier == SignatureAlgorithmOID.ED25519:
        return "ed25519"
    try:
        found = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        found = None
    return found.name if found else f"algorithm {identifier.dotted_string}"


def _value(extensions: Extensions, kind: type[Any]) -> Any:
    from cryptography.x509 import ExtensionNotFound

    try:
        return extensions.get_extension_for_class(kind).value
    except ExtensionNotFound:
        return None


def _alternative_names(extensions: Extensions) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    from cryptography.x509 import DNSName, IPAddress, SubjectAlternativeName

    found = _value(extensions, SubjectAlternativeName)
    if found is None:
        return (), ()
    return (
        tuple(found.get_values_for_type(DNSName)),
        tuple(found.get_values_for_type(IPAddress)),
    )


def _authority(extensions: Extensions) -> bool | None:
    from cryptography.x509 import BasicConstraints

    found = _value(extensions, BasicConstraints)
    return None if found is None else bool(found.ca)


def _usage(extensions: Extensions) -> frozenset[str] | None:
    from cryptography.x509 import KeyUsage

    found = _value(extensions, KeyUsage)
    if found is None:
        return None
    return frozenset(name for name in _USAGES if getattr(found, name))


def _purposes(extensions: Extensions) -> frozenset[str] | None:
    from cryptography.x509 import ExtendedKeyUsage

    found = _value(extensions, ExtendedKeyUsage)
    return None if found is None else frozenset(each.dotted_string for each in found)


def _unhandled(extensions: Extensions) -> Iterable[str]:
    for each in extensions:
        if each.critical and each.oid.dotted_string not in _HANDLED:
            yield each.oid.dotted_string


def _issued_at(extensions: Extensions) -> Iterable[str]:
    from cryptography.x509 import AuthorityInformationAccess, UniformResourceIdentifier
    from cryptography.x509.oid import AuthorityInformationAccessOID

    for each in _value(extensions, AuthorityInformationAccess) or ():
        place = each.access_location
        issuers = each.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        if issuers and isinstance(place, UniformResourceIdentifier):
            yield printable(place.value)
