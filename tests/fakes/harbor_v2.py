"""Harbor's door to `/v2/`: who is let in, and in which words the others are turned away.

The order is Harbor's: read-only mode before anything else, then rights, then the project's rules.
Statements marked [M] were measured on v2.9.5, those marked [S] read in its source.
"""

from __future__ import annotations

from functools import partial

from tests.fakes.harbor_projects import Caller, System, project_of
from tests.fakes.harbor_rules import Rules, Target
from tests.fakes.harbor_tokens import PATH, SERVICE, Tokens, basic
from tests.fakes.harbor_wire import Relay
from tests.fakes.message import Reply, Request, error_reply, json_reply

READ_ONLY = "The system is in read only mode. Any modification is prohibited."

_ACTIONS = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
_SCOPES = {"pull": "pull", "push": "pull,push", "delete": "delete"}


class Gate:
    """Decides about every request below `/v2/`."""

    def __init__(self, system: System, tokens: Tokens) -> None:
        self._system = system
        self._tokens = tokens
        self._rules = Rules(system)

    def decide(self, request: Request) -> Reply | Relay:
        """The refusal, or the way to the registry behind."""
        if self._system.read_only and request.method not in ("GET", "HEAD"):
            return error_reply(403, "DENIED", READ_ONLY)
        caller = self._caller(request)
        if request.path == "/v2/":
            return self._base(request, caller)
        target = Target.of(request)
        if target is None:
            return error_reply(404, "NOT_FOUND", "no such path")
        return self._unauthorized(request, caller, target) or self._rules.decide(request, target)

    # --- rights ---------------------------------------------------------------------------

    def _caller(self, request: Request) -> Caller:
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._tokens.caller(text)
        return Caller(basic(self._system, request))

    def _base(self, request: Request, caller: Caller) -> Reply:
        if caller.known:
            return json_reply({}, Docker_Distribution_Api_Version="registry/2.0")
        return self._refusal(request, "unauthorized")

    def _unauthorized(self, request: Request, caller: Caller, target: Target) -> Reply | None:
        """Each right that the request needs, in Harbor's order; the first one missing counts."""
        needed = [(target.repository, _ACTIONS.get(request.method, "push"))]
        origin = request.query.get("from", "")
        if request.method == "POST" and request.query.get("mount") and origin:
            needed.append((origin, "pull"))
        refuse = partial(self._refusal, request, needed=needed)
        if request.method in ("GET", "HEAD") and "authorization" not in request.headers:
            # In a public project too, or docker would not ask for a token (harbor#11271) [S][M].
            return refuse("authorize header needed to send HEAD to repository")
        for repository, action in needed:
            project = project_of(repository)
            if project not in self._system.projects:
                return _challenged("", f"project {project} not found")
            if not self._system.may(caller, project, action):
                return refuse(f"unauthorized to access repository: {repository}, action: {action}")
        return None

    def _refusal(
        self, request: Request, message: str, needed: list[tuple[str, str]] | None = None
    ) -> Reply:
        if "authorization" in request.headers:
            return _challenged('Basic realm="harbor"', message)
        scopes = (f"repository:{name}:{_SCOPES[action]}" for name, action in needed or [])
        challenge = f'Bearer realm="{request.base}{PATH}",service="{SERVICE}"'
        if scope := " ".join(scopes):
            challenge += f',scope="{scope}"'
        return _challenged(challenge, message)


def _challenged(challenge: str, message: str) -> Reply:
    return error_reply(401, "UNAUTHORIZED", message, WWW_Authenticate=challenge)
