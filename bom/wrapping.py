"""A BOM inside a Kubernetes ConfigMap, as TKG keeps it in a management cluster."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from bom.cursor import Cursor
from bom.limits import MAX_FILE_BYTES
from bom.yamltree import Origin, Scalar, compose, decode

# The key TKG writes; others are taken when they are the only one that reads like a BOM.
_USUAL_KEY: Final = "bomContent"
_BOM_LINE: Final = re.compile(r"^(components|release|imageConfig):", re.MULTILINE)


def unwrap(config_map: Cursor) -> tuple[Cursor, str]:
    """The BOM's root inside a ConfigMap and a notice of what was done; raises BomFault."""
    texts = {**_plain(config_map), **_binary(config_map)}
    key = _choose(config_map, texts)
    text, origin = texts[key]
    roots = [Cursor.at_root(node, origin) for node in compose(text, origin)]
    full = [root for root in roots if not root.null]
    if len(full) != 1:
        raise origin.fault(1, "", "one YAML document", f"{len(full)} documents")
    name = config_map.find("metadata", "name")
    title = f"ConfigMap {name.text()}" if name else "a ConfigMap without a name"
    return full[0], f"unwrapped from {title}, key {key}"


def _choose(config_map: Cursor, texts: dict[str, tuple[str, Origin]]) -> str:
    if _USUAL_KEY in texts:
        return _USUAL_KEY
    keys = list(texts)
    if len(keys) > 1:
        keys = [key for key in keys if _BOM_LINE.search(texts[key][0])]
    if len(keys) == 1:
        return keys[0]
    found = f"{len(keys)} of {len(texts)} keys that read like one"
    raise config_map.missing("data", "a ConfigMap with one BOM", found)


def _plain(config_map: Cursor) -> dict[str, tuple[str, Origin]]:
    data = config_map.get("data")
    texts = {}
    for key, place in data.entries() if data else ():
        scalar = _scalar(place)
        # The text of "key: |" begins on the next line, and its lines are the file's.
        origin = Origin(place.origin.file, place.key, scalar.line, scalar.literal)
        texts[key] = scalar.text, origin
    return texts


def _binary(config_map: Cursor) -> dict[str, tuple[str, Origin]]:
    data = config_map.get("binaryData")
    texts = {}
    for key, place in data.entries() if data else ():
        origin = Origin(place.origin.file, place.key, place.line, literal=False)
        packed = "".join(_scalar(place).text.split())
        try:
            raw = base64.b64decode(packed, validate=True)
        except (binascii.Error, ValueError) as error:
            raise place.fault("base64", str(error)) from error
        texts[key] = decode(raw, origin), origin
    return texts


def _scalar(place: Cursor) -> Scalar:
    if not isinstance(place.node, Scalar):
        raise place.fault("a text")
    if len(place.node.text) > MAX_FILE_BYTES:
        raise place.fault(f"at most {MAX_FILE_BYTES} characters", "more")
    return place.node
