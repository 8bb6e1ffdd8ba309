"""Harbor's own API below `/api/v2.0`: what it tells about itself and its projects, and to whom.

Answers and rights are as measured on v2.9.5 [M], where the docstrings do not say otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from tests.fakes.harbor_projects import UNLIMITED, Caller, Project, System
from tests.fakes.harbor_tokens import basic
from tests.fakes.message import Reply, Request, error_reply, json_reply

ROOT = "/api/v2.0"
VERSION = "v2.9.5-c8c3b1a1"
COMPONENTS = ("core", "database", "jobservice", "portal", "redis", "registry", "registryctl")
# Of a list; a page_size of the client's may be up to 100.
PAGE = 10

Handler = Callable[..., Reply]


class Api:
    """Answers every request below `/api/v2.0`; Basic is the one way to log in here."""

    def __init__(self, system: System) -> None:
        self._system = system
        name = r"(?P<name>[^/]+)"
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = [
            (methods, re.compile(pattern), handler)
            for methods, pattern, handler in (
                ("GET", "/ping", self._ping),
                ("GET", "/health", self._health),
                ("GET", "/systeminfo", self._systeminfo),
                ("GET", "/(?:systeminfo/volumes|quotas|configurations)", _administered),
                ("GET", "/users/current", self._current),
                ("GET", "/projects", self._list),
                ("HEAD", "/projects", self._exists),
                ("POST", "/projects", self._create),
                ("GET", f"/projects/{name}", self._project),
                ("GET", f"/projects/{name}/summary", self._summary),
                ("GET", f"/projects/{name}/immutabletagrules", self._immutable),
                ("GET", "/retentions/(?P<number>[0-9]+)", self._retention),
            )
        ]

    def answer(self, request: Request) -> Reply:
        """Wrong credentials are no credentials here [M]."""
        caller = Caller(basic(self._system, request))
        path = request.path.removeprefix(ROOT)
        for method, pattern, handler in self._routes:
            if request.method == method and (found := pattern.fullmatch(path)):
                return handler(request, caller, **found.groupdict())
        return error_reply(404, "NOT_FOUND", "path not found")

    # --- the whole ------------------------------------------------------------------------

    def _ping(self, _request: Request, _caller: Caller) -> Reply:
        return Reply(200, {"Content-Type": "text/plain; charset=utf-8"}, b"Pong")

    def _health(self, _request: Request, _caller: Caller) -> Reply:
        names = (*COMPONENTS, "trivy") if self._system.scanner else COMPONENTS
        states = [
            {"name": name, "status": _healthy(name not in self._system.unhealthy)} for name in names
        ]
        return json_reply({"status": _healthy(not self._system.unhealthy), "components": states})

    def _systeminfo(self, request: Request, caller: Caller) -> Reply:
        """Whether it is read-only is told to whoever has logged in, robots too."""
        told: dict[str, object] = {
            "auth_mode": "db_auth",
            "primary_auth_mode": False,
            "self_registration": False,
            "banner_message": "",
            "harbor_version": VERSION,
        }
        if caller.known:
            told |= {"read_only": self._system.read_only, "external_url": request.base}
        return json_reply(told)

    def _current(self, _request: Request, caller: Caller) -> Reply:
        if not caller.known:
            return _unauthorized()
        if caller.account.robot:
            return error_reply(412, "PRECONDITION", "Robot can not get user information")
        admin = caller.account.admin
        return json_reply({"username": caller.account.name, "sysadmin_flag": admin})

    # --- projects -------------------------------------------------------------------------

    def _list(self, request: Request, caller: Caller) -> Reply:
        """`name=` finds parts of names, `q=name=` whole ones, `q=name=~` parts."""
        query, matching = request.query, list(self._visible(caller))
        part, exact = query.get("name", ""), ""
        if found := re.fullmatch(r"name=(~?)(.+)", query.get("q", "")):
            part, exact = (found[2], "") if found[1] else (part, found[2])
        matching = [p for p in matching if part in p.name and exact in ("", p.name)]
        size, page = int(query.get("page_size", PAGE)), int(query.get("page", 1))
        shown = matching[(page - 1) * size : page * size]
        return json_reply(list(map(_shown, shown)), X_Total_Count=str(len(matching)))

    def _visible(self, caller: Caller) -> Iterator[Project]:
        for project in self._system.projects.values():
            if self._reads(caller, project):
                yield project

    def _reads(self, caller: Caller, project: Project | None) -> bool:
        return project is not None and self._system.may(caller, project.name, "pull")

    def _exists(self, request: Request, caller: Caller) -> Reply:
        """Whoever has logged in learns of every project, and nobody else of any."""
        if not caller.known:
            return _unauthorized()
        there = request.query.get("project_name", "") in self._system.projects
        return Reply(200 if there else 404)

    def _create(self, request: Request, caller: Caller) -> Reply:
        """For administrators, as `project_creation_restriction: adminonly` has it."""
        if refusal := _only_administrators(caller):
            return refusal
        asked = json.loads(request.body)
        name = asked["project_name"]
        if name in self._system.projects:
            return error_reply(409, "CONFLICT", f"The project named {name} already exists")
        project = self._system.add_project(name)
        project.public = asked.get("metadata", {}).get("public") == "true"
        project.quota = asked.get("storage_limit") or UNLIMITED
        return Reply(201, {"Location": f"{ROOT}/projects/{project.identity}"})

    def _project(self, request: Request, caller: Caller, name: str) -> Reply:
        project = self._found(request, name)
        if project is None or not self._reads(caller, project):
            return _hidden(caller)
        return json_reply(_shown(project))

    def _summary(self, request: Request, caller: Caller, name: str) -> Reply:
        """The quota is for administrators, the project's own among them."""
        project = self._found(request, name)
        if project is None or not self._reads(caller, project):
            return _hidden(caller)
        told: dict[str, object] = {"repo_count": len(project.repositories)}
        if not caller.account.robot and self._system.may(caller, project.name, "delete"):
            hard, used = {"storage": project.quota}, {"storage": project.used}
            told["quota"] = {"hard": hard, "used": used}
        return json_reply(told)

    def _immutable(self, request: Request, caller: Caller, name: str) -> Reply:
        project = self._found(request, name)
        if project is None or not self._system.may(caller, project.name, "delete"):
            return _hidden(caller)
        return json_reply([{"id": 1, "disabled": False}] if project.immutable else [])

    def _retention(self, _request: Request, caller: Caller, number: str) -> Reply:
        """For those who may read the project's policies [S]; to others it is forbidden."""
        if not caller.known:
            return _unauthorized()
        projects = self._system.projects.values()
        owner = next((p for p in projects if p.retention_id == int(number)), None)
        if owner is None or owner.retention is None:
            return error_reply(404, "NOT_FOUND", f"retention policy {number} not found")
        if not self._system.may(caller, owner.name, "delete"):
            return _hidden(caller)
        trigger = {"kind": "Schedule", "settings": {"cron": owner.schedule}, "references": {}}
        scope = {"level": "project", "ref": owner.identity}
        told = {"id": int(number), "algorithm": "or", "rules": owner.retention}
        return json_reply(told | {"trigger": trigger, "scope": scope})

    def _found(self, request: Request, name: str) -> Project | None:
        """A name of digits is an id, unless a header says that it is a name [S]."""
        if name.isdigit() and request.headers.get("x-is-resource-name") != "true":
            projects = self._system.projects.values()
            return next((p for p in projects if p.identity == int(name)), None)
        return self._system.projects.get(name)


def _shown(project: Project) -> Mapping[str, object]:
    """The decisive field is a text; a project with a registry_id is a proxy cache."""
    metadata = {"public": str(project.public).lower()}
    if project.content_trust:
        metadata["enable_content_trust_cosign"] = "true"
    if project.prevent_vulnerable:
        metadata["prevent_vul"] = "true"
        metadata["severity"] = project.severity or "low"
    if project.retention is not None:
        metadata["retention_id"] = str(project.retention_id)
    return {
        "project_id": project.identity,
        "name": project.name,
        "registry_id": 1 if project.proxy_cache else 0,
        "repo_count": len(project.repositories),
        "metadata": metadata,
    }


def _administered(_request: Request, caller: Caller) -> Reply:
    return _only_administrators(caller) or json_reply([])


def _only_administrators(caller: Caller) -> Reply | None:
    return None if caller.account.admin else _hidden(caller)


def _hidden(caller: Caller) -> Reply:
    """Private and missing alike: 401, or to whoever has logged in 403 (read in the source)."""
    return error_reply(403, "FORBIDDEN", "forbidden") if caller.known else _unauthorized()


def _unauthorized() -> Reply:
    return error_reply(401, "UNAUTHORIZED", "unauthorized")


def _healthy(well: bool) -> str:
    return "healthy" if well else "unhealthy"
