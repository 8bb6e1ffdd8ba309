"""How registries are reached in one run, whichever they are: what the operator said about that."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mirror.errors import Side
from mirror.registry.credentials import CredentialStore
from mirror.registry.tls import TlsOptions
from mirror.settings import Settings


@dataclass(frozen=True, slots=True)
class Access:
    """How registries are reached in this run, whichever they are."""

    side: Side
    settings: Settings = field(default_factory=Settings)
    plain_http: bool = False
    tls: TlsOptions = field(default_factory=TlsOptions)
    credentials: CredentialStore = field(default_factory=CredentialStore)
    allowed: frozenset[tuple[str, str]] = frozenset()
    """Pairs of a registry and a host to which it may send tokens and uploads, or, where the
    host is on a private network, downloads."""

    stranger: bool = False
    """Not the operator named this registry, but what was read."""
    around: set[str] | None = field(default=None, repr=False, compare=False)
    """Kinds of address of those that the operator named, noted as they turn out."""
    direct: bool = False
    """Past the proxies of the environment: as somebody else's machine would ask."""
    reading: bool = False
    """No token is asked for that could write, at whichever side: somebody who only pulls."""

    def for_stranger(self) -> Access:
        """How a registry is reached that only what was read names, an imgpkg bundle's lock.

        A client certificate is not shown to it. What is said in the clear, or to whoever answers
        in its name, is said without a password: those switches were meant for other registries.
        """
        tls = self.tls._replace(cert_file=None, key_file=None)
        private = not (self.plain_http or tls.insecure)
        credentials = self.credentials if private else CredentialStore(environment={})
        return replace(self, tls=tls, credentials=credentials, stranger=True)

    def others_of(self, host: str) -> frozenset[str]:
        """The hosts that ``host`` may name besides its own."""
        return frozenset(other for registry, other in self.allowed if registry == host)
