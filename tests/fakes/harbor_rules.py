"""The rules of Harbor's projects for who has been let in, and the books that they rest on.

Proxy caches, immutable tags, signatures, scans and quotas are decided before the registry behind is
asked; what it then took is written into the project. [M] is measured on v2.9.5, [S] read in the
source of its middleware.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.fakes.harbor_projects import Project, System, project_of
from tests.fakes.harbor_wire import Relay
from tests.fakes.message import Reply, Request, error_reply

PROXY_CACHE = "can not push artifact to a proxy project"
UNSIGNED = "The image is not signed in Cosign."
UNSCANNED = "current image without vulnerability scanning cannot be pulled"

_TARGET = re.compile(
    r"/v2/(?P<repository>.+?)/(?P<kind>manifests|tags|blobs/uploads|blobs)/(?P<reference>[^/]*)"
)


@dataclass(frozen=True)
class Target:
    """What a request is about. `reference` is a tag, a digest, or the id of an upload."""

    repository: str
    kind: str
    reference: str

    @property
    def project(self) -> str:
        return project_of(self.repository)

    @property
    def name(self) -> str:
        """As a project's list of artifacts has it."""
        return f"{self.repository}{'@' if ':' in self.reference else ':'}{self.reference}"

    @classmethod
    def of(cls, request: Request) -> Target | None:
        found = _TARGET.fullmatch(request.path)
        return cls(**found.groupdict()) if found else None


class Rules:
    """Applies the rules of every project, and keeps their books."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._uploads: dict[str, int] = {}
        """Bytes that came in by PATCH, by upload."""

    def decide(self, request: Request, target: Target) -> Reply | Relay:
        """The refusal, or the way to the registry behind."""
        project = self._system.projects[target.project]
        put = target.kind == "manifests" and request.method == "PUT"
        if project.proxy_cache and (put or request.method == "POST"):
            return error_reply(403, "DENIED", PROXY_CACHE)
        if target.kind == "blobs/uploads":
            return self._upload(request, project, target)
        if put:
            return self._put(request, project, target)
        if target.kind in ("manifests", "tags"):
            return _read(project, target, scans=self._system.scanner)
        return Relay()

    # --- manifests ------------------------------------------------------------------------

    def _put(self, request: Request, project: Project, target: Target) -> Reply | Relay:
        tagged = ":" not in target.reference
        if project.immutable and tagged and target.name in project.artifacts:
            # An identical manifest is refused too; by its digest it is taken [M].
            name = f"{target.repository.partition('/')[2]}:{target.reference}"
            words = f"Failed to process request due to '{name}' configured as immutable."
            return error_reply(412, "PRECONDITION", words)
        digest = f"sha256:{hashlib.sha256(request.body).hexdigest()}"
        names = {target.name, f"{target.repository}@{digest}"}
        stored = partial(project.artifacts.update, dict.fromkeys(names, digest))
        return self._taking(project, digest, len(request.body), stored)

    # --- blobs ----------------------------------------------------------------------------

    def _upload(self, request: Request, project: Project, target: Target) -> Reply | Relay:
        query = request.query
        if request.method == "PATCH":
            return Relay(partial(self._patched, target.reference))
        if request.method == "POST" and "mount" in query and "from" in query:
            return self._mount(project, query["mount"], query["from"])
        if request.method != "PUT":
            return Relay()
        patched = self._uploads.pop(target.reference, 0)
        if "content-length" not in request.headers:
            # Harbor takes it, books 0 bytes for it, and so misses its quota [M].
            self._system.faults.append(f"a PUT without Content-Length: {request.target}")
        # The PUT's own length or what came before it, and never the sum of both [S].
        size = int(request.headers.get("content-length", 0)) or patched
        return self._taking(project, query.get("digest", ""), size, lambda: None)

    def _patched(self, upload: str, status: int, headers: Mapping[str, str]) -> None:
        if status == 202:
            self._uploads[upload] = int(headers["range"].partition("-")[2]) + 1

    def _mount(self, project: Project, digest: str, origin: str) -> Reply | Relay:
        """A mount adds to the project as an upload does, and here the POST is refused [S]."""
        size = self._system.projects[project_of(origin)].sizes.get(digest, 0)
        return self._taking(project, digest, size, lambda: None)

    def _taking(
        self, project: Project, digest: str, size: int, stored: Callable[[], None]
    ) -> Reply | Relay:
        """Take the bytes if the quota has room: for an upload that is at its PUT [M].

        They are booked before they come, so that two uploads cannot both have the last room.
        """
        fresh = digest not in project.sizes
        if fresh and (words := project.exceeded(size)):
            return error_reply(403, "DENIED", words)
        project.sizes.setdefault(digest, size)

        def ended(status: int, _headers: Mapping[str, str]) -> None:
            if status == 201:
                project.sizes.setdefault(digest, size)
                stored()
            elif fresh:
                project.sizes.pop(digest, None)

        return Relay(ended)


def _read(project: Project, target: Target, *, scans: bool) -> Reply | Relay:
    """Look at manifests and tags: the rules against a pull hold for administrators too [M]."""
    if target.repository not in project.repositories:
        return error_reply(404, "NOT_FOUND", f"repository {target.repository} not found")
    digest = project.artifacts.get(target.name)
    if target.kind == "tags" or digest is None:
        return Relay()
    if project.content_trust and digest not in project.signed:
        return error_reply(412, "PROJECTPOLICYVIOLATION", UNSIGNED)
    if project.prevent_vulnerable and scans:
        return error_reply(412, "PROJECTPOLICYVIOLATION", UNSCANNED)
    return Relay()
