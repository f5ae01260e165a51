#!/bin/bash
# installer.sh GLASSBOX i386|amd64: a CD of Debian's network installer (package debian-installer-12-netboot-*), its graphical boot
# menu, and with the default choice the installer's first question, in text mode, and by default in the 1024 x 768 pixels that Linux's driver of the display (bochs) sets.
. "$(dirname "$0")/lib.sh"
need xorriso xorriso python3 python3
# The picture with the question has 5 colours, a console that only shows text has 2.
arch=$1
# With less the 64-bit installer says first that it is short of memory.
memory=512M
[ "$arch" = amd64 ] && memory=1G
package amd64 debian-installer-12-netboot-$arch isolinux
shots=${GLASSBOX_SHOTS:-$work}
mkdir "$work/iso"
cp -rL "$tree/usr/lib/debian-installer/images/12/$arch/text/debian-installer" "$work/iso/"
cp "$tree/usr/lib/ISOLINUX/isolinux.bin" "$work/iso/"
files=$work/iso/debian-installer/$arch
cp "$files"/boot-screens/*.c32 "$work/iso/"
cp "$files/boot-screens/syslinux.cfg" "$work/iso/isolinux.cfg"
xorriso -as mkisofs -quiet -J -R -o "$work/installer.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 \
  -boot-info-table "$work/iso"

colours() { python3 "$tests/png.py" "$1" | cut -d ' ' -f 1,2 | tr x ' '; }

machine 900 --memory $memory --ips 200M --cdrom "$work/installer.iso" --boot cdrom <<S
sleep 8s
screenshot $shots/menu.png
key tab
sleep 1s
type " vga=normal modprobe.blacklist=bochs\n"
wait-screen "Select a language" 400s
wait-screen "English" 5s
screen
screenshot $shots/text.png
power-off
S
cat "$work/out"
read -r width height count < <(colours "$shots/menu.png")
echo "the boot menu: $width x $height, $count colours"
[ "$width" = 640 ] && [ "$height" = 480 ] && [ "$count" -gt 100 ] || fail "this is not the boot menu's picture"

machine 900 --memory $memory --ips 200M --cdrom "$work/installer.iso" --boot cdrom <<S
sleep 8s
key enter
sleep 150s
screenshot $shots/driver.png
power-off
S
read -r width height count < <(colours "$shots/driver.png")
echo "the installer on Linux's own driver of the display: $width x $height, $count colours"
[ "$width" = 1024 ] && [ "$height" = 768 ] && [ "$count" -ge 4 ] || fail "this is not the installer's first question"
