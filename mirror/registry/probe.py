"""One request at a time to one registry, told as it was answered: the questions of a preflight.

Nothing is followed, retried or logged into by itself. What a 401 says is the answer, and not an
obstacle on the way to one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import httpx

from mirror.oci.strictjson import parse_object
from mirror.registry import policy
from mirror.registry.access import Access
from mirror.registry.auth import refresh_form
from mirror.registry.challenge import Challenge, parse_challenges
from mirror.registry.connection import Ask, Connection
from mirror.registry.credentials import Credentials, CredentialStore
from mirror.registry.pace import within
from mirror.registry.place import Place
from mirror.registry.redact import FORM, masked
from mirror.registry.wire import ACCEPT_MANIFESTS
from mirror.settings import MAX_ERROR_ANSWER, MAX_TOKEN_ANSWER
from mirror.text import printable


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``headers`` by lower-case name, each with all its values."""

    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: bytes = field(repr=False)
    """Its first ``limit`` bytes; empty for a HEAD."""
    told: bytes = field(default=b"", repr=False)
    """The same without the secrets of its request, which some proxies repeat."""

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(iter(self.headers.get(name.lower(), ())), "")

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def challenges(self) -> tuple[Challenge, ...]:
        """What it asks for, whatever its status."""
        return parse_challenges(self.headers.get("www-authenticate", ()))

    @property
    def text(self) -> str:
        """The body as one printable line of at most 300 characters, for evidence."""
        return printable((self.told or self.body).decode("utf-8", "replace"))

    def json(self) -> Any:
        """The body as JSON; None where it is none. Values may be of any type: check them."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one where it is none."""
        found = self.json()
        return found if isinstance(found, dict) else {}


class Probe:
    """Asks one registry. ``seconds`` gives how long a request may take now. Thread-safe.

    Raises RegistryFault: Unreachable, Untrusted, Misbehaved. A 5xx is an answer like any other.
    """

    def __init__(self, host: str, access: Access, seconds: Callable[[], float]) -> None:
        self._wire = Connection(host, access)
        self._seconds = seconds

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._wire.close()

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return self._wire.requests

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        authorization: str = "",
        limit: int = MAX_ERROR_ANSWER,
    ) -> Answer:
        """The answer to one request to the registry's own origin; ``path`` begins with a slash."""
        url = self._wire.root.copy_with(path=path)
        if query:
            url = url.copy_with(params=httpx.QueryParams(dict(query)))
        what = f"cannot ask {self._wire.host}{path}"
        ask = Ask(method, Place(url), what, (), dict(headers or {}), body)
        return self._sent(ask, authorization, limit)

    def manifest(self, repository: str, name: str, authorization: str = "") -> Answer:
        """A GET of a manifest by tag or digest, which accepts every type that there is."""
        accept = {"Accept": ACCEPT_MANIFESTS}
        path = f"/v2/{repository}/manifests/{name}"
        return self.ask("GET", path, headers=accept, authorization=authorization)

    def token(
        self, challenge: Challenge, scopes: tuple[str, ...], login: Credentials | None = None
    ) -> Answer:
        """What the token service of a Bearer challenge answers; ``scopes`` as in a token request.

        Misbehaved where the realm is no place to which this registry may send anybody, by the
        rule that every transfer keeps (``policy.realm``).
        """
        what, url = f"cannot get a token for {self._wire.host}", self.realm(challenge)
        service = challenge.parameters.get("service", "")
        if login and login.identity:
            form = str(httpx.QueryParams(refresh_form(login, service, scopes))).encode()
            asked = Ask("POST", Place(url), what, (), {"Content-Type": FORM}, form)
            return self._sent(asked, "", MAX_TOKEN_ANSWER)
        for name, value in (("service", service), *(("scope", scope) for scope in scopes)):
            url = url.copy_add_param(name, value) if value else url
        ask = Ask("GET", Place(url), what)
        return self._sent(ask, login.basic() if login else "", MAX_TOKEN_ANSWER)

    def realm(self, challenge: Challenge) -> httpx.URL:
        """Where that service is; nothing is asked. Misbehaved as above."""
        what = f"cannot get a token for {self._wire.host}"
        realm = challenge.parameters.get("realm", "")
        return self._wire.allowed(what, policy.realm, self._wire.root, realm, self._wire.others)

    def _sent(self, ask: Ask, authorization: str, limit: int) -> Answer:
        seconds = self._seconds()
        ask = replace(ask, timeout=seconds)
        with within(seconds), self._wire.plainly(ask, authorization) as response:
            body = self._wire.bounded(response, limit, ask.what, strict=False)
            told = masked(body, response.request)
            return Answer(response.status_code, _by_name(response.headers), body, told)


def _by_name(headers: httpx.Headers) -> dict[str, tuple[str, ...]]:
    """All values of each header, in one pass: there may be ten thousand (``get_list`` is one)."""
    found: dict[str, list[str]] = {}
    for name, text in headers.multi_items():
        found.setdefault(name.lower(), []).append(text)
    return {name: tuple(values) for name, values in found.items()}


def bearer(answer: Answer) -> str:
    """The Authorization header of a token answer, empty where it holds no token.

    Harbor leaves ``access_token`` empty, others leave ``token`` out.
    """
    try:
        found = parse_object(answer.body)
    except ValueError:
        return ""
    token = found.get("token") or found.get("access_token")
    good = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
    return f"Bearer {token}" if good and token else ""


def strangers(access: Access) -> Access:
    """How somebody with nothing would reach the same registry: no login, proxy or client key.

    Nor trust: what a stranger learns is no secret, and what the certificate is worth is a
    question of its own. So everything else can be told too where the certificate is bad.
    """
    tls = access.tls._replace(cert_file=None, key_file=None, insecure=True)
    return replace(access, tls=tls, credentials=CredentialStore(environment={}), direct=True)
