#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bundle.sh EXECUTABLE DIRECTORY: lays out in DIRECTORY all that an image of Herd holds. In DIRECTORY/system: the executable without
# its symbols, the shared libraries it asks for, certificates of public authorities, terminal descriptions, and a user; in
# DIRECTORY/data what belongs to that user.
set -euo pipefail
executable=$1 root=$2/system data=$2/data

fail() { echo "bundle.sh: $*" >&2; exit 1; }
[ -x "$executable" ] || fail "$executable is no executable; run make build first"
authorities=/etc/ssl/certs/ca-certificates.crt
[ -r "$authorities" ] || fail "$authorities is missing; install ca-certificates"

rm -rf "$root" "$data"
mkdir -p "$root"/{etc/ssl/certs,usr/bin,usr/lib/herd,usr/share/terminfo,tmp} "$data/herd"
chmod 1777 "$root/tmp"
strip -o "$root/usr/bin/herd" "$executable"

# The loader keeps its path, which the executable names; libraries go where LD_LIBRARY_PATH of the image looks.
missing=$(ldd "$executable" | awk '/not found/ { print $1 }')
[ -z "$missing" ] || fail "libraries that $executable needs are missing here: $missing"
ldd "$executable" | awk '$2 == "=>" { print $3 }' | while read -r library; do
  cp -L "$library" "$root/usr/lib/herd/"
done
loader=$(ldd "$executable" | awk '$1 ~ /^\/.*\/ld-linux/ { print $1 }')
[ -n "$loader" ] || fail "$executable names no loader"
mkdir -p "$root$(dirname "$loader")"
cp -L "$loader" "$root$loader"
strip --strip-unneeded "$root"/usr/lib/herd/*

for component in agent origin tracker build-index proxy testfs; do
  ln -s herd "$root/usr/bin/kraken-$component"
done
for terminal in dumb linux screen-256color tmux-256color vt100 xterm xterm-256color; do
  for place in /etc/terminfo /lib/terminfo /usr/share/terminfo; do
    description=$place/${terminal:0:1}/$terminal
    [ -r "$description" ] || continue
    mkdir -p "$root/usr/share/terminfo/${terminal:0:1}"
    cp -L "$description" "$root/usr/share/terminfo/${terminal:0:1}/"
    break
  done
done
cp -L "$authorities" "$root/etc/ssl/certs/"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
printf '%s\n' 'root:x:0:0:root:/:/sbin/nologin' 'herd:x:10001:10001:Herd:/var/lib/herd:/sbin/nologin' > "$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'herd:x:10001:' > "$root/etc/group"
