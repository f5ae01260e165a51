#!/bin/bash
# rescue.sh GLASSBOX floppy|cdrom: GRUB's rescue disk of Debian's package grub-rescue-pc: its menu, its prompt, a few commands
# and a picture in a VBE mode. Loaders wait in loops, so the guest's clock runs fast (--ips).
. "$(dirname "$0")/lib.sh"
package amd64 grub-rescue-pc
images=$tree/usr/lib/grub-rescue
case $1 in
  floppy) cp "$images/grub-rescue-floppy.img" "$work/floppy.img"; medium=(--floppy "$work/floppy.img" --boot floppy) device=fd0 ;;
  cdrom) medium=(--cdrom "$images/grub-rescue-cdrom.iso" --boot cdrom) device=cd ;;
esac
machine 240 --memory 64M --ips 50M "${medium[@]}" <<S
wait-screen "GNU GRUB" 60s
wait-screen "executed automatically" 20s
key c
wait-screen "grub>" 60s
type "ls\n"
wait-screen "($device" 20s
sleep 6s
type "insmod hello\nhello\n"
wait-screen "Hello World" 60s
type "clear\nlspci\n"
wait-screen "8086:1237" 60s
type "clear\nlsmmap\n"
wait-screen "length" 60s
screen
type "clear\ninsmod vbe\n"
sleep 5s
type "set gfxmode=800x600x32\n"
sleep 1s
type "terminal_output gfxterm\n"
sleep 8s
screenshot ${GLASSBOX_SHOTS:-$work}/grub-$1.png
type "halt\n"
wait-power-off 20s
S
cat "$work/out"
if command -v python3 >/dev/null; then
  read -r size colours rest < <(python3 "$tests/png.py" "${GLASSBOX_SHOTS:-$work}/grub-$1.png")
  [ "$size" = 800x600 ] && [ "$colours" -ge 2 ] || fail "gfxterm shows $size with $colours colours"
fi
