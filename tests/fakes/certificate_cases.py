"""Sixty-two chains that clients of registries judge differently, and what Go says to each.

Go's crypto/tls is the measure: docker, containerd, kubelet and imgpkg are written in it, so a
registry that it refuses cannot be pulled from, and one that it accepts must not stop us.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.fakes.certificates import HOST, LEAF, MIDDLE, ROOT, Made, Shape, dns, ip, line

_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
_RSA = "rsa2048"

# OpenSSL's words for what is wrong.
_NO_ISSUER = "unable to get local issuer certificate"
_WRONG_NAME = "Hostname mismatch"
_WRONG_ADDRESS = "IP address mismatch"
_PURPOSE = "(unsuitable|unsupported) certificate purpose"
_NO_CA = "invalid CA certificate"


@dataclass(frozen=True)
class Case:
    """One chain: the ``shapes`` it is made of, which of them are sent and which are trusted.

    ``go`` is what Go says; ``refusal`` has the words with which our context refuses, and none
    where it accepts.
    """

    name: str
    shapes: tuple[Shape, ...] = (ROOT, MIDDLE, LEAF)
    sent: tuple[int, ...] = (2, 1)
    trusted: tuple[int, ...] = (0,)
    host: str = HOST
    go: bool = True
    refusal: str = ""

    @property
    def stricter(self) -> bool:
        """True where we refuse what Go accepts."""
        return self.go and bool(self.refusal)

    def made(self) -> tuple[list[Made], list[Made]]:
        """What is sent and what is trusted, as certificates."""
        all_ = line(*self.shapes)
        return [all_[i] for i in self.sent], [all_[i] for i in self.trusted]


def _leaf(name: str, *, host: str = HOST, refusal: str = "", **says: object) -> Case:
    """An ordinary chain with another leaf, which Go judges as we do."""
    shapes = (ROOT, MIDDLE, replace(LEAF, **says))  # type: ignore[arg-type]
    return Case(name, shapes, host=host, go=not refusal, refusal=refusal)


def _middle(name: str, *, refusal: str = "", **says: object) -> Case:
    """An ordinary chain with another intermediate."""
    shapes = (ROOT, replace(MIDDLE, **says), LEAF)  # type: ignore[arg-type]
    return Case(name, shapes, go=not refusal, refusal=refusal)


def _root(name: str, **says: object) -> Case:
    """An ordinary chain with another root, accepted."""
    return Case(name, (replace(ROOT, **says), MIDDLE, LEAF))  # type: ignore[arg-type]


_SELF_SIGNED = replace(LEAF, own=True)
_SECOND = replace(MIDDLE, subject="second middle")
_STRANGER = replace(ROOT, subject="stranger")
_SHORT = replace(MIDDLE, basic=(True, 0, True))


def _constrained(name: str) -> Shape:
    constraint = x509.NameConstraints(dns(name), None)
    return replace(MIDDLE, extra=((constraint, True),))


# Clients of several languages differ about these.
_DISPUTED = (
    Case("missing-intermediate-but-inter-in-store", sent=(2,), trusted=(1,)),
    Case("inter-as-trust-anchor-sent-too", trusted=(1,)),
    _leaf("cn-only-no-san", subject=HOST, names=(), refusal=_WRONG_NAME),
    _leaf("san-trailing-dot-host", host=f"{HOST}."),
    _leaf("san-underscore", names=dns("my_registry.example"), host="my_registry.example"),
    Case(
        "selfsigned-leaf-in-store-ca-true",
        (replace(_SELF_SIGNED, basic=(True, None, True)),),
        sent=(0,),
    ),
    _leaf("leaf-ca-true", basic=(True, None, True)),
    replace(_leaf("leaf-eku-any", purposes=(_ANY,), refusal=_PURPOSE), go=True),
    replace(
        _leaf("leaf-ku-certsign-only", usage=frozenset({"key_cert_sign"}), refusal=_PURPOSE),
        go=True,
    ),
    _leaf("leaf-no-aki", has_issuers_key_id=False),
    replace(_leaf("rsa1024-leaf", key="rsa1024", refusal="EE certificate key too weak"), go=True),
    replace(
        _middle("rsa1024-intermediate", key="rsa1024", refusal="CA certificate key too weak"),
        go=True,
    ),
    _leaf("rsa2047-leaf", key="rsa2047"),
    _root("ca-no-ku", usage=None),
    _root("ca-no-ski", has_key_id=False),
    _root("ca-bc-not-critical", basic=(True, None, False)),
    _leaf("k256-leaf", key="secp256k1", refusal="HANDSHAKE_FAILURE"),
)

_REFUSED = (
    Case("missing-intermediate", sent=(2,), go=False, refusal=_NO_ISSUER),
    _leaf("wrong-host", names=dns("other.example"), refusal=_WRONG_NAME),
    _leaf("ip-as-dns-san", names=dns("10.0.0.1"), host="10.0.0.1", refusal=_WRONG_ADDRESS),
    _leaf("ip-without-ip-san", host="10.0.0.1", refusal=_WRONG_ADDRESS),
    _leaf(
        "wildcard-over-two-labels",
        names=dns("*.example"),
        host="a.registry.example",
        refusal=_WRONG_NAME,
    ),
    _leaf(
        "partial-wildcard",
        names=dns("reg*.lab.example"),
        host="registry.lab.example",
        refusal=_WRONG_NAME,
    ),
    _leaf("expired-leaf", days=(-10, -1), refusal="certificate has expired"),
    _leaf("not-yet-valid-leaf", days=(1, 10), refusal="not yet valid"),
    _middle("expired-intermediate", days=(-10, -1), refusal="certificate has expired"),
    Case(
        "selfsigned-leaf-unknown",
        (ROOT, _SELF_SIGNED),
        sent=(1,),
        go=False,
        refusal="self.signed certificate",
    ),
    _leaf("eku-client-only", purposes=(_CLIENT,), refusal=_PURPOSE),
    Case(
        "sha1-leaf",
        (ROOT, replace(MIDDLE, key=_RSA), replace(LEAF, digest="sha1")),
        go=False,
        refusal="CA signature digest algorithm too weak",
    ),
    Case(
        "sha1-intermediate",
        (replace(ROOT, key=_RSA), replace(MIDDLE, digest="sha1"), LEAF),
        go=False,
        refusal="CA signature digest algorithm too weak",
    ),
    _middle("ca-no-basic-constraints", basic=None, usage=None, refusal=_NO_CA),
    _middle("ca-false", basic=(False, None, True), refusal=_NO_CA),
    _middle("ca-ku-no-certsign", usage=frozenset({"crl_sign"}), refusal=_NO_CA),
    Case(
        "pathlen-violation",
        (ROOT, _SHORT, _SECOND, LEAF),
        (3, 2, 1),
        go=False,
        refusal="path length constraint exceeded",
    ),
    Case(
        "name-constraint-violation",
        (ROOT, _constrained("other.example"), LEAF),
        go=False,
        refusal="permitted subtree violation",
    ),
    _middle("intermediate-eku-no-server-auth", purposes=(_CLIENT,), refusal=_PURPOSE),
    _leaf(
        "unknown-critical-extension",
        extra=((_UNKNOWN, True),),
        refusal="unhandled critical extension",
    ),
)

_ACCEPTED = (
    Case("root-also-sent", sent=(2, 1, 0)),
    Case("wrong-chain-order", (ROOT, MIDDLE, _SECOND, LEAF), (3, 1, 0, 2)),
    Case("unrelated-extra-cert", (ROOT, MIDDLE, LEAF, _STRANGER), (2, 3, 1)),
    _leaf("san-upper-case", names=dns(HOST.upper())),
    _leaf("single-label-host", names=dns("harbor"), host="harbor"),
    _leaf("ten-years", days=(-10, 3650)),
    _leaf("leaf-no-ku", usage=None),
    _leaf("leaf-no-eku", purposes=()),
    _leaf("leaf-no-bc", basic=None),
    _leaf("p256-leaf", key="P-256"),
    _leaf("p384-leaf", key="P-384"),
    _leaf("p521-leaf", key="P-521"),
    _leaf("ed25519-leaf", key="ed25519"),
    _root("sha1-root", key=_RSA, digest="sha1"),
    # From here on: the other half of a case above, which shows that not everything is refused.
    Case("leaf-from-root", (ROOT, LEAF), (1,)),
    Case("two-intermediates", (ROOT, MIDDLE, _SECOND, LEAF), (3, 2, 1)),
    _leaf("wildcard-over-one-label", names=dns(f"*.{HOST}"), host=f"a.{HOST}"),
    _leaf("ip-san", names=ip("10.0.0.1"), host="10.0.0.1"),
    _leaf("ipv6-san", names=ip("fd00::1"), host="fd00::1"),
    _leaf("one-of-several-sans", names=(*dns("other.example", HOST), *ip("10.0.0.1"))),
    _leaf("eku-server-and-client", purposes=(_CLIENT, _SERVER)),
    _middle("intermediate-eku-server-auth", purposes=(_SERVER,)),
    Case("pathlen-kept", (ROOT, _SHORT, LEAF)),
    Case("name-constraint-kept", (ROOT, _constrained("example"), LEAF)),
    _leaf("unknown-extension-not-critical", extra=((_UNKNOWN, False),)),
)

CASES = (*_DISPUTED, *_REFUSED, *_ACCEPTED)
