"""The project that DEST names at a Harbor: whether it is there, who sees it, and how it is made."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import NamedTuple

from mirror.errors import Fault, Misbehaved, Side
from mirror.preflight import harbor_api, writing
from mirror.preflight.harbor_api import Project
from mirror.preflight.interface import Status
from mirror.preflight.products import HARBOR, product
from mirror.preflight.scene import Scene
from mirror.preflight.standing import good, harbor_get, standing
from mirror.preflight.writing import Reading
from mirror.registry.probe import Answer


class Place(NamedTuple):
    """The project that DEST names, as far as it could be seen."""

    name: str
    """Empty where DEST names none."""
    project: Project | None = None
    public: bool = False
    """A stranger was told of it."""
    exists: bool | None = None
    """None where nobody would say."""
    made: str = ""
    """What came of ``--create-project``: nothing where it was not tried."""


def place(scene: Scene) -> Place:
    """Look for the project, and make it where that is asked for; for ``scene.once(place)``.

    Private and missing projects look alike to a stranger (measured), so with good credentials it
    asks once more, and without them an attempt to write shows which of the two it is.
    """
    name = scene.target.project.partition("/")[0]
    if not name:
        return Place("")
    seen = _seen(scene, name)
    if seen.exists or not scene.question.create_project:
        return seen
    said = _create(scene, name)
    return _seen(scene, name)._replace(made=said)


def prepare(scene: Scene) -> None:
    """Make the project before anything else is asked, where the operator wants that.

    What fails here is a finding of REG-5, and no reason to look at nothing.
    """
    if scene.question.create_project:
        with suppress(Fault):
            if scene.once(product).name == HARBOR:
                scene.once(place)


def _seen(scene: Scene, name: str) -> Place:
    if found := _listed(scene, name):
        return Place(name, found, public=found.on("public"), exists=True)
    if good(scene):
        found = harbor_api.project(harbor_get(scene, f"/projects/{name}").json())
        if found and found.name == name:
            return Place(name, found, exists=True)
        return Place(name, exists=_known(scene, name))
    written = scene.once(writing.stranger).reading
    exists = {Reading.NO_PROJECT: False, Reading.MAY_NOT: True}.get(written)
    return Place(name, exists=exists)


def _listed(scene: Scene, name: str) -> Project | None:
    """What a stranger is told. ``name=`` alone would find parts of names (measured)."""
    query = {"q": f"name={name}", "page_size": "100"}
    answer = scene.stranger.ask("GET", f"{harbor_api.ROOT}/projects", query=query)
    found = harbor_api.projects(answer.json()) if answer.status == 200 else None
    if found is None:
        raise unread(scene, "its list of projects", answer)
    return next((each for each in found if each.name == name), None)


def _known(scene: Scene, name: str) -> bool | None:
    """Whether there is such a project: told to whoever has logged in, members or not (measured)."""
    known = good(scene)
    if known is None or known.login is None:
        return None
    path, query = f"{harbor_api.ROOT}/projects", {"project_name": name}
    header = known.login.basic()
    answer = scene.account.ask("HEAD", path, query=query, authorization=header)
    return {200: True, 404: False}.get(answer.status)


def _create(scene: Scene, name: str) -> str:
    """Ask for a public project of this name; what came of it, in words."""
    known = good(scene)
    if known is None or known.login is None:
        bad = scene.once(standing).verdict.status is Status.FAIL
        return "REG-3 has to be mended first" if bad else "it takes credentials of one who may"
    body = json.dumps(wanted(name)).encode()
    answer = scene.account.ask(
        "POST",
        f"{harbor_api.ROOT}/projects",
        headers={"Content-Type": "application/json"},
        body=body,
        authorization=known.login.basic(),
    )
    if answer.status == 201:
        return f"made, public, by {known.name}"
    if answer.status == 409:
        return "it is there already"
    if answer.status in (401, 403):
        return f"{known.name} may not make projects ({answer.status})"
    return f"Harbor answered {answer.status} {answer.text}".strip()


def wanted(name: str) -> dict[str, object]:
    """What makes a public project; Harbor wants its flag as a text."""
    return {"project_name": name, "metadata": {"public": "true"}}


def unread(scene: Scene, what: str, answer: Answer) -> Misbehaved:
    """The fault of an answer of Harbor's API that is not what it should be."""
    fact = f"{what} is not readable: {answer.status} {answer.text}".strip()
    return Misbehaved(Side.DESTINATION, scene.target.authority, "cannot ask Harbor", fact=fact)
