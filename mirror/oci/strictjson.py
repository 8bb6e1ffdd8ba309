"""JSON from outside: no duplicate keys, no NaN, no endless nesting, objects at the root."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from typing import Any, NoReturn

from mirror.settings import MAX_JSON_PARTS, MAX_SMALL_JSON

# A document takes several times its size while it is read. Threads would not read two of them
# sooner than one after the other, so large ones wait for each other.
_LARGE = threading.Lock()


def parse_object(raw: bytes, parts: int = MAX_JSON_PARTS) -> dict[str, Any]:
    """Read ``raw`` as one UTF-8 JSON object; ValueError says why not.

    ``parts`` bounds the objects, lists and commas in it, and so what it can grow to in memory.
    Two readers that disagree on a duplicate key see two different manifests under one digest
    (the confusion behind CVE-2021-41190), so such a document is refused.
    """
    if sum(map(raw.count, (b"{", b"[", b","))) > parts:
        raise ValueError(f"more than {parts} parts in one document")
    with _LARGE if len(raw) > MAX_SMALL_JSON else nullcontext():
        value = _value(raw)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _value(raw: bytes) -> Any:
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
        if b"\\u" in raw:
            # An escape can name half a character, a text that nothing can write down again.
            canonical(value)
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def text_at(value: dict[str, Any], key: str) -> str:
    """The text under ``key``; ValueError where there is none."""
    found = value.get(key)
    if not isinstance(found, str):
        raise ValueError(f"{key} is not a text")
    return found


def list_at(value: dict[str, Any], key: str) -> list[Any]:
    """The list under ``key``; ValueError where there is none."""
    found = value.get(key)
    if not isinstance(found, list):
        raise ValueError(f"{key} is not a list")
    return found


def canonical(value: Any) -> bytes:
    """The one spelling of ``value``: sorted keys, no blanks, UTF-8."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
