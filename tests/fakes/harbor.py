"""A Harbor on loopback: its rights, tokens and rules in front of a real Distribution registry.

What it holds is held by the real registry; what Harbor does before and around that is done here as
it was measured on v2.9.5. `tests/world/test_harbor_*.py` have each statement with its test.

    with Registry(delete=True) as registry, Harbor(registry) as harbor:
        harbor.project("tkg", public=True)
        httpx.get(f"{harbor.url}/v2/").status_code          # 401, whatever the project is
        httpx.get(f"{harbor.url}/api/v2.0/ping").text       # "Pong"

Accounts are made with their rights by project: users by role, robots by actions. An account's
`login` is what an HTTP client takes; Harbor also takes it as Basic directly on `/v2/`:

        ann = harbor.user("ann", "correct horse", {"tkg": "developer"})
        bot = harbor.robot("tkg", "mirror", "a secret")     # robot$tkg+mirror: pull and push
        httpx.get(f"{harbor.url}/v2/", auth=ann.login)      # 200
        token = harbor.token("repository:tkg/pause:pull", bot)
        httpx.get(..., headers={"Authorization": f"Bearer {token}"})

The rules of a project are attributes, and may be changed at any time:

        project = harbor.project("full", quota=5 << 20)     # 403 at the PUT that is too much
        project.immutable = True                            # 412 for a tag that is there
        project.content_trust = True                        # 412 on GET and HEAD, but for
        project.signed.add(image.manifest.digest)
        project.prevent_vulnerable = True                   # 412 as well: nothing is scanned
        project.proxy_cache = True                          # 403 on every write
        project.retention = [kept("latestPushedK")]         # told to those who may see policies
        harbor.system.read_only = True                      # 403 on every write anywhere
        harbor.system.scanner = False                       # no trivy: nothing is prevented
        harbor.system.unhealthy.add("jobservice")

Tokens end with `expire_tokens`, or by themselves with `limit_tokens`. An image is put in past all
rules with `add`; what a client did is in `requests`:

        harbor.add("tkg/pause", "3.9", build(ImageSpec("pause")))
        harbor.count("PUT", "/blobs/uploads/")

        harbor.lose("PUT", "/manifests/v1")                 # it is done, and nobody hears of it

A PUT without Content-Length is taken, and booked with 0 bytes, as Harbor does; no client of ours
may send one, so `HarborFault` is raised when the context is left. A fault of the facade itself
comes out there too.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import httpx

from scripts.world.images import Image
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes import harbor_api, harbor_tokens
from tests.fakes.harbor_api import Api
from tests.fakes.harbor_projects import (
    ANONYMOUS,
    ROLES,
    UNLIMITED,
    Account,
    Project,
    System,
)
from tests.fakes.harbor_tokens import Tokens
from tests.fakes.harbor_v2 import Gate
from tests.fakes.harbor_wire import Front, Relay
from tests.fakes.message import Reply, Request, error_reply
from tests.fakes.simple import Seen

__all__ = ["Harbor", "HarborFault"]


class HarborFault(AssertionError):
    """A client did what no client may do to a Harbor."""


class Harbor:
    """One Harbor on one port; see the module for how it is used."""

    def __init__(self, registry: Registry, *, tls: ssl.SSLContext | None = None) -> None:
        self.registry = registry
        self.system = System()
        self.admin = self._account(Account("admin", "Harbor12345", admin=True))
        self.requests: list[Seen] = []
        self._lost: list[tuple[str, str]] = []
        self._tokens = Tokens(self.system)
        self._gate = Gate(self.system, self._tokens)
        self._api = Api(self.system)
        self._front = Front(self._decide, self._record, registry.port, tls)
        self._thread = threading.Thread(target=self._front.run, name="harbor")

    @property
    def host(self) -> str:
        """The address as it stands in a reference: 127.0.0.1:PORT."""
        return f"127.0.0.1:{self._front.server_port}"

    @property
    def url(self) -> str:
        """The address with its scheme and without a path."""
        return f"{self._front.scheme}://{self.host}"

    # --- what there is --------------------------------------------------------------------

    def project(
        self,
        name: str,
        *,
        public: bool = False,
        quota: int = UNLIMITED,
        proxy_cache: bool = False,
        immutable: bool = False,
    ) -> Project:
        """Make a project; `quota` is in bytes."""
        with self.system.lock:
            project = self.system.add_project(name)
            project.public, project.quota = public, quota
            project.proxy_cache, project.immutable = proxy_cache, immutable
        return project

    def user(self, name: str, secret: str, roles: Mapping[str, str] | None = None) -> Account:
        """Make a user with a role in some projects: project-admin, developer, guest."""
        actions = {project: ROLES[role] for project, role in (roles or {}).items()}
        return self._account(Account(name, secret, actions=actions))

    def robot(
        self, project: str, name: str, secret: str, actions: frozenset[str] = ROLES["developer"]
    ) -> Account:
        """Make a robot of a project; by default it may pull and push, and delete nothing."""
        full = f"robot${project}+{name}"
        return self._account(Account(full, secret, robot=True, actions={project: actions}))

    def add(self, repository: str, tag: str, image: Image) -> str:
        """Put an image in, past all rules, and return its digest."""
        with httpx.Client(trust_env=False) as client:
            Seeder(self.registry.url, client).put(repository, tag, image)
        project = self.system.projects[repository.partition("/")[0]]
        with self.system.lock:
            for node in image.walk():
                digest = node.manifest.digest
                project.artifacts[f"{repository}@{digest}"] = digest
            project.artifacts[f"{repository}:{tag}"] = image.manifest.digest
            project.sizes |= {blob.digest: blob.size for blob in image.everything().values()}
        return image.manifest.digest

    # --- tokens ---------------------------------------------------------------------------

    def token(self, scope: str = "", account: Account = ANONYMOUS) -> str:
        """The token that a client gets for a scope; it does not appear among the requests."""
        query = urlencode({"service": harbor_tokens.SERVICE} | ({"scope": scope} if scope else {}))
        coded = base64.b64encode(":".join(account.login).encode()).decode()
        headers = {"authorization": f"Basic {coded}"} if account is not ANONYMOUS else {}
        asked = Request("GET", f"{harbor_tokens.PATH}?{query}", headers, self.url)
        with self.system.lock:
            return str(json.loads(self._tokens.answer(asked).body)["token"])

    def limit_tokens(self, uses: int) -> None:
        """Let every token end after so many requests that carry it; 0 is no limit."""
        with self.system.lock:
            self._tokens.uses = uses

    def expire_tokens(self) -> None:
        """Make every token that was given worthless, as 1800 seconds would."""
        with self.system.lock:
            self._tokens.expire()

    # --- what was asked -------------------------------------------------------------------

    def count(self, method: str, pattern: str, status: int | None = None) -> int:
        """Return how many requests of this method had the pattern in their path."""
        return sum(
            seen.method == method
            and status in (None, seen.status)
            and bool(re.search(pattern, seen.path))
            for seen in self.requests
        )

    def lose(self, method: str, pattern: str) -> None:
        """Drop the connection after the next such request was done, before its answer."""
        self._lost.append((method, pattern))

    # --- running --------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._front.end()
        self._thread.join()
        if error is None and self._front.faults:
            raise self._front.faults[0]
        if error is None and self.system.faults:
            raise HarborFault("; ".join(self.system.faults))

    def _account(self, account: Account) -> Account:
        self.system.accounts[account.name] = account
        return account

    def _decide(self, request: Request) -> Reply | Relay:
        path = request.path
        with self.system.lock:
            if path.startswith("/v2/"):
                return self._booked(request, self._gate.decide(request))
            if path == harbor_tokens.PATH:
                return self._tokens.answer(request)
            if path.startswith(harbor_api.ROOT):
                return self._api.answer(request)
        return error_reply(404, "NOT_FOUND", "no such path")

    def _booked(self, request: Request, decision: Reply | Relay) -> Reply | Relay:
        """What the registry's answer changes is changed under the lock, too."""
        if isinstance(decision, Reply):
            return decision

        def ended(status: int, headers: Mapping[str, str]) -> None:
            with self.system.lock:
                decision.ended(status, headers)
                self._lose(request)

        return Relay(ended)

    def _lose(self, request: Request) -> None:
        for each in self._lost:
            if request.method == each[0] and re.search(each[1], request.target):
                self._lost.remove(each)
                raise ConnectionAbortedError("lost on purpose")

    def _record(self, request: Request, status: int, size: int) -> None:
        headers = dict(request.headers)
        self.requests.append(Seen(request.method, request.target, status, size, headers))
