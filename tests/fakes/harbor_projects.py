"""Harbor's projects and accounts: who may do what in which project, and what a project holds.

Values and rules only; what goes over the wire is in the modules that import this one.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

UNLIMITED = -1

# What each role may do with the repositories of its project (Harbor's own names for the roles).
ROLES: Mapping[str, frozenset[str]] = {
    "project-admin": frozenset({"pull", "push", "delete"}),
    "maintainer": frozenset({"pull", "push", "delete"}),
    "developer": frozenset({"pull", "push"}),
    "guest": frozenset({"pull"}),
}
EVERYTHING = ROLES["project-admin"]


@dataclass(frozen=True)
class Account:
    """A user, or a robot, whose actions are given one by one instead of by a role."""

    name: str
    secret: str = field(default="", repr=False)
    admin: bool = False
    robot: bool = False
    actions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By project: of pull, push and delete."""

    @property
    def login(self) -> tuple[str, str]:
        """Name and secret, as an HTTP client takes them."""
        return self.name, self.secret


ANONYMOUS = Account("")


@dataclass(frozen=True)
class Caller:
    """Who sends a request. With a token it is what the token grants that counts, by project."""

    account: Account = ANONYMOUS
    granted: Mapping[str, frozenset[str]] | None = None

    @property
    def known(self) -> bool:
        """Whether somebody has shown who they are; an anonymous token shows nothing."""
        return self.account is not ANONYMOUS


@dataclass
class Project:
    """One project and its rules. `quota` is in bytes; `signed` holds digests of manifests."""

    name: str
    identity: int
    public: bool = False
    quota: int = UNLIMITED
    proxy_cache: bool = False
    immutable: bool = False
    content_trust: bool = False
    prevent_vulnerable: bool = False
    severity: str = ""
    """From which on findings count, where vulnerable images are prevented."""
    retention: list[dict[str, object]] | None = None
    """Rules of its retention policy; None where there is none."""
    schedule: str = ""
    """When that runs: six fields of cron, or nothing."""
    signed: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of each blob and manifest, by digest, as Harbor's database has them."""
    artifacts: dict[str, str] = field(default_factory=dict)
    """Digest of each manifest by `repository:tag` and `repository@digest`."""

    @property
    def used(self) -> int:
        """Bytes that count against the quota: each digest once."""
        return sum(self.sizes.values())

    @property
    def retention_id(self) -> int:
        """The number of its retention policy; Harbor counts those by themselves."""
        return 100 + self.identity

    @property
    def repositories(self) -> set[str]:
        """Those with a manifest; blobs alone do not make a repository."""
        return {name.partition("@")[0] for name in self.artifacts if "@" in name}

    def exceeded(self, size: int) -> str:
        """Harbor's words where so many more bytes are over the quota, else nothing."""
        if self.quota == UNLIMITED or self.used + size <= self.quota:
            return ""
        return (
            f"adding {in_words(size)} of storage resource, which when updated to current usage of"
            f" {in_words(self.used)} will exceed the configured upper limit of"
            f" {in_words(self.quota)}."
        )


@dataclass
class System:
    """One Harbor: its projects and accounts. Whoever changes it holds the lock."""

    projects: dict[str, Project] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    read_only: bool = False
    unhealthy: set[str] = field(default_factory=set)
    """Names of components."""
    scanner: bool = True
    """Trivy is there, and shows among the components; without it nothing can be scanned."""
    faults: list[str] = field(default_factory=list)
    """What no client may do to a Harbor, in words; they fail the test at the facade's end."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _identities: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add_project(self, name: str) -> Project:
        """Make a private, empty project without any rule."""
        self.projects[name] = project = Project(name, next(self._identities))
        return project

    def login(self, name: str, secret: str) -> Account:
        """The account; wrong credentials are nobody's, and no fault of their own [M]."""
        account = self.accounts.get(name)
        return account if account and account.secret == secret else ANONYMOUS

    def rights(self, account: Account, project: str) -> frozenset[str]:
        """What an account may do in a project: nothing where there is no such project."""
        found = self.projects.get(project)
        if found is None:
            return frozenset()
        if account.admin:
            return EVERYTHING
        everybody = frozenset({"pull"}) if found.public else frozenset[str]()
        return everybody | account.actions.get(project, frozenset())

    def may(self, caller: Caller, project: str, action: str) -> bool:
        """Whether a request may go on. Tokens count for whole projects, not repositories [M]."""
        if caller.granted is not None:
            return action in caller.granted.get(project, frozenset())
        return action in self.rights(caller.account, project)


def kept(template: str, pattern: str = "**", *, disabled: bool = False) -> dict[str, object]:
    """A retention rule as Harbor's API has it: which tags are kept; the others are deleted [S]."""
    tags = {"kind": "doublestar", "decoration": "matches", "pattern": pattern}
    scope = {"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}
    return {
        "id": 1,
        "disabled": disabled,
        "action": "retain",
        "template": template,
        "params": {} if template == "always" else {template: 10},
        "tag_selectors": [tags],
        "scope_selectors": {"repository": [scope]},
    }


def project_of(repository: str) -> str:
    """The project that a repository belongs to."""
    return repository.partition("/")[0]


def in_words(size: int) -> str:
    """Bytes as Harbor's quota messages write them: 6.0 MiB."""
    amount, units = float(size), ["KiB", "MiB", "GiB", "TiB"]
    if amount < 1024:
        return f"{size} Byte"
    while amount >= 1024 and units:
        amount, unit = amount / 1024, units.pop(0)
    return f"{amount:.1f} {unit}"
