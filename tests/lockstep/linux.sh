#!/bin/bash
# linux.sh GLASSBOX: Linux from a CD-ROM through ISOLINUX to its job and power-off, with every shortcut of the
# engine against none of them.
. "$(dirname "$0")/../boot/linux.sh"
need xorriso xorriso
package amd64 isolinux syslinux-common
linux_job <<'J'
echo "@@arrived $(uname -m)"
i=0
while [ $i -lt 50 ]; do echo $i >/tmp/$i; i=$((i + 1)); done
cat /tmp/* | sort -n | tail -n 1
J
mkdir -p "$work/iso/isolinux"
cp "$kernel" "$work/iso/vmlinuz"
cp "$job_initrd" "$work/iso/initrd"
cp "$tree/usr/lib/ISOLINUX/isolinux.bin" "$tree/usr/lib/syslinux/modules/bios/ldlinux.c32" "$work/iso/isolinux/"
printf 'DEFAULT l\nPROMPT 0\nTIMEOUT 1\nLABEL l\n  KERNEL /vmlinuz\n  APPEND initrd=/initrd %s\n' "$linux_append" \
  >"$work/iso/isolinux/isolinux.cfg"
xorriso -as mkisofs -quiet -o "$work/linux.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
  -boot-load-size 4 -boot-info-table "$work/iso"
machine 3400 --memory 256M --cdrom "$work/linux.iso" --boot cdrom --lockstep no-cache,no-chain,no-fuse <<'S'
wait-serial "@@end" 300s
wait-power-off 30s
S
serial_has "@@arrived i686"
grep -a lockstep "$work/out"
