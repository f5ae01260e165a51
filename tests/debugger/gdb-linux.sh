#!/bin/bash
# gdb-linux.sh GLASSBOX: Debian's gdb from the reset of a machine with Debian's amd64 kernel into 64-bit mode and on to the
# first instruction of its first process, with one connection, and back over the border to level 3.
glassbox_gdb=$(realpath "$1")
. "$(dirname "$0")/../boot/lib.sh"
need gdb gdb cpio cpio gzip gzip
package amd64 linux-image-amd64 busybox-static
kernel=$(find "$tree/boot" -name "vmlinuz-*-amd64" | sort -V | tail -n 1)
mkdir -p "$work/root/bin"
cp "$(find "$tree/bin" "$tree/usr/bin" -name busybox 2>/dev/null | head -n 1)" "$work/root/bin/busybox"
printf '#!/bin/busybox sh\n/bin/busybox poweroff -f\n' >"$work/root/init"
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc 2>/dev/null) >"$work/initrd"

"$glassbox_gdb" debug --gdb 0 --display none --memory 256M --kernel "$kernel" --initrd "$work/initrd" \
  --append "mitigations=off nokaslr loglevel=4" </dev/null >"$work/machine" 2>&1 &
run=$!
trap 'kill $run 2>/dev/null || :; rm -rf "$work"' EXIT
port=
for _ in $(seq 100); do
  port=$(sed -n 's/.*target remote .*:\([0-9]*\)$/\1/p' "$work/machine")
  [ -n "$port" ] && break
  sleep 0.1
done
[ -n "$port" ] || fail "no port: $(cat "$work/machine")"
cat >"$work/commands" <<G
set pagination off
set confirm off
set width 0
target remote :$port
p \$pc
monitor catch mode 64 temporary
continue
x/i \$pc
p \$efer
monitor catch cpl 3 temporary
continue
p \$cpl
p \$cs
p/x \$pc
reverse-stepi
p \$cpl
x/i \$pc
stepi
p \$cpl
kill
G
timeout 500 gdb -nx -batch -x "$work/commands" >"$work/gdb" 2>&1 </dev/null || { cat "$work/gdb"; fail "gdb's status is $?"; }
cat "$work/gdb"
at=1
for text in '^\$1 = .*0xfffffff0' 'from protected 32-bit to 64-bit mode' '^\$2 = \[.*LMA' 'CPL was 0, is 3' '^\$3 = 3' '^\$4 = 51' '^\$5 = 0x' '^\$6 = 0' \
  'iretq\|sysret' '^\$7 = 3' 'killed'; do
  found=$(tail -n "+$at" "$work/gdb" | grep -n -m1 -- "$text" | cut -d: -f1)
  [ -n "$found" ] || fail "no '$text' from line $at on"
  at=$((at + found))
done
grep -q "Remote [^t]\|Error" "$work/gdb" && fail "an error"
exit 0
