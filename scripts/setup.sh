#!/bin/sh
# Makes a fresh Debian or Ubuntu machine, with Python, make and apt, ready for the whole test suite:
# a real registry, skopeo as the witness, and with --docker a docker engine and a browser.
# It installs what is missing and nothing else; where all is there it asks nobody and changes nothing.
set -eu

missing=""
need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need docker-registry docker-registry
need skopeo skopeo
need ip iproute2
# Debian's python3 has no ensurepip of its own, and so cannot make an environment with pip.
python3 -c 'import ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
if [ "${1:-}" = --docker ]; then
    need dockerd docker.io
    need docker docker.io
    # Reads the page of a preflight. Ubuntu has it as a snap alone; there its tests are skipped.
    grep -qs '^ID=ubuntu' /etc/os-release || need chromium chromium
fi

if [ -z "$missing" ]; then
    echo "setup: everything is there"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: no apt-get here; please install by other means:$missing"
    exit 0
fi

as_root=""
[ "$(id -u)" -eq 0 ] || as_root=sudo
echo "setup: installing$missing"
# The packages start services of the same name; nothing here wants them, but they do no harm.
$as_root apt-get -qq update
# shellcheck disable=SC2086 # one word a package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing >/dev/null
