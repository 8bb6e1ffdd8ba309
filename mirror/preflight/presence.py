"""What of a bundle is at the registry already: by the manifests there, and by HEADs of blobs.

A bundle lists its blobs without saying which image has which. The manifests that are there say it
for their own; what no manifest accounts for is looked for in the repositories of the images that
are missing, where an interrupted push has left it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.preflight.scene import Expected, Scene
from mirror.preflight.standing import Voice, voice
from mirror.registry.wire import ACCEPT_MANIFESTS
from mirror.settings import (
    MAX_INDEX_DEPTH,
    MAX_MANIFEST,
    PREFLIGHT_AT_A_TIME,
    PREFLIGHT_LOOKS,
    PREFLIGHT_LOOKS_SECONDS,
)
from mirror.transfer.crew import Crew

Found = TypeVar("Found")
Place = tuple[str, Digest]  # repository, manifest


@dataclass(slots=True)
class Present:
    """``found`` has blobs and manifests. ``whole`` is false where some were not looked for."""

    found: set[Digest] = field(default_factory=set)
    whole: bool = True


def present(scene: Scene, expected: Expected) -> Present:
    """Look for every blob, within bounds of number and time; raises nothing for those it misses."""
    look = _Look(scene, expected)
    look.manifests()
    look.blobs()
    return look.result


class _Look:
    """One look at a registry: what may still be asked, and what was found."""

    def __init__(self, scene: Scene, expected: Expected) -> None:
        self.result = Present()
        self._voice: Voice = scene.once(voice)
        self._scene = scene
        self._expected = expected
        self._until = max(scene.remaining - PREFLIGHT_LOOKS_SECONDS, 0)
        self._left = PREFLIGHT_LOOKS
        self._lacking: set[str] = set()

    def manifests(self) -> None:
        """Read every image's manifest that is there, and those that it names."""
        places = {
            (self._scene.target.repository(image.path), image.digest)
            for image in self._expected.images
            if image.digest
        }
        for _level in range(MAX_INDEX_DEPTH):
            below = set[Place]()
            for (where, _digest), found in self._asked(places, self._manifest):
                if found:
                    # A registry took it only with all that it names.
                    blobs = (blob.digest for blob in found.blobs)
                    self.result.found |= {found.digest, *blobs}
                    below |= {(where, child.digest) for child in found.children}
                else:
                    self._lacking.add(where)
            places = below

    def blobs(self) -> None:
        """HEAD what is not accounted for, where images are missing."""
        left = self._expected.blobs.keys() - self.result.found
        if len(left) * len(self._lacking) > self._left:
            self.result.whole = False
            return
        pairs = {(where, digest) for digest in left for where in self._lacking}
        self.result.found |= {place[1] for place, there in self._asked(pairs, self._blob) if there}

    def _asked(
        self, places: Collection[Place], ask: Callable[[Place], Found]
    ) -> list[tuple[Place, Found]]:
        """What was answered; whatever has no answer makes the result less than whole."""
        chosen = sorted(places)[: self._left]
        self._left -= len(chosen)

        def act(place: Place) -> Found | None:
            return ask(place) if self._scene.remaining > self._until else None

        outcomes = Crew(PREFLIGHT_AT_A_TIME, keep_going=True).run(chosen, act)
        found = [(each.item, each.result) for each in outcomes if each.result is not None]
        self.result.whole = self.result.whole and len(found) == len(places)
        return found

    def _manifest(self, place: Place) -> Manifest | Literal[False]:
        where, digest = place
        answer = self._voice.probe.ask(
            "GET",
            f"/v2/{where}/manifests/{digest}",
            headers={"Accept": ACCEPT_MANIFESTS},
            authorization=self._voice.header(where, "pull"),
            limit=MAX_MANIFEST,
        )
        if answer.status != 200 or Digest.of(answer.body) != digest:
            return False
        try:
            return Manifest.parse(answer.body, answer.header("content-type"))
        except ValueError:
            return False

    def _blob(self, place: Place) -> bool:
        where, digest = place
        header = self._voice.header(where, "pull")
        path = f"/v2/{where}/blobs/{digest}"
        return self._voice.probe.ask("HEAD", path, authorization=header).status == 200
