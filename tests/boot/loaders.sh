#!/bin/bash
# loaders.sh GLASSBOX hdt|ipxe: SYSLINUX's menu on a 2.88M floppy with the hardware detection tool, and iPXE without a network.
. "$(dirname "$0")/lib.sh"
case $1 in
  hdt)
    need mformat mtools mcopy mtools
    package amd64 syslinux syslinux-common
    modules=$tree/usr/lib/syslinux/modules/bios
    mformat -C -f 2880 -i "$work/floppy.img" ::
    "$(command -v syslinux || echo "$tree/usr/bin/syslinux")" -i "$work/floppy.img" >"$work/syslinux.log" 2>&1 ||
      skip "syslinux does not run here: $(cat "$work/syslinux.log")"
    for module in hdt menu libcom32 libutil libmenu libgpl; do mcopy -i "$work/floppy.img" "$modules/$module.c32" ::; done
    printf 'UI menu.c32\nMENU TITLE Boot tests\nLABEL other\n  LOCALBOOT 0\nLABEL hdt\n  COM32 hdt.c32\n  APPEND auto="show summary"\n' \
      >"$work/syslinux.cfg"
    mcopy -i "$work/floppy.img" "$work/syslinux.cfg" ::
    machine 120 --memory 64M --ips 50M --floppy "$work/floppy.img" --boot floppy <<S
wait-screen "Boot tests" 30s
sleep 1s
key down
sleep 1s
key enter
wait-screen "hdt>" 60s
wait-screen "PC (i440FX + PIIX3)" 1s
wait-screen "Memory Size   : 64 MB" 1s
wait-screen "NB Devices   : 5" 1s
power-off
S
    ;;
  ipxe)
    package amd64 ipxe
    machine 120 --memory 64M --ips 50M --kernel "$tree/boot/ipxe.lkrn" <<S
wait-screen "Open Source Network Boot Firmware" 60s
wait-screen "No more network devices" 60s
power-off
S
    ;;
  *) fail "there is no loader '$1' here" ;;
esac
