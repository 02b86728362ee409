#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# units.sh UNITS EXECUTABLE: are the systemd units in the directory UNITS right, and as closed as they can be? In a root of
# its own, since neither the executable nor the user is on this machine.
set -euo pipefail
units=$1 executable=$2
# What systemd-analyze calls OK; an unprotected service has 9.6.
exposure_max=2.0

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{etc,usr/bin,usr/lib/systemd/system,usr/lib/sysusers.d,usr/lib/tmpfiles.d}
cp -r /usr/lib/systemd/system/. "$root/usr/lib/systemd/system/"
install -m 755 "$executable" "$root/usr/bin/herd"
install -D -m 755 /bin/true "$root/bin/kill"
cp "$units"/*.service "$root/usr/lib/systemd/system/"
cp "$units/herd.sysusers.conf" "$root/usr/lib/sysusers.d/herd.conf"
cp "$units/herd.tmpfiles.conf" "$root/usr/lib/tmpfiles.d/herd.conf"

systemd-sysusers --root "$root" herd.conf 2> /dev/null
grep -q '^herd:' "$root/etc/passwd" || { echo "no user herd after systemd-sysusers"; exit 1; }
systemd-tmpfiles --root "$root" --create herd.conf
[ -d "$root/etc/herd" ] || { echo "no /etc/herd after systemd-tmpfiles"; exit 1; }

failed=0
for unit in "$root"/usr/lib/systemd/system/herd-*.service; do
  name=$(basename "$unit")
  # Other units of the distribution may be found wanting; only ours matter.
  complaints=$(systemd-analyze verify --root "$root" --recursive-errors=no --man=no "$name" 2>&1 | grep -F "$name" || true)
  [ -z "$complaints" ] || { echo "$complaints"; failed=1; }
  exposure=$(systemd-analyze security --offline=true --root "$root" --no-pager "$name" 2> /dev/null |
    sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p')
  echo "$name: exposure ${exposure:-unknown}"
  awk -v level="${exposure:-10}" -v most="$exposure_max" 'BEGIN { exit !(level <= most) }' || failed=1
done
exit "$failed"
