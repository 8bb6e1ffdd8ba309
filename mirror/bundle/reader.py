"""A bundle as it is read: nothing it says is believed before it is checked.

1. bundle.json: its header, then its own form (``Inventory``). Every offset follows from it.
2. The frame: the file's length, every header, all padding, the two empty blocks at the end.
3. Every manifest, from each image down: digest, form, children. Where bundle.json names
   platforms, the children of an index are those that the writer chooses by them, and no others.
4. The closure: images need exactly the blobs that are there, with their sizes. Of the foreign
   layers they need those that are there.
5. The documents: from what 1 and 3 gave, the whole head of the bundle is made anew, and must
   be what stands there, byte for byte.

What is left, the content of configurations and layers, is checked while it is read, against
digests that 3 has proved.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from mirror.bundle import format as tar
from mirror.bundle.contents import Carried, Contents, contradictions
from mirror.bundle.damage import Damage
from mirror.bundle.documents import Documents, Member
from mirror.bundle.files import open_to_read, read_at, read_pieces
from mirror.bundle.inventory import Head, Inventory, Listed
from mirror.bundle.pages import Pages
from mirror.bundle.slots import Key, Slot, lay_out
from mirror.errors import BundleFault
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.graph import Budget, walk
from mirror.oci.manifest import Manifest
from mirror.oci.platform import as_listed
from mirror.ports import Piece
from mirror.settings import MAX_INVENTORY, MAX_MANIFEST

Said = TypeVar("Said", Head, Inventory)

# A file's offsets are signed 64-bit numbers (POSIX, off_t).
_LARGEST_FILE = 2**63 - 1


_NO_BUNDLE = (
    "name a file that bundle create wrote; if this is one, carry it again and compare its checksum "
    "at both ends"
)


def read_head(path: Path) -> tuple[Head, int]:
    """What a bundle says it holds, and how many bytes its file has; nothing else is read.

    BundleFault if this is no bundle, InputFault if there is no file.
    """
    file = open_to_read(path)
    try:
        raw, _mtime = _raw(file, path)
        return _sound(Head.parse, raw, path), os.fstat(file).st_size
    finally:
        os.close(file)


class Bundle:
    """An open bundle whose bundle.json is sound (step 1); ``check`` does steps 2 to 5."""

    def __init__(self, path: Path) -> None:
        """Read bundle.json; BundleFault if this is no bundle, InputFault if there is no file."""
        self.path = path
        self._file = open_to_read(path)
        try:
            raw, self.mtime = _raw(self._file, path)
            self.inventory = _sound(Inventory.parse, raw, path)
            self._head = Member.of(tar.INVENTORY, [raw])
        except BaseException:
            self.close()
            raise
        members = chain([self._head], self.inventory.members)
        slots, self.size = lay_out((member.key, member.size) for member in members)
        self._slots: dict[Key, Slot] = {slot.key: slot for slot in slots}
        if self.size > _LARGEST_FILE:
            self.close()
            raise _no_bundle(path, f"members of {self.size} bytes together")
        self._pages = Pages(self._file, self.size)

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def there(self) -> int:
        """Bytes that the file has; ``size`` is what it should have."""
        return os.fstat(self._file).st_size

    @property
    def digest(self) -> Digest:
        """Of bundle.json, which names every other byte of the bundle."""
        return self._head.digest

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    @contextmanager
    def read(
        self, descriptor: Descriptor, origin: str = "", start: int = 0
    ) -> Iterator[Iterator[Piece]]:
        """A blob's bytes from ``start`` on, to be checked by whoever takes them."""
        slot = self._slots[descriptor.digest]
        yield read_pieces(self._file, slot.content + start, slot.size - start, self._pages)

    def contents(self) -> Contents:
        """What the bundle holds, checked by steps 2 to 5; raises the first damage."""
        for damage in self._frame():
            raise damage.fault()
        contents, damages = self._inside()
        if contents is None or damages:
            raise damages[0].fault()
        return contents

    def check(self) -> tuple[Contents | None, list[Damage]]:
        """Everything that is damaged but the content of configurations and layers."""
        frame = [*self._frame()]
        contents, damages = self._inside()
        return contents, frame + damages

    def _inside(self) -> tuple[Contents | None, list[Damage]]:
        found, broken = self._images()
        if broken:
            return None, broken
        listed = self.inventory
        platforms = as_listed(listed.platforms)
        contents = Contents(listed.source, listed.boms, tuple(found), platforms)
        return contents, [*self._closure(contents)] or [*self._documents(contents)]

    # --- 2: the frame ---------------------------------------------------------------------

    def _frame(self) -> Iterator[Damage]:
        length = self.there
        before = 0
        for slot in self._slots.values():
            if slot.end > length:
                got = f"{max(0, length - slot.start)}"
                yield Damage("truncated", slot.name, f"{slot.end - slot.start} bytes", got)
            else:
                yield from self._between(slot, before)
            before = tar.padding(slot.size)
        end = self.size - len(tar.TRAILER) - before
        if length < self.size:
            yield Damage("truncated", "end of the file", f"{self.size} bytes", f"{length}")
        elif length > self.size:
            yield Damage("trailing", "end of the file", f"{self.size} bytes", f"{length}")
        elif any(read_at(self._file, before + len(tar.TRAILER), end)):
            yield Damage("padding", "end of the file", "zero bytes", "others")

    def _between(self, slot: Slot, before: int) -> Iterator[Damage]:
        """The padding that ends the member before, and this member's header, in one read."""
        block = read_at(self._file, before + tar.BLOCK, slot.start - before)
        if any(block[:before]):
            yield Damage("padding", slot.name, "zero bytes before it", "others")
        if block[before:] != tar.header(slot.name, slot.size, self.mtime):
            yield Damage("header", slot.name, "the header of its name and size", "another")

    # --- 3: manifests ---------------------------------------------------------------------

    def _images(self) -> tuple[list[Carried], list[Damage]]:
        found, broken = list[Carried](), dict[tuple[str, str], Damage]()
        known: dict[Digest, Manifest] = {}
        budget = Budget()
        for image in self.inventory.images:
            try:
                found.append(self._image(image, known, budget))
            except _Broken as cause:
                broken[cause.damage.kind, cause.damage.member] = cause.damage
        return found, list(broken.values())

    def _image(self, image: Listed, known: dict[Digest, Manifest], budget: Budget) -> Carried:
        def fetch(descriptor: Descriptor) -> Manifest:
            if descriptor.digest not in known:
                known[descriptor.digest] = budget.take(self._manifest(descriptor))
            return known[descriptor.digest]

        try:
            root = fetch(image.descriptor)
            if root.descriptor != image.descriptor:
                raise ValueError(f"bundle.json promises {image.descriptor}")
            graph = walk(root, fetch, self.inventory.platforms).carrying(self.inventory.blobs)
        except ValueError as cause:
            name = tar.blob_name(image.descriptor.digest)
            damage = Damage("manifest", name, "a sound manifest", str(cause))
            raise _Broken(damage) from None
        return Carried(image.reference, image.path, image.tag, image.kind, graph, image.members)

    def _manifest(self, descriptor: Descriptor) -> Manifest:
        digest, name = descriptor.digest, tar.blob_name(descriptor.digest)
        slot = self._slots.get(digest)
        if slot is None:
            raise _Broken(Damage("missing", name, "a manifest", "nothing", digest))
        if slot.size > MAX_MANIFEST:
            got = f"{slot.size} bytes"
            raise _Broken(Damage("manifest", name, f"at most {MAX_MANIFEST} bytes", got, digest))
        raw = read_at(self._file, slot.size, slot.content)
        if Digest.of(raw) != digest:
            raise _Broken(Damage("content", name, str(digest), str(Digest.of(raw)), digest))
        return Manifest.parse(raw, descriptor.media_type)

    # --- 4 and 5: what belongs together ---------------------------------------------------

    def _closure(self, contents: Contents) -> Iterator[Damage]:
        for digest, size, other in contradictions(contents.manifests.values(), contents.foreign):
            yield Damage("size", tar.blob_name(digest), f"{size} bytes", f"{other}", digest)
        needed = {blob.digest: blob.size for blob in contents.blobs}
        for digest, size in needed.items():
            held = self.inventory.blobs.get(digest)
            name = tar.blob_name(digest)
            if held is None:
                yield Damage("missing", name, f"{size} bytes", "nothing", digest)
            elif held != size:
                yield Damage("size", name, f"{size} bytes", f"{held}", digest)
        for digest in sorted(self.inventory.blobs.keys() - needed.keys()):
            name = tar.blob_name(digest)
            yield Damage("foreign", name, "only what images need", "a blob none needs", digest)

    def _documents(self, contents: Contents) -> Iterator[Damage]:
        """index.json carries a digest of bundle.json, so the two prove each other."""
        documents = Documents(contents)
        for right, said in zip(documents.listed, self.inventory.documents, strict=True):
            # As much as there must be, whatever size is claimed: that may be the whole disk.
            place = self._slots[said.key].content
            found = Member.of(said.name, read_pieces(self._file, place, right.size, self._pages))
            if found.digest not in (right.digest, said.digest):
                yield Damage("document", said.name, str(said.digest), str(found.digest))
        if documents.inventory.digest != self.digest:
            yield Damage("inventory", tar.INVENTORY, "what follows from its images", "others")


# --- 1: bundle.json -----------------------------------------------------------------------


def _raw(file: int, path: Path) -> tuple[bytes, int]:
    """bundle.json and the time of every member; the fault of a file that begins otherwise."""
    found = tar.first_header(read_at(file, tar.BLOCK, 0))
    if found is None:
        raise _no_bundle(path, "another header, or none")
    size, mtime = found
    if size > MAX_INVENTORY:
        raise _no_bundle(path, f"{size} bytes of it, more than {MAX_INVENTORY}")
    raw = read_at(file, size, tar.BLOCK)
    if len(raw) < size:
        raise Damage("truncated", tar.INVENTORY, f"{size} bytes", f"{len(raw)}").fault()
    return raw, mtime


def _sound(parse: Callable[[bytes], Said], raw: bytes, path: Path) -> Said:
    try:
        return parse(raw)
    except ValueError as cause:
        raise _no_bundle(path, str(cause)) from None


def _no_bundle(path: Path, got: str) -> BundleFault:
    expected = f"the head of a bundle in {path}"
    return BundleFault(
        "not a sound bundle", member=tar.INVENTORY, expected=expected, got=got, hint=_NO_BUNDLE
    )


class _Broken(Exception):
    """Carries a damage up to the image that it breaks."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage)
        self.damage = damage
