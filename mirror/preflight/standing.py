"""Who asks: the operator's credentials, tried once, and sent in the way the registry wants them.

A wrong password is sent a single time however many checks would need a right one: three of them
lock an account in many a directory.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from mirror.errors import Fault, Misbehaved, Side
from mirror.preflight import harbor_api, writing
from mirror.preflight.interface import Status, Verdict, failed, passed, skipped, untold
from mirror.preflight.openness import nobody
from mirror.preflight.products import HARBOR, product
from mirror.preflight.scene import Scene
from mirror.preflight.service import root
from mirror.preflight.writing import Reading
from mirror.registry.challenge import Challenge
from mirror.registry.credentials import Credentials
from mirror.registry.probe import Answer, bearer
from mirror.text import printable

GIVE = "give --username NAME with --password-stdin, or log in with docker login"
_CHECK = (
    "check name and password, this one attempt was made; a Harbor robot's name is"
    " 'robot$PROJECT+NAME', in quotes for the shell"
)
PUSH = "pull,push"


class Standing(NamedTuple):
    """What became of the credentials. ``verdict`` is REG-3's."""

    verdict: Verdict
    challenge: Challenge | None = None
    """How it asks for a login; None where it asks nobody. An empty scheme is none we know."""
    login: Credentials | None = None
    """Those that are good, or None."""
    robot: bool = False
    """Known only of Harbor."""

    @property
    def usable(self) -> bool:
        """True where more can be asked than a stranger could, or where everybody may all."""
        return self.login is not None or self.challenge is None

    @property
    def name(self) -> str:
        """Whose rights are looked at, for people."""
        return printable(self.login.username) if self.login else "anybody"

    @property
    def lacking(self) -> Verdict:
        """The verdict of a check that needs more than there is."""
        if self.verdict.status is Status.SKIP and not self.verdict.unknown:
            return skipped("no credentials were given", fix=GIVE)
        return untold("cannot be told before REG-3 is mended")


def standing(scene: Scene) -> Standing:
    """Try the credentials; use it as ``scene.once(standing)``."""
    challenge = scene.once(asked)
    if challenge is None:
        written = scene.once(writing.stranger)
        if written.reading is not Reading.ODD:
            return Standing(skipped("it asks nobody for a login"))
        # A proxy's word, for one: behind it there may be somebody who asks.
        what = f"whether it asks for a login is not told: a PUT answered {written.answer.status}"
        return Standing(untold(what, str(written), fix="see REG-4"))
    login = scene.login
    if login is None:
        return Standing(skipped("no credentials were given", fix=GIVE), challenge)
    if scene.question.access.tls.insecure and not scene.question.access.plain_http:
        fix = "name its CA with --ca-file instead of --insecure-skip-tls-verify"
        why = "credentials go to nobody whose certificate was not verified"
        return Standing(untold(why, fix=fix), challenge)
    if scene.once(product).name == HARBOR:
        return _harbor(scene, login, challenge)
    if challenge.scheme == "bearer":
        return _bearer(scene, login, challenge)
    return Standing(*_basic(scene, login, challenge))


def usable(scene: Scene) -> Standing | None:
    """The same where it helps; None where it does not, or could not be found out."""
    try:
        found = scene.once(standing)
    except Fault:
        return None
    return found if found.usable else None


def good(scene: Scene) -> Standing | None:
    """The same where there are good credentials; None for whatever reason there are none."""
    found = usable(scene)
    return found if found and found.login else None


def asked(scene: Scene) -> Challenge | None:
    """How it asks for a login: at its root, or only where somebody writes; None for nowhere.

    Bearer where there is a choice, as every registry client has it.
    """
    answer = scene.once(root)
    found = answer.challenges
    if not found and answer.status == 200:
        written = scene.once(writing.stranger)
        found, answer = written.answer.challenges, written.answer
        if answer.status != 401:
            return None
    for scheme in ("bearer", "basic"):
        for challenge in found:
            if challenge.scheme == scheme:
                return challenge
    return next(iter(found), Challenge("", {}))


# --- each way to log in -----------------------------------------------------------------------


def _harbor(scene: Scene, login: Credentials, challenge: Challenge) -> Standing:
    """Harbor takes Basic at /v2/; elsewhere it takes a wrong password for none (measured)."""
    verdict, _, proven = _basic(scene, login, Challenge("basic", {}))
    if proven is None:
        return Standing(verdict, challenge)
    answer = scene.account.ask(
        "GET", f"{harbor_api.ROOT}/users/current", authorization=login.basic()
    )
    kind, name = harbor_api.account(answer), printable(login.username)
    verdict = passed(f"Harbor knows {name}: {kind}", verdict.detail)
    basic = Challenge("basic", challenge.parameters)
    return Standing(verdict, basic, login, robot=answer.status == 412)


def _basic(
    scene: Scene, login: Credentials, challenge: Challenge
) -> tuple[Verdict, Challenge, Credentials | None]:
    """A name and password. Where /v2/ is open to all, an attempt to write shows what they are."""
    if challenge.scheme != "basic":
        scheme = printable(challenge.scheme, 40) or "no way that is known"
        fix = "let it ask for Basic or Bearer: docker and imgpkg know no other way"
        return untold(f"it asks for a login by {scheme}", fix=fix), challenge, None
    if login.identity:
        fix = "log in with name and password"
        return untold("a refresh token is no password", fix=fix), challenge, None
    told = "GET /v2/"
    if scene.once(root).status == 200:
        told, name = "an attempt to write", writing.repositories(scene)[0]
        header = login.basic()
        written = writing.misnamed(scene.account, name, header, lambda: header)
        answer, known = written.answer, written.reading not in (Reading.ODD, Reading.READ_ONLY)
    else:
        answer = scene.account.ask("GET", "/v2/", authorization=login.basic())
        known = answer.status in (200, 401, 403)
    detail = f"{told} with Basic answered {answer.status} {answer.text}".strip()
    if not known:
        return untold(f"{told} answered {answer.status}", detail), challenge, None
    if answer.status == 401 or (answer.status == 403 and told == "GET /v2/"):
        return _refused(login, detail), challenge, None
    return passed(f"it knows {printable(login.username)}", detail), challenge, login


def _refused(login: Credentials, detail: str) -> Verdict:
    name = printable(login.username)
    return failed(f"it does not take the login of {name}", detail, fix=_CHECK)


def _bearer(scene: Scene, login: Credentials, challenge: Challenge) -> Standing:
    """A token for one repository. A service may give a stranger's to a wrong password."""
    scope = f"repository:{writing.repositories(scene)[0]}:{PUSH}"
    answer = scene.account.token(challenge, (scope,), login)
    header, name = bearer(answer), printable(login.username)
    detail = f"the token service answered {answer.status}"
    if answer.status in (401, 403):
        return Standing(_refused(login, f"{detail} {answer.text}"), challenge)
    if answer.status != 200 or not header:
        return Standing(untold(f"{detail}, and gave no token"), challenge)
    told = claims(header)
    if told is not None and not told.get("sub") and "push" not in actions(told):
        fact = f"{detail} with a token that names nobody and grants {_listed(actions(told))}"
        verdict = failed(f"it takes the login of {name} for nobody's", fact, fix=_CHECK)
        return Standing(verdict, challenge)
    taken = scene.account.ask("GET", "/v2/", authorization=header)
    if taken.status == 401:
        fix = "let registry and token service have one key, one issuer and one clock"
        verdict = failed("it does not take its own token service's token", taken.text, fix=fix)
        return Standing(verdict, challenge)
    said = f"grants {_listed(actions(told))}" if told is not None else "is opaque"
    detail = f"{detail}; the token {said}"
    if _distinguished(scene, header, login):
        verdict = passed(f"its token service knows {name}", detail)
    else:
        said = f"whether it knows {name} is not told: it gives a stranger the same rights"
        verdict = untold(said, detail, fix=f"{_CHECK}; or give it the right to push")
    return Standing(verdict, challenge, login)


def _distinguished(scene: Scene, header: str, login: Credentials) -> bool:
    """Whether a token shows that the login counted, and is not what anybody gets.

    It names the account, or somebody else than a stranger's token does; or strangers get none; or
    it lets write where a stranger's does not. A service that takes no notice of logins has none
    of these.
    """
    told = (claims(header) or {}).get("sub")
    if told and told == login.username:
        return True
    other = scene.once(nobody)
    if isinstance(other, Verdict):
        return other.status is Status.PASS
    attempt, anybodys = other
    theirs = (claims(anybodys) or {}).get("sub")
    if told and anybodys and told != theirs:
        return True
    mine = writing.misnamed(scene.account, attempt.repository, header, lambda: header)
    return mine.reading is Reading.MAY and attempt.reading in (Reading.MAY_NOT, Reading.NO_PROJECT)


def _listed(names: frozenset[str]) -> str:
    return printable(", ".join(sorted(names))) or "nothing"


def claims(header: str) -> dict[str, Any] | None:
    """What a JWT in an Authorization header says about itself; None where it is no JWT.

    Nobody verified it: it informs, and proves nothing.
    """
    parts = header.partition(" ")[2].split(".")
    if len(parts) != 3:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def actions(told: Mapping[str, Any]) -> frozenset[str]:
    """All actions of a token's ``access`` claim (distribution, "Token Authentication")."""
    access = told.get("access")
    entries = [each for each in access if isinstance(each, dict)] if _is_list(access) else []
    lists = [each["actions"] for each in entries if _is_list(each.get("actions"))]
    return frozenset(action for each in lists for action in each if isinstance(action, str))


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


# --- asking -----------------------------------------------------------------------------------


class Voice:
    """Speaks for whoever has good credentials; tokens are fetched once for each repository.

    Thread-safe. Where the registry asks nobody, it sends nothing.
    """

    def __init__(self, scene: Scene, whose: Standing) -> None:
        self.whose = whose
        self.probe = scene.account if whose.login else scene.stranger
        self._host = scene.target.authority
        self._tokens: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def header(self, repository: str, wanted: str = PUSH) -> str:
        """The Authorization for a repository; empty where its service grants none.

        Raises RegistryFault where the token service gives no usable answer.
        """
        challenge, login = self.whose.challenge, self.whose.login
        if challenge is None or login is None:
            return ""
        if challenge.scheme != "bearer":
            return login.basic()
        with self._lock:
            known = self._tokens.get((repository, wanted))
        if known is None:
            known = self._fetched(challenge, f"repository:{repository}:{wanted}", login)
            with self._lock:
                self._tokens[repository, wanted] = known
        return known

    def _fetched(self, challenge: Challenge, scope: str, login: Credentials) -> str:
        answer = self.probe.token(challenge, (scope,), login)
        header = bearer(answer)
        if header and answer.status == 200:
            return header
        if answer.status in (401, 403):
            return ""
        what = f"cannot get a token for {self._host}"
        fact = f"its token service answered {answer.status} without a token"
        raise Misbehaved(Side.DESTINATION, self._host, what, fact=fact)


def voice(scene: Scene) -> Voice:
    """Use it as ``scene.once(voice)``, where the standing is usable."""
    return Voice(scene, scene.once(standing))


def harbor_get(scene: Scene, path: str, query: Mapping[str, str] | None = None) -> Answer:
    """A GET of Harbor's API with good credentials where there are any, else as a stranger."""
    known = good(scene)
    probe = scene.account if known else scene.stranger
    header = known.login.basic() if known and known.login else ""
    # A name of digits would be taken for a number (read in Harbor's source).
    named = {"X-Is-Resource-Name": "true"}
    whole = f"{harbor_api.ROOT}{path}"
    return probe.ask("GET", whole, query=query, headers=named, authorization=header)
