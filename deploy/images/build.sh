#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh TOOL PREFIX TAG EXECUTABLE ROOT: builds PREFIX:TAG with all components and PREFIX-agent:TAG … with each, by TOOL, which
# is buildah, podman or docker, from EXECUTABLE and what ROOT gets laid out. No registry is asked for anything.
set -euo pipefail
tool=$1 prefix=$2 tag=$3 executable=$4 root=$5
here=$(dirname "$0")

case $tool in
  buildah | podman | docker) ;;
  "") echo "build.sh: install buildah, podman or docker" >&2; exit 1 ;;
  *) echo "build.sh: $tool builds no images; use buildah, podman or docker" >&2; exit 1 ;;
esac
"$here/bundle.sh" "$executable" "$root"
for target in herd agent origin tracker build-index proxy testfs; do
  name=$prefix
  [ "$target" = herd ] || name=$prefix-$target
  "$tool" build --quiet --target "$target" --build-arg "VERSION=$tag" --tag "$name:$tag" --file "$here/Dockerfile" "$root" > /dev/null
  echo "$name:$tag"
done
