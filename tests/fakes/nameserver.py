"""A name server on loopback, or inside a network of the test's own.

    with NameServer({"harbor.corp.example": ["10.1.2.3", "fd00::5"]}) as dns:
        machine(folder, dns)                # what the checks look at: port dns.port of 127.0.0.1
        dns.records["harbor.corp.example"] = ["10.1.2.4"]
        dns.silent = True                   # it takes questions and answers none
        dns.failing.add("AAAA")             # SERVFAIL for one type
        dns.asked                           # [("harbor.corp.example", "A"), ...]

It answers A and AAAA by UDP, and by TCP what is too long for that. Names it does not have do not
exist. As a process: ``python -m tests.fakes.nameserver ADDRESS PORT NAME=ADDRESS,... ...``.
"""

from __future__ import annotations

import ipaddress
import socketserver
import struct
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class _Datagrams(socketserver.ThreadingUDPServer):
    daemon_threads = True
    block_on_close = False
    max_packet_size = 4096


class _Streams(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


def _both(
    place: tuple[str, int],
    stream: type[socketserver.BaseRequestHandler],
    datagram: type[socketserver.BaseRequestHandler],
) -> tuple[_Streams, _Datagrams]:
    """One number for both: what the kernel chose for TCP, somebody may have for UDP."""
    streams = _Streams(place, stream)
    try:
        return streams, _Datagrams((place[0], streams.server_address[1]), datagram)
    except OSError:
        streams.server_close()
        if place[1]:
            raise
        return _both(place, stream, datagram)


class NameServer:
    """Serves from ``__enter__`` on; ``records`` may change meanwhile."""

    def __init__(
        self, records: Mapping[str, list[str]], address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.records = dict(records)
        self.address = address
        self.silent = False
        self.failing: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        server = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire, socket = self.request
                if answer := server._answer(wire, limit=512):
                    socket.sendto(answer, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                # glibc asks for A and AAAA in one connection.
                while len(head := self.rfile.read(2)) == 2:
                    wire = self.rfile.read(struct.unpack("!H", head)[0])
                    if answer := server._answer(wire, limit=65535):
                        self.wfile.write(struct.pack("!H", len(answer)) + answer)

        self._streams, self._datagrams = _both((address, port), Stream, Datagram)
        self.port = self._datagrams.server_address[1]

    def __enter__(self) -> Self:
        for each in (self._datagrams, self._streams):
            threading.Thread(target=each.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in (self._datagrams, self._streams):
            each.shutdown()
            each.server_close()

    def _answer(self, wire: bytes, limit: int) -> bytes:
        try:
            question = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return b""
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        if self.silent:
            return b""
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if kind in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found := self._of(name, kind):
            answer.answer = [dns.rrset.from_text_list(asked.name, 60, "IN", kind, found)]
        try:
            return answer.to_wire(max_size=limit)
        except dns.exception.TooBig:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
            return answer.to_wire()

    def _of(self, name: str, kind: str) -> list[str]:
        version = {"A": 4, "AAAA": 6}.get(kind)
        return [x for x in self.records[name] if ipaddress.ip_address(x).version == version]


def main() -> None:
    """Serve until standard input is closed."""
    address, port, *records = sys.argv[1:]
    named = dict(each.split("=", 1) for each in records)
    with NameServer({n: a.split(",") for n, a in named.items()}, address, int(port)):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
