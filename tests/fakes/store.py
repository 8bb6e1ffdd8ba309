"""The honest part of the fake: the distribution API over dictionaries, as Distribution does it."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.fakes.message import Reply, Request, error_reply, json_reply

NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
DIGEST = r"(?P<digest>sha256:[0-9a-f]{64})"
OCTETS = "application/octet-stream"
DOCKER_FOREIGN = ".rootfs.foreign."
OCI_FOREIGN = ".layer.nondistributable."
INDEX = "application/vnd.oci.image.index.v1+json"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Repository:
    """What one repository holds; a manifest keeps the media type it was put with."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Upload:
    """One session; `state` changes with every request, so that a stale Location is found out."""

    name: str
    data: bytearray = field(default_factory=bytearray)
    state: int = 0
    short: bool = False
    """A chunk was shorter than the least, so it must have been the last one."""


class Store:
    """All repositories, and the answers to requests about them.

    `page_size` caps a page of tags whatever the client asks; `ranges` says whether blobs can be
    read from the middle, `mounts` whether they are taken over between repositories; `relative`
    makes upload locations paths instead of whole URLs. `edition` is a part of every blob's ETag;
    `least_chunk` is stated for each upload and held to, unless 0. `sparse` lets an index be put
    without its children; `foreign` lets layers have urls, as Harbor does and Distribution does not
    by itself.
    With `referrers` it has the API of OCI 1.1 for them; without, it does as Distribution does.
    """

    def __init__(self) -> None:
        self.repositories: defaultdict[str, Repository] = defaultdict(Repository)
        self.uploads: dict[str, Upload] = {}
        self.page_size = 100
        self.ranges = True
        self.mounts = True
        self.relative = False
        self.edition = ""
        self.least_chunk = 0
        self.sparse = False
        self.foreign = False
        self.referrers = False
        self._started = 0
        self._lock = threading.RLock()
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Reply]]] = [
            (methods, re.compile(pattern + "$"), handler)
            for methods, pattern, handler in (
                ("GET HEAD", "/v2/", self._base),
                ("GET HEAD", f"/v2/{NAME}/tags/list", self._tags),
                ("GET HEAD", f"/v2/{NAME}/manifests/(?P<reference>[^/]+)", self._get_manifest),
                ("PUT", f"/v2/{NAME}/manifests/(?P<reference>[^/]+)", self._put_manifest),
                ("DELETE", f"/v2/{NAME}/manifests/(?P<reference>[^/]+)", self._delete_manifest),
                ("POST", f"/v2/{NAME}/blobs/uploads/", self._begin),
                ("GET PATCH PUT DELETE", f"/v2/{NAME}/blobs/uploads/(?P<id>[^/]+)", self._go_on),
                ("GET HEAD", f"/v2/{NAME}/blobs/{DIGEST}", self._get_blob),
                ("GET", f"/v2/{NAME}/referrers/(?P<reference>[^/]+)", self._referrers),
            )
        ]

    def answer(self, request: Request) -> Reply:
        """Answer as an honest registry would."""
        known = False
        for methods, pattern, handler in self._routes:
            if found := pattern.match(request.path):
                known = True
                if request.method in methods.split():
                    with self._lock:
                        return handler(request, **found.groupdict())
        return error_reply(405, "UNSUPPORTED") if known else error_reply(404, "NOT_FOUND")

    def _base(self, _request: Request) -> Reply:
        return json_reply({}, Docker_Distribution_Api_Version="registry/2.0")

    def _tags(self, request: Request, name: str) -> Reply:
        if name not in self.repositories:
            return error_reply(404, "NAME_UNKNOWN")
        size = min(int(request.query.get("n", self.page_size)), self.page_size)
        after = request.query.get("last", "")
        tags = sorted(tag for tag in self.repositories[name].tags if tag > after)
        page = json_reply({"name": name, "tags": tags[:size]})
        if len(tags) <= size:
            return page
        link = f'</v2/{name}/tags/list?last={tags[size - 1]}&n={size}>; rel="next"'
        return Reply(200, {**page.headers, "Link": link}, page.body)

    def _get_manifest(self, request: Request, name: str, reference: str) -> Reply:
        repository = self.repositories.get(name, Repository())
        digest = repository.tags.get(reference, reference)
        media_type, data = repository.manifests.get(digest, ("", b""))
        # As Distribution 2.8 does it: only the types named one by one are found, not */*.
        accepted = [part.split(";")[0].strip() for part in _accept(request).split(",")]
        if not media_type or media_type not in accepted:
            return error_reply(404, "MANIFEST_UNKNOWN")
        return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, data)

    def _put_manifest(self, request: Request, name: str, reference: str) -> Reply:
        digest, repository = sha256(request.body), self.repositories[name]
        if ":" in reference and reference != digest:
            return error_reply(400, "DIGEST_INVALID")
        try:
            manifest = json.loads(request.body)
        except ValueError:
            return error_reply(400, "MANIFEST_INVALID")
        layers = manifest.get("layers", [])
        if refused := [layer["digest"] for layer in layers if self._refuses(layer)]:
            return _foreign_refused(refused[0])
        needed = [layer for layer in layers if not _elsewhere(layer)]
        blobs = [entry["digest"] for entry in [manifest.get("config"), *needed] if entry]
        named = [] if self.sparse else manifest.get("manifests", [])
        children = [entry["digest"] for entry in named]
        if set(blobs) - set(repository.blobs) or set(children) - set(repository.manifests):
            return error_reply(400, "MANIFEST_BLOB_UNKNOWN")
        repository.manifests[digest] = (request.headers.get("content-type", ""), request.body)
        if ":" not in reference:
            repository.tags[reference] = digest
        place = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
        if self.referrers and (subject := manifest.get("subject")):
            place["OCI-Subject"] = subject["digest"]
        return Reply(201, place)

    def _refuses(self, layer: Mapping[str, Any]) -> bool:
        """As Distribution 2.8.2 does it (measured): docker's foreign layers must have urls."""
        return (DOCKER_FOREIGN in layer["mediaType"] and not layer.get("urls")) or (
            _elsewhere(layer) and not self.foreign
        )

    def _referrers(self, request: Request, name: str, reference: str) -> Reply:
        """distribution-spec 1.1, "Listing Referrers": an empty list for what is not there."""
        if not self.referrers:
            return error_reply(404, "NOT_FOUND")
        if not re.fullmatch(DIGEST, reference):
            return error_reply(400, "DIGEST_INVALID")
        held = self.repositories.get(name, Repository()).manifests
        found = [entry_of(*each) for each in sorted(held.values())]
        entries = [entry for entry, subject in found if subject == reference]
        headers = {}
        if wanted := request.query.get("artifactType"):
            entries = [entry for entry in entries if entry.get("artifactType") == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        start = int(request.query.get("start", 0))
        end = start + self.page_size
        if end < len(entries):
            query = f"artifactType={quote(wanted)}&" if wanted else ""
            headers["Link"] = f'</v2/{name}/referrers/{reference}?{query}start={end}>; rel="next"'
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries[start:end]}
        return Reply(200, {"Content-Type": INDEX} | headers, json.dumps(index).encode())

    def _delete_manifest(self, _request: Request, name: str, reference: str) -> Reply:
        repository = self.repositories[name]
        if repository.manifests.pop(reference, None) is None:
            return error_reply(404, "MANIFEST_UNKNOWN")
        repository.tags = {t: d for t, d in repository.tags.items() if d != reference}
        return Reply(202)

    def _get_blob(self, request: Request, name: str, digest: str) -> Reply:
        data = self.repositories.get(name, Repository()).blobs.get(digest)
        if data is None:
            return error_reply(404, "BLOB_UNKNOWN")
        tag = f'"{digest}{self.edition}"'
        headers = {"Content-Type": OCTETS, "Docker-Content-Digest": digest, "ETag": tag}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        changed = request.headers.get("if-range", tag) != tag
        if not wanted or changed or not self.ranges:
            return Reply(200, headers, data)
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if first > last:
            return error_reply(416, "RANGE_INVALID", Content_Range=f"bytes */{len(data)}")
        span = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        return Reply(206, headers | span, data[first : last + 1])

    def _begin(self, request: Request, name: str) -> Reply:
        digest, origin = request.query.get("mount", ""), request.query.get("from", "")
        data = self.repositories.get(origin, Repository()).blobs.get(digest)
        if data is not None and self.mounts:
            self.repositories[name].blobs[digest] = data
            return _blob_created(name, digest)
        self._started += 1
        identity = f"upload-{self._started}"
        self.uploads[identity] = Upload(name)
        return self._session(request, identity, 202)

    def _go_on(self, request: Request, name: str, id: str) -> Reply:  # noqa: A002
        upload = self.uploads.get(id)
        if upload is None or upload.name != name:
            return error_reply(404, "BLOB_UPLOAD_UNKNOWN")
        if request.method == "DELETE":
            del self.uploads[id]
            return Reply(204)
        if request.method == "GET":
            return self._session(request, id, 204)
        if request.query.get("_state") != str(upload.state):
            return error_reply(400, "BLOB_UPLOAD_INVALID", "not the location that was given last")
        span = request.headers.get("content-range", "").partition("-")[0]
        if span and int(span) != len(upload.data):
            return error_reply(416, "RANGE_INVALID", Range=_span(upload))
        if request.method == "PATCH" and upload.short:
            return error_reply(416, "SIZE_INVALID", Range=_span(upload))
        upload.data += request.body
        if request.method == "PATCH":
            upload.short = len(request.body) < self.least_chunk
            return self._session(request, id, 202)
        return self._commit(request, id, upload)

    def _commit(self, request: Request, identity: str, upload: Upload) -> Reply:
        data, digest = bytes(upload.data), request.query.get("digest", "")
        if sha256(data) != digest:
            return error_reply(400, "DIGEST_INVALID")
        del self.uploads[identity]
        self.repositories[upload.name].blobs[digest] = data
        return _blob_created(upload.name, digest)

    def _session(self, request: Request, identity: str, status: int) -> Reply:
        upload = self.uploads[identity]
        upload.state += 1
        base = "" if self.relative else request.base
        location = f"{base}/v2/{upload.name}/blobs/uploads/{identity}?_state={upload.state}"
        headers = {"Location": location, "Range": _span(upload), "Docker-Upload-UUID": identity}
        if self.least_chunk:
            headers["OCI-Chunk-Min-Length"] = str(self.least_chunk)
        return Reply(status, headers)


def _elsewhere(layer: Mapping[str, Any]) -> bool:
    """True for a layer that need not be here; OCI's must be where it has no urls (measured)."""
    kinds = (DOCKER_FOREIGN, OCI_FOREIGN)
    return bool(layer.get("urls")) and any(kind in layer["mediaType"] for kind in kinds)


def _foreign_refused(digest: str) -> Reply:
    """Distribution's answer: three errors under 500, of which only the last one says something."""
    unknown = {"code": "UNKNOWN", "message": "unknown error"}
    blob = {"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown", "detail": digest}
    reply = json_reply({"errors": [unknown, unknown | {"detail": {}}, blob]})
    return Reply(500, reply.headers, reply.body)


def entry_of(media_type: str, data: bytes) -> tuple[dict[str, object], str]:
    """A manifest as a list of referrers has it, and the digest of its subject ("" for none)."""
    manifest = json.loads(data)
    kind = manifest.get("artifactType") or manifest.get("config", {}).get("mediaType")
    optional = {"artifactType": kind, "annotations": manifest.get("annotations")}
    entry = {"mediaType": media_type, "digest": sha256(data), "size": len(data)}
    subject = (manifest.get("subject") or {}).get("digest", "")
    return entry | {name: value for name, value in optional.items() if value}, subject


def _accept(request: Request) -> str:
    return request.headers.get("accept", "")


def _span(upload: Upload) -> str:
    # Distribution says 0-0 both for nothing and for one byte.
    return f"0-{max(len(upload.data) - 1, 0)}"


def _blob_created(name: str, digest: str) -> Reply:
    place = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Reply(201, place)
