#!/usr/bin/env bash
# Fetches SwiftShader, a Vulkan driver that computes on the CPU, out of Debian's Chromium: 6 MB, nothing is
# installed. Tests of the GPU backend find it by EDGECNN_TEST_SWIFTSHADER=FOLDER.
#
#     tests/gpu/get_swiftshader.sh FOLDER
set -euo pipefail
folder=$1
files=(libvk_swiftshader.so libvulkan.so.1 vk_swiftshader_icd.json)
mkdir -p "$folder"
for file in "${files[@]}"; do
    [ -e "$folder/$file" ] || missing=1
done
[ -n "${missing:-}" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download -qq chromium-common 2>/dev/null)
dpkg-deb -x "$work"/chromium-common_*.deb "$work/content"
for file in "${files[@]}"; do
    cp "$work/content/usr/lib/chromium/$file" "$folder/"
done
