"""IMG: is every image there, the right one, whole, and for anybody to pull?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator

from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.preflight.expected import NEW_BUNDLE
from mirror.preflight.gaps import Tally, more
from mirror.preflight.interface import Check, Status, Verdict, skipped, untold, warned
from mirror.preflight.scene import Expected, Scene
from mirror.preflight.sought import Blob, Gap, Kind, Name, members_at, shown
from mirror.preflight.survey import Survey, survey
from mirror.preflight.wording import are, counted, every
from mirror.settings import MAX_GAPS_SHOWN, MAX_SAME
from mirror.text import human_size

_GIVE = "give --bundle FILE, --bom FILE or --plan FILE"


def surveyed(scene: Scene) -> Survey:
    """What is there of what must be, asked for once; use it as ``scene.once(surveyed)``."""
    return survey(scene, scene.question.expected or Expected("nothing", ()))


def _judged(scene: Scene, judge: Callable[[Scene, Survey], Verdict]) -> Verdict:
    """A verdict over the survey; without anything to look for nobody asked for one."""
    if scene.question.expected is None:
        return skipped("nothing was given that says which images must be there", fix=_GIVE)
    return judge(scene, scene.once(surveyed))


# --- IMG-1 ------------------------------------------------------------------------------------


def are_there(scene: Scene) -> Verdict:
    """IMG-1. Each by the name that TKG pulls it by, and without a login, as TKG pulls."""
    return _judged(scene, _there)


def _there(scene: Scene, found: Survey) -> Verdict:
    gaps, absent = list[tuple[str, Gap]](), list[str]()
    for image in found.sought.images:
        name = found.sought.root(image)
        gap = found.manifests[name]
        if isinstance(gap, Manifest) or gap.kind is Kind.WRONG:
            continue
        # Harbor and others say 401 for a repository that does not exist.
        if not image.required and gap.kind in (Kind.MISSING, Kind.REFUSED):
            absent.append(f"{name}: not there, and not every release has it")
        else:
            gaps.append((str(name), gap))
    asked = len(found.sought.images) - len(absent)
    whole = f"{every(asked, 'image')} of {found.sought.expected.origin}"
    good = f"{whole} {are(asked)} there for anybody to pull"
    notes = absent[:MAX_GAPS_SHOWN] + more(len(absent))
    verdict = Tally("image", asked, tuple(gaps)).verdict(good, push(scene), notes)
    lacking = found.sought.expected.lacking
    if verdict.status is Status.PASS and lacking:
        return warned(f"{good}; {lacking}", verdict.detail, fix=_BOTH)
    return verdict._replace(detail="\n".join(filter(None, (verdict.detail, lacking))))


_BOTH = "give a bundle, plan or BOM files of both: the TKG BOM, and the TKr BOM of each Kubernetes"


# --- IMG-2 ------------------------------------------------------------------------------------


def are_meant(scene: Scene) -> Verdict:
    """IMG-2. The digest of the bytes that came, and not what a header says of them."""
    return _judged(scene, _meant)


def _meant(scene: Scene, found: Survey) -> Verdict:
    gaps, compared = list[tuple[str, Gap]](), 0
    for image in found.sought.images:
        name = found.sought.root(image)
        gap, comparable = _compared(found.manifests[name], found.sought.promised(name))
        compared += comparable
        gaps += [(str(name), gap)] if gap else []
    if not compared:
        return _uncompared(found)
    who = "find out who pushed these; then "
    tally = Tally("image", compared, tuple(gaps))
    have = "has the digest" if compared == 1 else "have the digests"
    good = f"{every(compared, 'image')} {have} of {found.sought.expected.origin}"
    return tally.verdict(good, who + push(scene, overwrite=True))


def _compared(answer: Manifest | Gap, expected: Digest | None) -> tuple[Gap | None, bool]:
    """What is wrong with an answer, and whether there was anything to compare it with.

    A registry's header that contradicts its own bytes needs no other digest.
    """
    if isinstance(answer, Gap):
        wrong = answer.kind is Kind.WRONG
        return (answer, True) if wrong else (None, False)
    if expected in (None, answer.digest):
        return None, expected is not None
    return Gap(Kind.WRONG, f"expected {expected}, got {answer.digest}"), True


def _uncompared(found: Survey) -> Verdict:
    """Without digests nothing tells a wrong image, but for one that is everywhere."""
    if found.sought.expected.lists_members:
        return _nothing_there()
    give = "give --bundle FILE or --plan FILE, which have the digests"
    same = dict[Digest, set[str]]()
    for image in found.sought.images:
        name = found.sought.root(image)
        if manifest := found.meant(name):
            same.setdefault(manifest.digest, set()).add(name.repository)
    for digest, names in same.items():
        if len(names) > MAX_SAME:
            detail = f"{digest}: {', '.join(sorted(names)[:MAX_GAPS_SHOWN])}"
            summary = f"{len(names)} repositories have one and the same image"
            return warned(summary, detail, fix=give)
    return skipped("no digests to compare with: a BOM names tags alone", fix=give)


# --- IMG-3 ------------------------------------------------------------------------------------


def are_for_all_platforms(scene: Scene) -> Verdict:
    """IMG-3. An index whose images are not there is pulled by nobody, or not by every node."""
    return _judged(scene, _platforms)


def _platforms(scene: Scene, found: Survey) -> Verdict:
    gaps, asked, indexes = list[tuple[str, Gap]](), set[Name](), set[Name]()
    for name in found.manifests:
        index = found.meant(name)
        for promised in found.sought.children(index) if index else ():
            child = Name(name.repository, promised.digest)
            indexes.add(name)
            if child in asked:
                continue
            asked.add(child)
            answer = found.manifests[child]
            if isinstance(answer, Gap):
                gaps.append((f"{found.image(name)}: {child}{shown(promised)}", answer))
            elif answer.descriptor != promised:
                reason = f"the index promises {promised}, and it is {answer.descriptor}"
                gaps.append((f"{found.image(name)}: {child}", Gap(Kind.WRONG, reason)))
    if not asked:
        return _none(found, "none of the images is an index")
    whole = f"{every(len(asked), 'image')} of {counted(len(indexes), 'index', 'indexes')}"
    tally = Tally("image of an index", len(asked), tuple(gaps), "images of indexes")
    good = f"{whole} {are(len(asked))} there"
    return tally.verdict(good, push(scene, overwrite=True) + _if_sparse(found))


def _if_sparse(found: Survey) -> str:
    """BOM files do not tell what a push left out on purpose."""
    if found.sought.expected.create and found.sought.expected.lists_members is False:
        return "; if --platform left them out, give --bundle FILE: it says so"
    return ""


# --- IMG-4 ------------------------------------------------------------------------------------


def are_whole(scene: Scene) -> Verdict:
    """IMG-4. A tag shows an image whose layers may be gone: cleaned up, or stored with size 0."""
    return _judged(scene, _whole)


def _whole(scene: Scene, found: Survey) -> Verdict:
    if not found.blobs:
        return _none(found, "none of the images has a layer")
    of = _owners(found)
    gaps = [(f"{of[blob]}: {blob}", gap) for blob, gap in found.blobs.items() if gap]
    size = human_size(sum(each.size for each in {blob.descriptor for blob in found.blobs}))
    read = ", and each digest was read" if scene.question.deep else ""
    count, one, many = len(found.blobs), "configuration or layer", "configurations and layers"
    good = f"{every(count, one, many)} {are(count)} there, {size}{read}"
    tally = Tally(one, count, tuple(gaps), many)
    return tally.verdict(good, push(scene, overwrite=True), _left_out(found))


def _owners(found: Survey) -> dict[Blob, Name]:
    """The first image that needs each blob."""
    owners = dict[Blob, Name]()
    for name in found.manifests:
        manifest = found.meant(name)
        for each in found.sought.blobs(manifest) if manifest else ():
            blob = Blob(name.repository, each.digest, each.size)
            owners.setdefault(blob, found.image(name))
    return owners


def _left_out(found: Survey) -> Iterator[str]:
    meant = (found.meant(name) for name in found.manifests)
    if left := sum(found.sought.left_out(manifest) for manifest in meant if manifest):
        yield f"not asked for, since they need not be there: {left} platforms or foreign layers"


# --- IMG-5 ------------------------------------------------------------------------------------


def have_members(scene: Scene) -> Verdict:
    """IMG-5. imgpkg looks in the bundle's own repository, by digest; the tag keeps it there."""
    return _judged(scene, _members)


def _members(scene: Scene, found: Survey) -> Verdict:
    gaps, asked = list[tuple[str, Gap]](), set[Name]()
    for bundle, digests in found.members.items():
        for digest in digests:
            tag, member = members_at(bundle.repository, digest)
            if member not in asked and (gap := _member(found, tag, member)):
                gaps.append((f"{bundle}: {member}", gap))
            asked.add(member)
    unread = [(f"{name}: cannot look into it", gap) for name, gap in found.unread.items()]
    if not asked and not unread:
        return _none(found, "none of the images is an imgpkg bundle with members")
    taken = any(gap.kind is Kind.WRONG for _name, gap in gaps)
    one, many = "member of an imgpkg bundle", "members of imgpkg bundles"
    tally = Tally(one, len(asked) + len(unread), (*gaps, *unread), many)
    whole = f"{every(len(asked), 'member')} of {counted(len(found.members), 'imgpkg bundle')}"
    beside = "it" if len(found.members) == 1 else "them"
    good = f"{whole} {are(len(asked))} beside {beside}"
    return tally.verdict(good, push(scene, overwrite=taken))


def _member(found: Survey, tag: Name, member: Name) -> Gap | None:
    """What is wrong with a member, by its digest or else by its tag."""
    by_digest, by_tag = found.manifests[member], found.manifests[tag]
    if isinstance(by_digest, Gap):
        return by_digest
    if isinstance(by_tag, Gap):
        return Gap(by_tag.kind, f"its tag {tag.name}: {by_tag.reason}", by_tag.hint)
    if by_tag.digest != by_digest.digest:
        return Gap(Kind.WRONG, f"its tag {tag.name} names {by_tag.digest}")
    return None


# --- what several say -------------------------------------------------------------------------


def push(scene: Scene, *, overwrite: bool = False) -> str:
    """The command that brings what is missing; with ``overwrite`` below tags that are there too."""
    expected, access = scene.question.expected, scene.question.access
    file, create = (expected.origin, expected.create) if expected else ("FILE", "")
    command = ["tkg-mirror", "bundle", "push", NEW_BUNDLE if create else file, str(scene.target)]
    command += ["--overwrite"] if overwrite else []
    command += ["--plain-http"] if access.plain_http else []
    for ca_file in access.tls.ca_files:
        command += ["--ca-file", str(ca_file)]
    pushed = shlex.join(command)
    return f"where the images can be fetched: {create}; then {pushed}" if create else pushed


def _none(found: Survey, why: str) -> Verdict:
    """Nothing of a kind, where that can be told."""
    there = any(isinstance(answer, Manifest) for answer in found.manifests.values())
    return skipped(why) if there else _nothing_there()


def _nothing_there() -> Verdict:
    return untold("cannot be told before IMG-1 is mended: no image is there")


def _check(number: int, title: str, look: Callable[[Scene], Verdict]) -> Check:
    return Check(f"IMG-{number}", title, look, "R5", ("REG-1",), hasty=False)


CHECKS = (
    _check(1, "every image is there for anybody to pull", are_there),
    _check(2, "every image is the one that is meant", are_meant),
    _check(3, "every image of an index is there", are_for_all_platforms),
    _check(4, "every configuration and layer is there, whole", are_whole),
    _check(5, "every imgpkg bundle has its members beside it", have_members),
)
