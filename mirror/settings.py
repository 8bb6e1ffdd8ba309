"""Every limit, timeout and concurrency number: its unit and its reason, in one place."""

from __future__ import annotations

from typing import NamedTuple

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# --- content from outside -----------------------------------------------------------------

# Bytes. Distribution, zot and containers/image all stop at 4 MiB; larger is an attack or a mistake.
MAX_MANIFEST = 4 * MIB
# Bytes until an answer's head must be over, interim answers included, and of each one of them.
MAX_HEAD = 256 * KIB
MAX_ONE_HEAD = 100 * KIB
# Bytes of a token answer. Harbor's largest seen is under 8 KiB.
MAX_TOKEN_ANSWER = 256 * KIB
# Challenges of one answer that a preflight looks at, each of which can cost three requests; two
# is the most that was seen.
MAX_CHALLENGES = 4
# Bytes of an error answer that are read at all, and characters of it that are shown.
MAX_ERROR_ANSWER = 64 * KIB
MAX_ERROR_SHOWN = 300
# Characters of one cell of a table. The versions that one component has, or the TKrs of one TKG
# release, are under 300; a file of 8 MiB could have them all in one.
MAX_CELL_SHOWN = 4000
# Bytes of all manifests of one run together, which are held in memory: 10,000 images have 25 MB.
MAX_MANIFESTS = 32 * MIB
# Documents of more than MAX_SMALL_JSON that are read at a time: each may have 4 MiB, several times
# over while it is read.
LARGE_AT_A_TIME = 2
# Layers and large configurations that are looked into at a time: they unfold while they come.
LOOKS_AT_A_TIME = 4
# Objects, lists and commas in one document. An index of 500 manifests has about 6,000; a million
# empty objects would be 4 MiB on the wire and 70 MB in memory.
MAX_JSON_PARTS = 100_000
MAX_INVENTORY_PARTS = 800_000
# Bytes of a document that is read beside any number of others, as an object 60 times as large;
# honest manifests have a few KiB.
MAX_SMALL_JSON = 64 * KIB
# Repositories that may hold the same image before that is worth a word. Real BOMs have pairs.
MAX_SAME = 3
# Bytes of one artifact that is read whole, a BOM or compatibility image: those have some 20 KiB.
MAX_ARTIFACT = 2 * MIB
# Artifacts that are read at a time: each may have MAX_ARTIFACT, several times over on its way.
ARTIFACTS_AT_A_TIME = 4
# Bytes of all BOMs that are read for one release: every TKr that ever was makes 1.6 MB.
MAX_DOCUMENTS = 4 * MIB
# TKrs of one TKG release; the longest real list has 7.
MAX_TKRS = 500
# Images that all BOMs of one release list, about 1 KiB of memory each: TKG 1.6.1 and every TKr
# that ever was list 3,850.
MAX_RELEASE_IMAGES = 40_000
# Images that a failure names line by line; the JSON result has all of them.
MAX_CAUSES_SHOWN = 60
# Lines of one finding's evidence in a terminal, and on the page of a report, where 1,000 missing
# images are 20 pages in print; the JSON result has all of them.
PREFLIGHT_LINES = 8
PREFLIGHT_PAGE_LINES = 1000
# Characters of one such line in a terminal, where it may wrap twice, and on the page, where the CA
# variable must be whole: base64 of three certificates has 6,000. Of a summary 600; a fix is a
# command to copy, and one that names ten BOM files has 1,200.
PREFLIGHT_LINE = 240
PREFLIGHT_PAGE_LINE = 8192
PREFLIGHT_TEXT = 600
PREFLIGHT_FIX = 4096
# Versions or tags that a message repeats, and characters of them.
MAX_NAMES_SHOWN = 40
MAX_FACT_SHOWN = 500
# Bytes of a layer that is looked into, when unpacked; BOMs and package bundles stay under 1 MiB.
MAX_UNPACKED = 64 * MIB
# How many times larger than the layer that may be, from RATIO_FROM bytes on. YAML packs 4 to 10
# times; gzip's largest is 1,032, and a small tar is mostly padding.
MAX_UNPACKED_RATIO = 200
RATIO_FROM = MIB
# Headers of one layer that is looked into, extension headers included; package bundles have tens.
MAX_TAR_ENTRIES = 10_000
# Bytes of one extension header: a name, times and attributes. Linux stops a path at 4 KiB.
MAX_TAR_EXTENSION = MIB
# Gzip members of one layer: images made for lazy pulling have one or two for each entry.
MAX_GZIP_MEMBERS = 2 * MAX_TAR_ENTRIES
# Characters of a media type: two names of 127 and the slash between (RFC 6838, 4.2).
MAX_MEDIA_TYPE = 255
# Layers of one image; overlay file systems stop at 500.
MAX_LAYERS = 1000
# Levels below an image's index. Nested indexes are legal and none deeper than two was seen.
MAX_INDEX_DEPTH = 4
# Manifests under one image; the largest public index holds about 40.
MAX_INDEX_MANIFESTS = 500
# Platforms that may be chosen, and characters of each of their parts: Go knows 50 or so, and its
# longest word is "dragonfly". Every child of an index is compared with each of them.
MAX_PLATFORMS = 64
MAX_PLATFORM_PART = 32
# Times that what comes along with images is looked for in what came along before: package
# repositories hold package bundles, which hold images; those may have signatures.
MAX_COMPANION_ROUNDS = 8
# Bytes of an image's configuration that is looked into; real ones have 1 to 30 KiB.
MAX_CONFIG = 4 * MIB
# Bytes of an imgpkg bundle's lock: one of 266 images has 100 KB, one of 10,000 1.2 MB.
MAX_IMAGES_LOCK = 2 * MIB
# Images in all locks of a run together, and members of all bundles: TKG 1.6.1 with its 78 TKrs
# has 170 bundles of some ten. Bundles in bundles multiply, and each member is a request.
MAX_MEMBERS = 20_000
# What refers to one manifest, and pages of such a list. Harbor and zot page by some hundreds; the
# index that stands in for the list where there is none can hold MAX_INDEX_MANIFESTS.
MAX_REFERRERS = 500
# What registries say refers to anything, in one run: twenty for each of 1,000 images, and a few
# hundred bytes each.
MAX_REFERRERS_OF_RUN = 20_000
# Pages of a tag list read for the names of signatures, and such names kept, of one repository and
# of a run: 200 bytes each. Where there are more, each name is asked for instead.
MAX_COMPANION_PAGES = 100
MAX_COMPANION_TAGS = 10_000
MAX_COMPANION_TAGS_OF_RUN = 100_000
# Characters of a URL that an answer names. Signed ones have some hundred, a few thousand at most;
# httpx makes none of more than 64 Ki, and an upload's is made longer by its digest.
MAX_LOCATION = 32 * KIB
# Redirects of one request; storage behind a registry needs one or two.
MAX_REDIRECTS = 5
# Registries that only what was read names, an imgpkg bundle's lock above all: real bundles name
# two or three, and each that gives no answer can cost half a minute.
MAX_STRANGERS = 32
# Pages of a tag list, 100 tags or more each, and tags in it: short ones take 50 bytes of memory
# for 5 on the wire.
MAX_PAGES = 1000
MAX_TAGS = 100_000
# Bytes of all pages of one list: 100,000 tags of 30 characters have 3 MB, and are held in memory.
MAX_TAG_LIST = 16 * MIB
# Bytes of bundle.json: 100,000 blobs need about 25 MB.
MAX_INVENTORY = 32 * MIB
# Entries of a list that are written down in one piece: 200 bytes each.
LISTED_AT_A_TIME = 1000
# Bytes of a plan or of an earlier run's result handed in. A plan of 10,000 images with long names,
# every tenth a bundle of ten, has 8.3 MB (measured; blobs are not in it); a hostile one of this
# size takes 190 MB of memory.
MAX_PLAN = 32 * MIB
# Bytes of one CA file or one credentials file.
MAX_SMALL_FILE = 4 * MIB

# Characters of a host name (RFC 1035, 2.3.4, without the dot at its end).
MAX_HOST_CHARS = 253
# Addresses of one name that a line shows, and that are connected to. Load balancers give a name
# up to eight; one DNS answer has room for 4,000.
MAX_ADDRESSES_SHOWN = 4
MAX_ADDRESSES_TRIED = 64
# Ranges that one variable of a cluster configuration may list: one for each family is real.
MAX_CIDRS = 8
# Characters of a NO_PROXY that are looked at: a thousand entries.
MAX_NO_PROXY = 32 * KIB
# Networks of pools that are looked through for the one that Docker takes next.
MAX_POOL_NETWORKS = 4096

# --- moving bytes -------------------------------------------------------------------------

# Bytes of the buffer a socket is read into before it is hashed and written. Larger did not
# help; smaller costs a system call and a lock each.
RECEIVE_BUFFER = MIB
# Bytes of one piece read from a bundle. In turn with 64 and 256 KiB a push of 2 GB took 3.3 s
# of user CPU against 3.9 and 3.6, and a verify was as fast or faster.
SEND_PIECE = MIB
# Bytes after which what was written is sent on to the disk and pages of a large bundle are given
# back to the system, the least of them at the end of a blob, and the share of the memory (one in
# so many) from which a bundle is large. Without it, fsync took 0.3 to 0.5 s of the 1.9 that a
# create of 1 GB took; with it, 1 ms of 1.6.
TIDY_EVERY = 8 * MIB
TIDY_FROM = MIB
CACHED_SHARE = 4
# Bytes from which reading past the HTTP library pays: less is one or two pieces of its own.
DIRECT_READ_FROM = MIB
# Bytes asked for at a time by the parser of answers, and of a request that are joined to go out in
# one call: its head, and a body that is a manifest or a form.
RECEIVE_HEAD = 64 * KIB
SEND_TOGETHER = 16 * KIB
# Bytes handed to a socket at a time: between two of them an upload's pace is looked at.
WRITE_PIECE = MIB
# Bytes of a TLS record (RFC 8446, 5.1).
TLS_RECORD = 16 * KIB
# Bytes of a blob after which the journal notes how far it is: what a kill can cost a worker.
MARK_EVERY = 16 * MIB
# Bytes of a blob between two states of its hash that are kept, 200 bytes each: what is read once
# more at most, besides what it lost, where a registry lost the end of what it was given.
STATE_EVERY = 16 * MIB
# Bytes that an attempt must have moved on for the next one not to count as a further attempt.
# Less, and a peer that gives a byte and hangs up would keep a run going for ever.
PROGRESS = 256 * KIB
# Bytes of one range where several are fetched at once: half a second at 8 MB/s, against 80 ms
# that its request takes on a long link. Each worker holds as many as it has connections.
# They are put together from smaller pieces than a blob that goes straight to the disk.
RANGE_PIECE = 4 * MIB
# Bytes of one towards the end of a blob, where fewer would be lost on a long link's delay, and more
# would leave most connections idle behind the last ones: six images of 114 MB by way of 80 ms and
# 8 MB/s a connection took 2.30 s with RANGE_PIECE to the end, and take 2.17.
RANGE_LEAST = 2 * MIB
# Bytes of the first range, which goes alone and shows whether the link is thin.
RANGE_TRIAL = 1 * MIB
RANGE_BUFFER = 128 * KIB
# Seconds after which who waits for a range looks whether there is room for another one.
RANGE_LOOK = 0.02
# Ranges of one blob that are fetched at a time where nobody said how many, and bytes a second that
# the first one, alone, must stay below: a link that gives one connection more is not thin, and
# ranges would only cost requests there. Nor is it the link that holds up who works for more than
# this share of the time: two cores that four TLS connections keep busy looked like a thin link.
MOST_RANGES = 8
# Of all blobs together, besides the one that each waits for: a peer that holds up the first range
# of sixteen blobs would otherwise have half a gigabyte of those behind it kept in memory.
MOST_RANGES_AHEAD = 16
THIN = 32 * MIB
BUSY = 0.5
# Bytes of one chunk where a registry, or a proxy before it, takes no blob whole, and of the
# smallest that is tried: nginx allows 1 MiB if nobody told it otherwise.
CHUNK = 16 * MIB
SMALLEST_CHUNK = 256 * KIB

# --- waiting ------------------------------------------------------------------------------

# Seconds until a TCP connection and TLS handshake must be there.
CONNECT_TIMEOUT = 10.0
# Attempts in a row that go at once where a registry says "Retry-After: 0"; a proxy that says so
# all the time must not use up all of them within a second.
PATIENT = 2
# Calls in a row that a host left without any answer, half a minute of attempts each, before the
# next ones get a single attempt: a restart is survived, and 2,500 blobs of a dead host are not
# five hours.
GIVEN_UP = 4
# Bytes a second below which a peer counts as dripping, over one timeout of waiting for it.
LEAST_RATE = 4 * KIB
# Seconds that giving one upload session back may take, and all of them at the end.
CANCEL_TIMEOUT = 1.0
# Seconds of the longest pause, the registry's own Retry-After included.
LONGEST_PAUSE = 120.0
# Seconds a credential helper may take: some of them ask a person.
HELPER_TIMEOUT = 60.0
# Seconds workers are given to end after a stop before the process leaves them behind.
STOP_GRACE = 3.0
# Seconds between two looks whether a signal came while the main thread waits for its workers.
SIGNAL_CHECK = 0.2
# Seconds that all checks of a preflight may take together that do not count images, and that one
# request of theirs may take. A registry that does not answer must be told within a minute.
PREFLIGHT_SECONDS = 50.0
PREFLIGHT_REQUEST = 8.0
PREFLIGHT_LEAST = 0.5
# Blobs to bring from which it pays to see once whether a registry looks for them itself.
ASK_FROM = 32
# Transfers with which a run begins, seconds between two looks at how fast it is, how much faster
# more of them must be to stay, and seconds until more are tried again. A first second at four is
# what two cores on a fast link need anyway (measured).
LEVEL_START = 4
LEVEL_PERIOD = 1.0
LEVEL_GAIN = 1.1
LEVEL_HOLD = 15.0
# Seconds of a registry's quickest answer from which it is far, and a run begins with all transfers:
# 181 images by way of 80 ms took 12.7 s and take 7.2, their push 28.6 s and 15.9. On a network of
# one's own an answer takes 1 to 10 ms.
LONG_WAIT = 0.02
# AWS endpoints that a preflight asks for at a time: all of them, or a silent resolver would cost
# each its turn. Addresses of one that are tried: an endpoint has one in each zone, three mostly.
ENDPOINTS_AT_A_TIME = 8
ENDPOINT_ADDRESSES = 8
# Requests of one check at a time: distribution and Harbor take that without a 429.
PREFLIGHT_AT_A_TIME = 8
# Repositories whose write rights are tried, and seconds for all of them: a TKG release has some
# 300, and each costs one or two requests.
PREFLIGHT_REPOSITORIES = 1000
PREFLIGHT_WRITES_SECONDS = 15.0
# Requests that find out what of a bundle is there already, and seconds for all of them.
PREFLIGHT_LOOKS = 4000
PREFLIGHT_LOOKS_SECONDS = 15.0
# Share of what is to be uploaded that must be free besides: manifests, and what Harbor adds.
QUOTA_SLACK = 0.1
# Seconds that one name server has before the next one is asked, and all of them together: glibc
# gives a single one 5.
DNS_SERVER_SECONDS = 2.0
DNS_SECONDS = 5.0
# Certificates that a registry may send; real ones send one to four.
MAX_CHAIN = 20
# Addresses of one registry whose certificates are looked at; a name has one to three.
MAX_ADDRESSES = 8
# Bits of RSA keys. Below, FIPS builds and OpenSSL refuse; above, Go does (CVE-2023-29409).
LEAST_RSA = 2048
LARGEST_RSA = 8192
# Days that a certificate must be valid still: an installation takes a day, its renewal weeks.
VALID_AT_LEAST = 7
VALID_BETTER = 30
# Seconds that a registry's clock may differ. A token may live 60 s by the token specification,
# and Distribution forgives 60; at five minutes Kerberos, AWS and short tokens are all lost.
CLOCK_DOUBT = 60.0
CLOCK_WRONG = 300.0
# Images and blobs that a preflight asks for at a time, whatever was said of transfers.
IMAGES_AT_A_TIME = 8
# Things that are not as they should be, of which a finding names so many.
MAX_GAPS_SHOWN = 10
# Share of a token's life after which it is renewed before the registry says no.
TOKEN_RENEWAL = 0.8
# Seconds a token lives if its issuer does not say (token specification).
TOKEN_LIFE = 60.0


class Settings(NamedTuple):
    """What an operator may set about effort; the limits above are not up for choice."""

    # Transfers at a time, at most: a run begins with LEVEL_START and finds its level.
    concurrency: int = 16
    # Attempts after the first one, for faults that may pass.
    retries: int = 5
    # Seconds without a byte before a connection is given up.
    timeout: float = 60.0
    # Bytes a second of all transfers together; None for no limit.
    limit_rate: int | None = None
    # Ranges of one large blob fetched at a time; 0 for as many as help on a long, thin link.
    ranges: int = 0
    # Seconds of the first pause between attempts; each further one may be twice as long. Five of
    # them are half a minute at most, which a registry's restart takes.
    first_pause: float = 1.0

    @property
    def connections(self) -> int:
        """Requests that one registry may get at a time."""
        return self.concurrency * max(self.ranges, 1)


class Carry(NamedTuple):
    """What comes along with the images that are named."""

    # Members of imgpkg bundles; without them packages cannot be installed behind the gap.
    bundles: bool = True
    # Signatures, attestations and whatever else refers to an image.
    referrers: bool = True
    # Layers whose licence forbids to redistribute them, where the registry has them.
    foreign: bool = False
    # os/arch[/variant] of the images that an index keeps; empty for all.
    platforms: tuple[str, ...] = ()
