#!/bin/bash
# memtest.sh GLASSBOX cdrom|kernel start|pass [ia32|x64 [PROCESSORS]]: memtest86+ tests 64 MB, all processors at once; `pass` waits
# for a whole pass without errors.
. "$(dirname "$0")/lib.sh"
package amd64 memtest86+
image=$tree/boot/memtest86+${3:-ia32}.bin processors=${4:-1}
case $1 in
  kernel) medium=(--kernel "$image") ;;
  cdrom)
    need xorriso xorriso
    package amd64 isolinux syslinux-common
    mkdir "$work/iso"
    cp "$image" "$work/iso/memtest"
    cp "$tree/usr/lib/ISOLINUX/isolinux.bin" "$tree/usr/lib/syslinux/modules/bios/ldlinux.c32" "$work/iso/"
    printf 'DEFAULT m\nPROMPT 0\nLABEL m\n  KERNEL /memtest\n' >"$work/iso/isolinux.cfg"
    xorriso -as mkisofs -quiet -o "$work/memtest.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 \
      -boot-info-table "$work/iso"
    medium=(--cdrom "$work/memtest.iso" --boot cdrom) ;;
  *) fail "there is no way '$1' to start memtest86+" ;;
esac
if [ "$2" = start ]; then
  machine 100 --memory 64M "${medium[@]}" <<S
wait-screen "Memtest86+" 30s
wait-screen "Test #3" 30s
wait-screen "Errors: 0" 5s
power-off
S
  exit
fi
machine 3000 --memory 64M --smp "$processors" "${medium[@]}" <<S
wait-screen "Pass:  1" 3000s
wait-screen "Errors: 0" 5s
screen
power-off
S
cat "$work/out"
[ "$processors" = 1 ] || grep -q "SMP: ${processors}T (PAR)" "$work/out" || fail "memtest86+ did not use $processors processors"
