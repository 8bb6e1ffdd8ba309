"""Every limit, timeout and concurrency number: its unit and its reason, in one place."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# --- content from outside -----------------------------------------------------------------

# Bytes. Distribution, zot and containers/image all stop at 4 MiB; larger is an attack or a mistake.
MAX_MANIFEST = 4 * MIB
# Bytes of a token answer. Harbor's largest seen is under 8 KiB.
MAX_TOKEN_ANSWER = MIB
# Bytes of an error answer that are read at all, and characters of it that are shown.
MAX_ERROR_ANSWER = 64 * KIB
MAX_ERROR_SHOWN = 300
# Levels below an image's index. Nested indexes are legal and none deeper than two was seen.
MAX_INDEX_DEPTH = 4
# Manifests under one image; the largest public index holds about 40.
MAX_INDEX_MANIFESTS = 500
# Redirects of one request; storage behind a registry needs one or two.
MAX_REDIRECTS = 5
# Pages of a tag list, 100 tags or more each.
MAX_PAGES = 1000
# Bytes of bundle.json: 100,000 blobs need about 25 MB.
MAX_INVENTORY = 32 * MIB
# Bytes of a plan or an image list handed in.
MAX_PLAN = 256 * MIB
# Bytes of one CA file or one credentials file.
MAX_SMALL_FILE = 4 * MIB

# --- moving bytes -------------------------------------------------------------------------

# Bytes of the buffer a socket is read into before it is hashed and written. Larger did not
# help; smaller costs a system call and a lock each.
RECEIVE_BUFFER = MIB
# Bytes of one piece read from a bundle. In turn with 64 and 256 KiB a push of 2 GB took 3.3 s
# of user CPU against 3.9 and 3.6, and a verify was as fast or faster.
SEND_PIECE = MIB
# Bytes from which reading past the HTTP library pays for the connection it costs.
DIRECT_READ_FROM = MIB

# --- waiting ------------------------------------------------------------------------------

# Seconds until a TCP connection and TLS handshake must be there.
CONNECT_TIMEOUT = 10.0
# Seconds of the first pause between attempts; each further one may be twice as long.
FIRST_PAUSE = 0.3
# Seconds of the longest pause, the registry's own Retry-After included.
LONGEST_PAUSE = 120.0
# Seconds a credential helper may take: some of them ask a person.
HELPER_TIMEOUT = 60.0
# Seconds workers are given to end after a stop before the process leaves them behind.
STOP_GRACE = 3.0
# Seconds between two looks whether a signal came while the main thread waits for its workers.
SIGNAL_CHECK = 0.2
# Share of a token's life after which it is renewed before the registry says no.
TOKEN_RENEWAL = 0.8
# Seconds a token lives if its issuer does not say (token specification).
TOKEN_LIFE = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set about effort; the limits above are not up for choice."""

    # Transfers at a time. Four fill two cores on a fast link (measured).
    concurrency: int = 4
    # Attempts after the first one, for faults that may pass.
    retries: int = 5
    # Seconds without a byte before a connection is given up.
    timeout: float = 60.0
    # Bytes a second for all transfers together; None: as fast as it goes.
    limit_rate: int | None = None
    # Connections that one large blob may use at a time.
    ranges: int = 1
