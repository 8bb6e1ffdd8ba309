"""Where a registry may send this client, and with what: redirects, token realms, uploads, pages.

A registry's answers name other URLs. Each kind of URL has one rule here; all are pure, raise
ValueError with the reason, and share three refusals: another scheme than http and https, user
names inside a URL, and a step down from https to http.
"""

from __future__ import annotations

from collections.abc import Collection

import httpx

from mirror.settings import MAX_LOCATION

# Registries whose token service is known to stand elsewhere (their own documentation).
_TOKEN_HOSTS = {
    "registry-1.docker.io": "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
}


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port, the default port filled in."""
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme, 0)


def redirect(current: httpx.URL, location: str) -> httpx.URL:
    """Where a GET or HEAD of a blob or manifest goes on: any host, never less safe than before."""
    return _joined(current, location)


def realm(registry: httpx.URL, text: str, others: Collection[str] = ()) -> httpx.URL:
    """The token service: on the registry's own host, the one known for it, or one of ``others``.

    Credentials go there, so a registry may not choose it freely (CVE-2026-48978).
    """
    target = _joined(registry, text)
    if _own(registry, target, others):
        return target
    if (
        target.scheme == "https"
        and _TOKEN_HOSTS.get(registry.host) == target.host
        and origin(target)[2] == 443
    ):
        return target
    raise ValueError(f"its token service {_shown(target)} is not on its own host")


def upload(
    registry: httpx.URL, current: httpx.URL, location: str, others: Collection[str] = ()
) -> httpx.URL:
    """An upload session's next URL: on the registry itself or one of ``others``, its query kept.

    The upload carries the image, and on the registry itself a token, so another host would be
    given them (CVE-2026-50151).
    """
    target = _joined(current, location)
    if not _own(registry, target, others):
        raise ValueError(f"it sends an upload to {_shown(target)}, which is not itself")
    return target


def next_page(registry: httpx.URL, current: httpx.URL, location: str) -> httpx.URL:
    """The next page of a list: on the registry itself, below /v2/, not the page just read."""
    target = _joined(current, location)
    if (
        origin(target) != origin(registry)
        or not target.path.startswith("/v2/")
        or target == current
    ):
        raise ValueError(f"its next page is {_shown(target)}")
    return target


def _own(registry: httpx.URL, target: httpx.URL, others: Collection[str]) -> bool:
    """True for the registry's own origin, and for a host that the operator allowed it to name.

    ``others`` are ``host`` or ``host:port``; without a port the scheme's own is meant.
    """
    named = {origin(httpx.URL(f"{target.scheme}://{other}")) for other in others}
    return origin(target) == origin(registry) or origin(target) in named


def _joined(base: httpx.URL, location: str) -> httpx.URL:
    if not location:
        raise ValueError("it names no URL where one must be")
    if len(location) > MAX_LOCATION:
        raise ValueError(f"it names a URL of {len(location)} characters")
    try:
        target = base.join(location)
    except (httpx.InvalidURL, ValueError) as cause:
        raise ValueError(f"it names a URL that is none ({cause})") from None
    if target.scheme not in ("http", "https") or not target.host:
        raise ValueError(f"it names a URL of scheme {target.scheme[:20]!r}")
    if target.port is not None and not 0 < target.port < 65536:
        raise ValueError("it names a URL with an impossible port")
    if target.userinfo:
        raise ValueError("it names a URL with a user name in it")
    if base.scheme == "https" and target.scheme != "https":
        raise ValueError(f"it steps down from https to {_shown(target)}")
    return target


def _shown(url: httpx.URL) -> str:
    """A URL without its query: signed URLs carry secrets there."""
    return str(url.copy_with(query=None, fragment=None))[:200]
