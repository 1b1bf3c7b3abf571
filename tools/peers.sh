#!/usr/bin/env bash
# Installs Debian packages that tests use, when this is a Debian system and we are root. It never fails: tests whose
# peer is missing are skipped and say so.
set -euo pipefail

missing=()
for package in "$@"; do
  dpkg -s "$package" >/dev/null 2>&1 || command -v "$package" >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "peers: not installed here: ${missing[*]}: tests that need them are skipped" >&2
  exit 0
fi

# Keep packages of servers from starting them: tests start their own, on ports of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y --no-install-recommends "$@" </dev/null >/dev/null; }
if ! install "${missing[@]}" 2>/dev/null; then
  apt-get update >/dev/null 2>&1 || true
  for package in "${missing[@]}"; do
    install "$package" || echo "peers: $package could not be installed: tests that need it are skipped" >&2
  done
fi
