"""One HTTP client for several threads, which does not break.

httpx lets threads share a client. But httpcore's pool looks at idle connections without the lock
under which a request takes one: an answer that comes at that moment is taken for a hangup, and
the request fails with "Bad file descriptor". So each thread has connections of its own here.
"""

from __future__ import annotations

import ssl
import threading
from typing import Any

import httpx

__all__ = ["shared_client"]


def shared_client(*, verify: ssl.SSLContext | bool = True, **options: Any) -> httpx.Client:
    """Make a client that threads may share; proxies of the environment do not count."""
    return httpx.Client(transport=_ByThread(verify), trust_env=False, **options)


class _ByThread(httpx.BaseTransport):
    def __init__(self, verify: ssl.SSLContext | bool) -> None:
        self._verify = verify
        self._own = threading.local()
        self._all: list[httpx.HTTPTransport] = []
        self._guard = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not hasattr(self._own, "transport"):
            self._own.transport = httpx.HTTPTransport(verify=self._verify, trust_env=False)
            with self._guard:
                self._all.append(self._own.transport)
        answer: httpx.Response = self._own.transport.handle_request(request)
        return answer

    def close(self) -> None:
        for transport in self._all:
            transport.close()
