#!/bin/bash
# Builds a bootable CD image with Debian's i386 kernel and static busybox, whose /init is the file next to this script.
# usage: make-iso.sh OUT.iso [--bench PROGRAM] [kernel arguments...]
#   --bench PROGRAM   a static i386 program that runs instead of the shell (bench/workloads.c)
# The packages are fetched once and kept in $GLASSBOX_CACHE (default ~/.cache/glassbox). Needs apt-get, dpkg-deb, cpio,
# gzip, xorriso and the packages isolinux and syslinux-common. An image that is newer than everything it is made of is kept.
set -euo pipefail

here=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
say() { echo "glassbox: $*" >&2; }
die() { say "$*"; exit 1; }
[ $# -ge 1 ] || die "usage: make-iso.sh OUT.iso [--bench PROGRAM] [kernel arguments...]"
out=$(realpath -m "$1")
shift
bench=""
if [ "${1:-}" = --bench ]; then
  bench=$(realpath "$2")
  shift 2
fi
extra="$*"

cache=$(realpath -m "${GLASSBOX_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/glassbox}")/linux
mkdir -p "$cache" "$(dirname "$out")" || die "cannot write $cache"
exec 9>"$cache/lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in apt-get apt-cache dpkg-deb cpio gzip xorriso; do
  command -v $tool >/dev/null || die "$tool is missing"
done
isolinux=/usr/lib/ISOLINUX/isolinux.bin ldlinux=/usr/lib/syslinux/modules/bios/ldlinux.c32
for file in $isolinux $ldlinux; do
  [ -e $file ] || die "$file is missing: apt-get install isolinux syslinux-common"
done

# The i386 packages come from lists of their own, so that the host's dpkg and apt stay as they are.
fetch() {
  local state=$cache/apt real
  say "fetching Debian's i386 kernel and busybox"
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  local apt=(-q -o APT::Architecture=i386 -o APT::Architectures=i386 -o "Dir::State::Lists=$state/lists"
    -o Dir::State::status=/dev/null -o "Dir::Cache=$state" -o APT::Sandbox::User=root)
  # Sources of the host that have no i386 make `update` fail: what counts is whether the packages are there.
  apt-get "${apt[@]}" update >"$work/log" 2>&1 || true
  real=$(apt-cache "${apt[@]}" depends linux-image-686 2>>"$work/log" | awk '/Depends: linux-image/ {print $2; exit}')
  [ -n "$real" ] || { cat "$work/log" >&2; die "Debian's package linux-image-686 cannot be found"; }
  mkdir "$work/deb" "$work/tree"
  (cd "$work/deb" && apt-get "${apt[@]}" download "$real" busybox-static) >>"$work/log" 2>&1 ||
    { cat "$work/log" >&2; die "Debian's packages $real and busybox-static cannot be fetched"; }
  for package in "$work"/deb/*.deb; do dpkg-deb -x "$package" "$work/tree"; done
  rm -rf "$cache/tree" && mv "$work/tree" "$cache/tree"
}
[ -d "$cache/tree" ] || fetch

kernel=$(find "$cache/tree" -path '*/boot/vmlinuz-*' | sort -V | tail -n 1)
busybox=$(find "$cache/tree" -path '*/bin/busybox' | sort | tail -n 1)
[ -n "$kernel" ] && [ -n "$busybox" ] || die "$cache/tree is incomplete: remove it and start again"

made_of="$extra|$(sha256sum <"${bench:-/dev/null}")|$(cat "$here/init" "$here/make-iso.sh" | sha256sum)|$kernel"
if [ -e "$out" ] && [ "$(cat "$out.made-of" 2>/dev/null)" = "$made_of" ]; then
  exit 0
fi
say "making $out"

# module NAME: prints the module's file, after those that it depends on, each once.
modules=$(find "$cache/tree" -path '*/lib/modules/*-686' -prune | sort | tail -n 1)
loaded=" "
module() {
  local file needed
  case $loaded in *" $1 "*) return ;; esac
  loaded="$loaded$1 "
  file=$(find "$modules" -name "${1//_/[-_]}.ko" | sort | tail -n 1)
  [ -n "$file" ] || return 0 # built into the kernel
  for needed in $(grep -aoz 'depends=[^[:cntrl:]]*' "$file" | tr -d '\0' | sed 's/^depends=//' | tr ',-' ' _'); do
    module "$needed"
  done
  echo "$file"
}

root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,mnt} "$work/iso/isolinux"
cp "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
install -m 755 "$here/init" "$root/init"
if [ -n "$bench" ]; then
  install -m 755 "$bench" "$root/bin/workloads"
  extra="run=bench $extra"
else
  mkdir "$root/modules"
  for name in ata_piix sd_mod sr_mod isofs ext4 crc32c_generic vfat nls_cp437 nls_ascii; do module "$name"; done >"$work/modules"
  while read -r file; do
    cp "$file" "$root/modules/"
    echo "insmod /modules/${file##*/}" >>"$root/modules/load"
  done <"$work/modules"
fi
(cd "$root" && find . | sort | cpio -o -H newc 2>/dev/null | gzip -1n) >"$work/iso/initrd"

cp "$kernel" "$work/iso/vmlinuz"
cp $isolinux $ldlinux "$work/iso/isolinux/"
# The last console is /dev/console: messages of the kernel are on both.
console="console=ttyS0"
[ -z "$bench" ] && console="console=ttyS0 console=tty0"
cat >"$work/iso/isolinux/isolinux.cfg" <<C
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
  KERNEL /vmlinuz
  APPEND initrd=/initrd $console mitigations=off nokaslr quiet loglevel=3 $extra
C
xorriso -as mkisofs -quiet -o "$work/out.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
  -boot-load-size 4 -boot-info-table "$work/iso" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "xorriso failed"; }
mv "$work/out.iso" "$out"
echo "$made_of" >"$out.made-of"
