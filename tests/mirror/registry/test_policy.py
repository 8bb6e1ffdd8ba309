from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.registry import policy
from tests.mirror.oci.documents import refusal, steady

SAFE = httpx.URL("https://reg.example/v2/a/blobs/uploads/")
PLAIN = httpx.URL("http://reg.example:5000/v2/")

RULES: list[Callable[[httpx.URL, str], httpx.URL]] = [
    policy.redirect,
    policy.realm,
    lambda url, text: policy.upload(url, url, text),
    lambda url, text: policy.next_page(url, url, text),
]
NEVER = [
    "",
    "file:///etc/passwd",
    "gopher://reg.example/x",
    "javascript:alert(1)",
    "data:text/plain,x",
    "mailto:a@b",
    "http://reg.example/v2/x",
    "https://user@reg.example/v2/x",
    "https://user:pass@reg.example/v2/x",
    "https://reg.example@evil.example/v2/x",
    "//user@reg.example/v2/x",
    "https://reg.example:99999/v2/x",
    "https://reg.example:0/v2/x",
    "https://[::1/v2/x",
    "https://300.1.1.1/v2/x",
    "https://reg.example/v2/\n",
]


@pytest.mark.parametrize("rule", RULES, ids=["redirect", "realm", "upload", "page"])
@pytest.mark.parametrize("text", NEVER)
def test_no_rule_lets_these_through(rule: Callable[[httpx.URL, str], httpx.URL], text: str) -> None:
    assert "pass" not in refusal(rule, SAFE, text).replace("/etc/passwd", "")


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/v2/x",
        "https://reg.example:444/v2/x",
        "https://reg.example.:443/v2/x",
        "https://reg.example.evil.example/v2/x",
        "//evil.example/v2/x",
        "https://127.0.0.1/v2/x",
        "https://169.254.169.254/latest",
    ],
)
@pytest.mark.parametrize("rule", RULES[1:], ids=["realm", "upload", "page"])
def test_tokens_uploads_and_pages_stay_on_the_registry(
    rule: Callable[[httpx.URL, str], httpx.URL], text: str
) -> None:
    refusal(rule, SAFE, text)


@pytest.mark.parametrize(
    "text", ["/token", "https://REG.example:443/token", "https://reg.example/t"]
)
def test_a_realm_on_the_registry_itself_is_good(text: str) -> None:
    assert policy.origin(policy.realm(SAFE, text)) == policy.origin(SAFE)


@pytest.mark.parametrize(
    ("registry", "text", "good"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://registry-1.docker.io", "https://auth.docker.io:8443/token", False),
        ("https://registry-1.docker.io", "http://auth.docker.io/token", False),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://registry.gitlab.com", "https://auth.docker.io/token", False),
        ("https://evil.example", "https://auth.docker.io/token", False),
        ("http://reg.example:5000", "https://reg.example:5000/token", False),
    ],
)
def test_token_services_elsewhere_are_known_by_pairs(registry: str, text: str, good: bool) -> None:
    if good:
        assert str(policy.realm(httpx.URL(registry), text)) == text
    else:
        refusal(policy.realm, httpx.URL(registry), text)


def test_a_redirect_may_go_to_storage_elsewhere_and_up_to_tls() -> None:
    assert policy.redirect(SAFE, "https://s3.example/x?sig=1").host == "s3.example"
    assert policy.redirect(PLAIN, "https://s3.example/x").scheme == "https"


@pytest.mark.parametrize(
    "query",
    ["_state=AbC%3d%3D", "_state=a+b&c=%20", "a;b=c&&d", "s='~|[]^`{}\\", "q=%zz", "x=%2F/?&="],
)
def test_the_query_of_an_upload_is_kept_to_the_byte(query: str) -> None:
    for start in ("", "https://reg.example"):
        found = policy.upload(SAFE, SAFE, f"{start}/v2/a/blobs/uploads/1?{query}")
        assert found.query == query.encode()


@pytest.mark.parametrize("text", ["/v2/a/tags/list?last=x", "list?last=x"])
def test_a_next_page_lies_below_v2(text: str) -> None:
    current = httpx.URL("https://reg.example/v2/a/tags/list")
    assert policy.next_page(SAFE, current, text).path == "/v2/a/tags/list"


@pytest.mark.parametrize("text", ["/admin", "/v2/../admin", "/v2/a/tags/list", "?"])
def test_a_next_page_elsewhere_or_the_same_is_refused(text: str) -> None:
    refusal(policy.next_page, SAFE, httpx.URL("https://reg.example/v2/a/tags/list"), text)


def test_a_refusal_shows_no_signature() -> None:
    assert "canary" not in refusal(policy.realm, SAFE, "https://s3.example/x?X-Amz=canary#canary")


locations = st.text() | st.from_regex(r"(https?:)?//[a-z@:\[\].%0-9]{0,12}(/[^ ]{0,8})?(\?.{0,5})?")


@steady
@given(locations, st.sampled_from([SAFE, PLAIN]))
def test_any_location_is_safe_or_a_value_error(text: str, registry: httpx.URL) -> None:
    for rule in RULES:
        try:
            found = rule(registry, text)
        except ValueError:
            continue
        assert found.scheme in ("http", "https")
        assert not found.userinfo
        assert registry.scheme == "http" or found.scheme == "https"
        if rule is not policy.redirect:
            assert policy.origin(found) == policy.origin(registry)
