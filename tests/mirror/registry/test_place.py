"""A target goes past httpx's parser: it must mean what the parser would have made of it."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.registry.place import Place, asked, is_plain
from mirror.settings import MAX_LOCATION
from tests.mirror.oci.documents import steady

ROOT = httpx.URL("https://reg.example:5000")

targets = st.text("/.?aZ09_-~%&=:@+;,!$()*'") | st.from_regex(r"/[!-~]{0,20}(\?[!-~]{0,20})?")


@steady
@given(targets)
def test_a_plain_target_is_what_the_parser_makes_of_it(text: str) -> None:
    if is_plain(text):
        assert ROOT.join(text).raw_path.decode() == text
        assert ROOT.join(text).host == "reg.example"
        assert str(Place(ROOT, text).whole) == str(ROOT.join(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "//other.example/x",
        "/v2/../admin",
        "/v2/./x",
        "/v2/a?x#part",
        "/v2/a b",
        "/v2/a\r\nX: y",
        "/v2/ä",
        "http://reg.example/x",
        "/x\n",
        "/.",
        "/..",
        "/../evil",
        "/..//x",
        "/" + "a" * MAX_LOCATION,
    ],
)
def test_what_could_mean_something_else_is_left_to_the_parser(text: str) -> None:
    assert not is_plain(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/u", "/u?digest=1"),
        ("/u?_state=AbC%3d%3D", "/u?_state=AbC%3d%3D&digest=1"),
        ("/u?a=b?c", "/u?a=b?c&digest=1"),
    ],
)
def test_a_query_is_kept_to_the_byte_and_added_to(before: str, after: str) -> None:
    for place in (Place(ROOT, before), Place(ROOT.join(before))):
        assert place.asking("digest=1").whole.raw_path == after.encode()


def test_a_request_tells_what_it_was_for() -> None:
    place = Place(ROOT, "/v2/a/blobs/uploads/1?_state=x")
    request = httpx.Request("PUT", place.url, extensions=place.extensions)
    assert asked(request) == place.whole == httpx.URL(f"{ROOT}/v2/a/blobs/uploads/1?_state=x")
    assert asked(httpx.Request("GET", place.whole)) == place.whole
