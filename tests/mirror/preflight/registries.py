"""Looking at a registry with some of the checks, as somebody or as nobody.

found = look(harbor.host, HARBOR_CHECKS, login=ann.login)
found["REG-4"].status, found["REG-4"].summary

A pretend Harbor answers each path of its API with whatever value a test wants:

    with FakeRegistry() as fake:
        answers = pretend_harbor(fake)
        answers["/projects"] = [{"name": 7}]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mirror.errors import Side
from mirror.oci.digest import Digest
from mirror.preflight import harbor, rights, service, space
from mirror.preflight.interface import Check, Verdict
from mirror.preflight.run import Rules, examine
from mirror.preflight.scene import Awaited, Expected, Question, Scene, Target
from mirror.registry.access import Access
from mirror.registry.credentials import Credentials, CredentialStore, Secret
from mirror.registry.tls import TlsOptions
from scripts.world.images import Image
from tests.fakes.behaviours import Behaviour, Go
from tests.fakes.message import Reply, Request, error_reply, json_reply
from tests.fakes.simple import FakeRegistry

RIGHTS = rights.CHECKS
HARBOR = harbor.CHECKS
ALL = (*rights.CHECKS, *harbor.CHECKS, *space.CHECKS)
Login = tuple[str, str] | Credentials | None


def look(
    host: str,
    checks: Iterable[Check] = ALL,
    *,
    project: str = "tkg",
    login: Login = None,
    expected: Expected | None = None,
    create: bool = False,
    tls: TlsOptions | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Verdict]:
    """Each check's verdict by its id; speaks plain HTTP where no ``tls`` is given."""
    target = Target.parse(f"{host}/{project}" if project else host)
    given = {host: _credentials(login)} if login else {}
    access = Access(
        Side.DESTINATION,
        plain_http=tls is None,
        tls=tls or TlsOptions(),
        credentials=CredentialStore(given=given, environment={}),
    )
    question = Question(target, access, expected=expected, create_project=create)
    with Scene(question, clock=clock) as scene:
        found = examine(scene, (*service.CHECKS, *checks), Rules())
    return {each.check.id: each.verdict for each in found.findings}


def _credentials(login: tuple[str, str] | Credentials) -> Credentials:
    return login if isinstance(login, Credentials) else Credentials(login[0], Secret(login[1]))


def expecting(images: dict[str, Image]) -> Expected:
    """A bundle of these images, by ``path:tag``."""
    awaited, blobs = [], dict[Digest, int]()
    for name, image in images.items():
        path, _, tag = name.partition(":")
        awaited.append(Awaited(name, path, tag, Digest.parse(image.manifest.digest)))
        sizes = {Digest.parse(blob.digest): blob.size for blob in image.everything().values()}
        blobs |= sizes
    return Expected("bundle.tar", tuple(awaited), blobs)


def paths(*names: str) -> Expected:
    """Images of these paths, as BOM files name them: without digests and sizes."""
    return Expected("bom.yaml", tuple(Awaited(f"{n}:v1", n, "v1", None) for n in names))


def files(storage: Path) -> list[str]:
    """Every file that a registry stores; folders are no matter."""
    return sorted(str(path.relative_to(storage)) for path in storage.rglob("*") if path.is_file())


def pretend_harbor(fake: FakeRegistry) -> dict[str, object]:
    """Let a fake pass for Harbor; what it answers to each path of its API is in the dictionary.

    A path that is not there has 404; a Reply is sent as it is. ``POST /projects`` is for one method
    alone. Every login is good.
    """
    answers: dict[str, object] = {}
    challenge = f'Bearer realm="{fake.url}/service/token",service="harbor-registry"'

    def root(request: Request, go: Go) -> Reply:
        if "authorization" in request.headers:
            return go()
        return error_reply(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

    fake.on("*", "^/v2/$", root)
    fake.on("*", "/manifests/", denied(challenge))
    fake.on("*", "^/api/v2.0/", _api(answers))
    return answers


def denied(challenge: str) -> Behaviour:
    """Send whoever has no Authorization away with this challenge, and let others through."""

    def behave(request: Request, go: Go) -> Reply:
        if "authorization" in request.headers:
            return go()
        return error_reply(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

    return behave


def _api(answers: dict[str, object]) -> Behaviour:
    def behave(request: Request, _go: Go) -> Reply:
        path = request.path.removeprefix("/api/v2.0")
        if path == "/ping":
            return Reply(200, {"Content-Type": "text/plain"}, b"Pong")
        missing = error_reply(404, "NOT_FOUND")
        value = answers.get(f"{request.method} {path}", answers.get(path, missing))
        return value if isinstance(value, Reply) else json_reply(value)

    return behave


def raw(text: str, status: int = 200) -> Reply:
    """An answer with a body that may be no JSON."""
    return Reply(status, {"Content-Type": "application/json"}, text.encode())


def whole(value: object) -> str:
    """Every word of verdicts, as evidence for what must not be in them."""
    return json.dumps(value, default=str)
