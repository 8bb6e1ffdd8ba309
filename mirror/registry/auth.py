"""Tokens: who may do what where, fetched once and shared by all workers."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import httpx

from mirror.errors import Misbehaved, Refused, RegistryFault, Unreachable
from mirror.oci.strictjson import parse_object
from mirror.registry import policy
from mirror.registry.challenge import Challenge, parse_challenges
from mirror.registry.credentials import Credentials
from mirror.settings import TOKEN_LIFE, TOKEN_RENEWAL

Answer = TypeVar("Answer")

# What a request may ask for, as a token's scope writes it: ``repository:tkg/antrea:pull``.
Scopes = tuple[str, ...]


class AskToken(Protocol):
    """Sends one request to log in and gives the answer's body, bounded in size."""

    def __call__(
        self, method: str, url: httpx.URL, headers: dict[str, str], form: dict[str, str]
    ) -> bytes:
        """Raises a RegistryFault for every answer but 200."""


@dataclass(slots=True)
class _Token:
    lock: threading.Lock = field(default_factory=threading.Lock)
    header: str = field(default="", repr=False)
    renew_at: float = 0.0


class _Failure(NamedTuple):
    """A fetch that failed, and when: who waited for it meanwhile need not try the same again."""

    at: float
    fault: RegistryFault


@dataclass(slots=True)
class _Login:
    """What one account turned out to be: nothing yet, good, or unknown to the registry."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    good: bool = False
    refusal: RegistryFault | None = None


class Authorizer:
    """Gives the Authorization header for a request to one registry.

    The first 401 teaches it the registry's scheme; from then on a token is fetched before
    the request that needs it, once for each scope however many workers wait for it.

    A wrong password is sent once, whatever the number of workers and images: three of them lock
    an account in many a directory.
    """

    def __init__(
        self,
        registry: httpx.URL,
        lookup: Callable[[str], Credentials | None],
        ask: AskToken,
        fault: Callable[[type[RegistryFault], str, str], RegistryFault],
        clock: Callable[[], float] = time.monotonic,
        others: Collection[str] = (),
    ) -> None:
        self._registry = registry
        self._others = others
        self._lookup = lookup
        self._ask = ask
        self._fault = fault
        self._clock = clock
        self._challenge: Challenge | None = None
        self._tokens: dict[Scopes, _Token] = {}
        self._logins: dict[str, _Login] = {}
        self._failure: _Failure | None = None
        self._lock = threading.Lock()

    def header(self, scopes: Scopes) -> str:
        """What to send now; empty while the registry has not asked for anything."""
        challenge = self._challenge
        return self._obtain(challenge, scopes, stale="") if challenge else ""

    def held(self, scopes: Scopes) -> str:
        """What could be sent without waiting for anybody; empty where that is nothing."""
        token = self._tokens.get(scopes)
        if token:
            return token.header
        basic = self._challenge is not None and self._challenge.scheme == "basic"
        return self.header(scopes) if basic and self._proven() else ""

    def secrets(self) -> list[str]:
        """All that must never be shown: tokens, and passwords as they are and as they are sent."""
        tokens = [token.header.partition(" ")[2] for token in list(self._tokens.values())]
        coded = [header.partition(" ")[2] for header in list(self._logins)]
        plain = [base64.b64decode(each).decode("utf-8", "replace") for each in coded]
        return [*tokens, *coded, *(each.partition(":")[2] for each in plain)]

    def _proven(self) -> bool:
        """True where every account that was tried is good: then nothing waits for an answer."""
        return all(login.good for login in list(self._logins.values()))

    def renew(self, www_authenticate: Iterable[str], scopes: Scopes, sent: str) -> str:
        """What to send after a 401 that answered ``sent``; empty if there is nothing new to say."""
        challenge = _choose(parse_challenges(www_authenticate))
        if challenge is None:
            return ""
        known = self._challenge
        if known is not None and known.scheme == "bearer" and challenge.scheme == "basic":
            # Harbor says so to every token that it refuses (measured). The password stays at home.
            challenge = known
        self._challenge = challenge
        header = self._obtain(challenge, scopes, stale=sent)
        return header if header != sent else ""

    def _obtain(self, challenge: Challenge, scopes: Scopes, stale: str) -> str:
        if challenge.scheme == "basic":
            found = self._lookup(_repository(scopes))
            return self._basic(found) if found and not found.identity else ""
        with self._lock:
            token = self._tokens.setdefault(scopes, _Token())
        began = self._clock()
        # Workers that need the same token wait here for the one that fetches it.
        with token.lock:
            if not token.header or token.header == stale or self._clock() >= token.renew_at:
                self._fail_alike(began)
                token.header, life = self._tried(lambda: self._fetch(challenge, scopes))
                token.renew_at = self._clock() + life * TOKEN_RENEWAL
            return token.header

    def _tried(self, fetch: Callable[[], Answer]) -> Answer:
        """What ``fetch`` gives; its failure is noted for those who wait for the same."""
        try:
            return fetch()
        except Unreachable as fault:
            self._failure = _Failure(self._clock(), fault)
            raise

    def _fail_alike(self, began: float) -> None:
        """Raise what somebody else met at the same service since ``began``, silence above all.

        Sixteen workers that each wait for a silent service in turn take sixteen timeouts.
        """
        failure = self._failure
        if failure and failure.at > began:
            raise self._fault(Unreachable, failure.fault.what, failure.fault.fact)

    def _basic(self, found: Credentials) -> str:
        """The header for a name and password, tried first where nothing hangs on the answer."""
        header = found.basic()
        url = self._registry.copy_with(path="/v2/")

        def probe() -> bytes:
            try:
                return self._ask("GET", url, {"Authorization": header}, {})
            except RegistryFault as fault:
                if fault.temporary or _unknown(fault):
                    raise
                return b""  # it speaks of this path, not of the account

        self._prove(found, probe)
        return header

    def _log_in(self, found: Credentials, ask: Callable[[], bytes]) -> bytes:
        """``ask``'s answer, if the account is not known to be unknown."""
        first = self._prove(found, ask)
        return ask() if first is None else first

    def _prove(self, found: Credentials, ask: Callable[[], bytes]) -> bytes | None:
        """The answer to an account that nobody tried before, else None.

        Workers with the same account wait for it. Raises Refused for all of them once the
        account turned out to be unknown.
        """
        with self._lock:
            login = self._logins.setdefault(found.basic(), _Login())
        began = self._clock()
        with login.lock:
            if not login.good:
                self._fail_alike(began)
            if login.refusal:
                # A fault of its own for each thread: a traceback grows wherever one is raised.
                raise self._fault(Refused, login.refusal.what, login.refusal.fact)
            return None if login.good else self._first(login, ask)

    def _first(self, login: _Login, ask: Callable[[], bytes]) -> bytes:
        try:
            answer = self._tried(ask)
        except RegistryFault as fault:
            if _unknown(fault):
                login.refusal = fault
            raise
        login.good = True
        return answer

    def _fetch(self, challenge: Challenge, scopes: Scopes) -> tuple[str, float]:
        found = self._lookup(_repository(scopes))
        try:
            realm = challenge.parameters.get("realm", "")
            url = policy.realm(self._registry, realm, self._others)
        except ValueError as cause:
            raise self._fault(Misbehaved, "cannot log in", str(cause)) from None
        service = challenge.parameters.get("service", "")
        if found and found.identity:
            form = refresh_form(found, service, scopes)
            return self._read(self._log_in(found, lambda: self._ask("POST", url, {}, form)))
        for name, value in (("service", service), *(("scope", scope) for scope in scopes)):
            url = url.copy_add_param(name, value) if value else url
        if not found:
            return self._read(self._ask("GET", url, {}, {}))
        headers = {"Authorization": found.basic()}
        return self._read(self._log_in(found, lambda: self._ask("GET", url, headers, {})))

    def _read(self, body: bytes) -> tuple[str, float]:
        """The token itself: Harbor leaves ``access_token`` empty, others leave ``token`` out."""
        try:
            answer = parse_object(body)
        except ValueError as cause:
            raise self._fault(Misbehaved, "cannot log in", f"its token answer is {cause}") from None
        token = answer.get("token") or answer.get("access_token")
        if (
            not isinstance(token, str)
            or not token
            or not token.isascii()
            or not token.isprintable()
            or " " in token
        ):
            raise self._fault(Misbehaved, "cannot log in", "its token answer holds no token")
        life = answer.get("expires_in")
        seconds = float(life) if type(life) is int and 0 < life < 10**9 else TOKEN_LIFE
        return f"Bearer {token}", seconds


def refresh_form(found: Credentials, service: str, scopes: Scopes) -> dict[str, str]:
    """What is posted to a token service for a refresh token (docker's "OAuth2 token" page)."""
    return {
        "grant_type": "refresh_token",
        "refresh_token": found.secret.reveal(),
        "service": service,
        "scope": " ".join(scopes),
        "client_id": "tkg-mirror",
    }


def _unknown(fault: RegistryFault) -> bool:
    """401 is about the account; 403 may be about one repository (ghcr.io answers so)."""
    return isinstance(fault, Refused) and fault.status == 401


def _choose(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """Bearer where there is a choice: it is what every other registry client prefers."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None


def _repository(scopes: Scopes) -> str:
    return scopes[0].split(":")[1] if scopes else ""
