#!/bin/bash
# linux-media.sh GLASSBOX: Linux writes and reads a floppy through its controller, reads a CD-ROM with and without DMA, and
# counts time, on a machine with a Pentium III.
. "$(dirname "$0")/linux.sh"
need xorriso xorriso mcopy mtools
mkdir "$work/iso"
# Bytes that nothing repeats, the same on every host.
seq 1 400000 | gzip -1 >"$work/iso/numbers.gz"
cp "$kernel" "$work/iso/vmlinuz"
mformat -C -f 1440 -i "$work/iso/empty" ::
(cd "$work/iso" && sha256sum numbers.gz vmlinuz >sums)
xorriso -as mkisofs -quiet -R -J -o "$work/media.iso" "$work/iso" 2>"$work/xorriso.log"
truncate -s 1440K "$work/floppy.img"
linux_job <<'J'
mkdir /cd && mount -t iso9660 /dev/sr0 /cd && (cd /cd && sha256sum -c sums) && echo "@@cdrom good"
seq 1 250000 | head -c 1474560 >/tmp/image
dd if=/tmp/image of=/dev/fd0 bs=18k 2>/dev/null && sync && echo 3 >/proc/sys/vm/drop_caches
cmp /tmp/image /dev/fd0 && echo "@@floppy good"
dd if=/cd/empty of=/dev/fd0 bs=18k 2>/dev/null && mount -t vfat /dev/fd0 /mnt && seq 1 20000 >/mnt/numbers.txt && umount /mnt && echo "@@vfat good"
a=$(cut -d. -f1 /proc/uptime); sleep 3; b=$(cut -d. -f1 /proc/uptime); echo "@@slept $((b - a))"
grep -m 1 'model name' /proc/cpuinfo; date; cat /proc/interrupts
dmesg | grep -iE 'warn|error|bug|fail|unable|unexpected|spurious' 
J
for dma in 1 0; do
  machine 240 --cpu pentium3 --memory 256M --cdrom "$work/media.iso" --floppy "$work/floppy.img" --kernel "$kernel" \
    --initrd "$job_initrd" --append "$linux_append libata.dma=$dma" <<S
wait-serial "@@end" 600s
wait-power-off 30s
S
  for part in "cdrom good" "floppy good" "vfat good"; do serial_has "@@$part"; done
  grep -aqE '@@slept [34]' "$work/serial" || fail "three seconds took others: $(grep -a '@@slept' "$work/serial")"
  seq 1 20000 >"$work/expected"
  mcopy -n -i "$work/floppy.img" ::numbers.txt "$work/numbers.txt"
  cmp "$work/expected" "$work/numbers.txt" || fail "the file on the floppy is not what Linux wrote"
  rm "$work/numbers.txt"
done
echo "the CD-ROM and the floppy are good"
