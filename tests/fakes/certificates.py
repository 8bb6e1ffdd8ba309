"""Certificates of any shape, made at once: what a certificate authority would never sign, too.

A line of shapes, each signed by the one before it, becomes real certificates:

    root, middle, leaf = line(ROOT, MIDDLE, replace(LEAF, names=dns("a.example")))
    context = server(directory, leaf, middle)  # sends leaf and middle, in this order
    middle.pem, leaf.fingerprint
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "registry.example"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Names = tuple[x509.GeneralName, ...]

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}
# The two object identifiers differ in their last byte alone (RFC 8017, appendix C).
_RSA_WITH = bytes.fromhex("06092a864886f70d0101")
_SHA256_RSA, _SHA1_RSA = _RSA_WITH + b"\x0b", _RSA_WITH + b"\x05"


def dns(*names: str) -> Names:
    return tuple(x509.DNSName(name) for name in names)


def ip(*addresses: str) -> Names:
    return tuple(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)


@dataclass(frozen=True)
class Shape:
    """What one certificate says. ``key`` is a curve, ``ed25519``, or ``rsa`` with its bits.

    ``days`` is its validity, counted from now; ``basic`` has cA, pathLenConstraint and whether
    it is critical; ``usage`` and ``purposes`` are key usage and extended key usage.
    """

    subject: str
    organisation: str = ""
    key: str = "P-256"
    own: bool = False
    names: Names = ()
    days: tuple[float, float] = (-10, 300)
    basic: tuple[bool, int | None, bool] | None = None
    usage: frozenset[str] | None = None
    purposes: tuple[x509.ObjectIdentifier, ...] = ()
    has_key_id: bool = True
    has_issuers_key_id: bool = True
    names_issuers_issuer: bool = False
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    digest: str = "sha256"

    @property
    def name(self) -> x509.Name:
        words = [x509.NameAttribute(NameOID.COMMON_NAME, self.subject)]
        if self.organisation:
            words.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organisation))
        return x509.Name(words)


SIGNS = frozenset({"key_cert_sign", "crl_sign"})
AUTHORITY = Shape("authority", basic=(True, None, True), usage=SIGNS)
ROOT = replace(AUTHORITY, subject="root", own=True)
MIDDLE = replace(AUTHORITY, subject="middle")
LEAF = Shape(
    "server",
    names=dns(HOST),
    basic=(False, None, True),
    usage=frozenset({"digital_signature"}),
    purposes=(ExtendedKeyUsageOID.SERVER_AUTH,),
)


@dataclass(frozen=True)
class Made:
    """One certificate (``der``) with its private key and the shape it has."""

    shape: Shape
    der: bytes
    key: PrivateKey
    issuer: x509.Name

    @property
    def pem(self) -> bytes:
        return ssl.DER_cert_to_PEM_cert(self.der).encode()

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def fingerprint(self) -> str:
        """SHA-256 as openssl prints it."""
        return (
            x509.load_der_x509_certificate(self.der).fingerprint(hashes.SHA256()).hex(":").upper()
        )


def line(*shapes: Shape) -> list[Made]:
    """A certificate for each shape; the first and those that are their ``own`` sign themselves."""
    made: list[Made] = []
    for place, shape in enumerate(shapes):
        own = shape.own or not made
        made.append(_issue(shape, _key(shape.key, place), None if own else made[-1]))
    return made


def server(directory: Path, leaf: Made, *others: Made) -> ssl.SSLContext:
    """A server that presents these, weak ones as well: it is the client that has to refuse."""
    path = directory / "server.pem"
    path.write_bytes(leaf.key_pem + b"".join(each.pem for each in (leaf, *others)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(path)
    return context


@cache
def _key(kind: str, place: int) -> PrivateKey:
    """The same key for the same place in every line: they are made once in a run."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else _curve_key(kind)


def _curve_key(kind: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(_CURVES[kind]())


def _issue(shape: Shape, key: PrivateKey, above: Made | None) -> Made:
    signer, issuer = (key, shape.name) if above is None else (above.key, above.shape.name)
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=shape.name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now + timedelta(days=shape.days[0]),
        not_valid_after=now + timedelta(days=shape.days[1]),
    )
    for extension, critical in [*_extensions(shape), *_key_ids(shape, key, signer, above)]:
        builder = builder.add_extension(extension, critical)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else _digest(shape.digest)
    der = builder.sign(signer, digest).public_bytes(Encoding.DER)
    if shape.digest == "sha1":
        der = _signed_with_sha1(der, signer)
    return Made(shape, der, key, issuer)


def _digest(name: str) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA384() if name == "sha384" else hashes.SHA256()


def _extensions(shape: Shape) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = list(shape.extra)
    if shape.names:
        found.append((x509.SubjectAlternativeName(shape.names), False))
    if shape.basic:
        ca, length, critical = shape.basic
        found.append((x509.BasicConstraints(ca, length), critical))
    if shape.usage is not None:
        found.append((_usage(shape.usage), True))
    if shape.purposes:
        found.append((x509.ExtendedKeyUsage(shape.purposes), False))
    return found


def _usage(said: frozenset[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital_signature" in said,
        content_commitment=False,
        key_encipherment="key_encipherment" in said,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign="key_cert_sign" in said,
        crl_sign="crl_sign" in said,
        encipher_only=False,
        decipher_only=False,
    )


def _key_ids(
    shape: Shape, key: PrivateKey, signer: PrivateKey, above: Made | None
) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = []
    if shape.has_key_id:
        found.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if shape.has_issuers_key_id:
        number = x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest
        if shape.names_issuers_issuer and above is not None:
            serial = x509.load_der_x509_certificate(above.der).serial_number
            names = [x509.DirectoryName(above.issuer)]
            found.append((x509.AuthorityKeyIdentifier(number, names, serial), False))
        else:
            found.append((x509.AuthorityKeyIdentifier(number, None, None), False))
    return found


def _signed_with_sha1(der: bytes, signer: PrivateKey) -> bytes:
    """The same certificate, signed anew: the library that makes them refuses SHA-1.

    The algorithm stands in it twice, inside what is signed and beside the signature, and the
    signature of an RSA key is at its end.
    """
    assert isinstance(signer, rsa.RSAPrivateKey)
    old = x509.load_der_x509_certificate(der)
    size = len(old.signature)
    assert der.count(_SHA256_RSA) == 2
    signed = old.tbs_certificate_bytes.replace(_SHA256_RSA, _SHA1_RSA)
    signature = signer.sign(signed, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    return der.replace(_SHA256_RSA, _SHA1_RSA)[:-size] + signature
