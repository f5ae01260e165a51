#!/bin/bash
# linux-disk.sh GLASSBOX dma|pio raw|qcow2|large: Linux makes an ext4 file system on the IDE disk and fills it, a second boot
# compares every checksum, and the host's e2fsck finds it clean. `large` is a sparse disk of 200 GB whose second half,
# beyond the reach of LBA28, holds the file system.
. "$(dirname "$0")/linux.sh"
mode=$1 format=$2
need e2fsck e2fsprogs

size=96M device=/dev/sda image=$work/disk.img offset=0
case $format in
  qcow2)
    need qemu-img qemu-utils
    image=$work/disk.qcow2
    qemu-img create -q -f qcow2 "$image" $size ;;
  large)
    need dd coreutils
    truncate -s 200G "$image"
    # A partition that begins 100 sectors before sector 2^28 and ends beyond it.
    offset=$(((0x10000000 - 100) * 512))
    # Its entry in the partition table: type 83h, first sector 0FFFFF9Ch, 30000h sectors; and the signature.
    printf '\0\0\0\0\x83\0\0\0\x9c\xff\xff\x0f\0\0\x03\0' | dd of="$image" bs=1 seek=446 conv=notrunc status=none
    printf '\x55\xaa' | dd of="$image" bs=1 seek=510 conv=notrunc status=none
    device=/dev/sda1 ;;
  *) truncate -s $size "$image" ;;
esac
append=$linux_append
[ "$mode" = pio ] && append="$append libata.dma=0"

linux_job <<J
dmesg | grep -E 'ata[0-9.]*:|sd [0-9].*blocks'
echo "@@transfer \$(cat /sys/class/ata_device/dev1.0/xfer_mode)"
mkfs.ext4 -q -F $device && mount -t ext4 $device /mnt || { echo "@@failed mkfs"; poweroff -f; }
mkdir /mnt/many /mnt/large
for i in \$(seq 1 150); do seq 1 \$((i * 20)) >/mnt/many/\$i; done
for i in 1 2 3 4 5 6; do { echo \$i; cat /bin/busybox /proc/kallsyms; } >/mnt/large/\$i; done
dd if=/dev/zero of=/mnt/large/holes bs=1k seek=20000 count=3 2>/dev/null
rm /mnt/many/*7; mv /mnt/large/3 /mnt/many/renamed; ln -s many/1 /mnt/link
cd /mnt; find . -type f ! -name sums | xargs sha256sum >sums; cd /
echo "@@sums \$(sha256sum </mnt/sums) \$(wc -l </mnt/sums)"
sync; umount /mnt
sync
J
start=$(date +%s)
machine 240 --disk "$image" --kernel "$kernel" --initrd "$job_initrd" --append "$append" <<S
wait-serial "@@end" 600s
wait-power-off 30s
S
serial_has "@@sums"
case $mode in
  dma) serial_has "@@transfer XFER_MW_DMA_2" ;;
  pio) serial_has "@@transfer XFER_PIO_4" ;;
esac
sums=$(grep -a '@@sums' "$work/serial" | tr -d '\r')
echo "written in $(($(date +%s) - start)) s: $sums"

linux_job <<J
mount -t ext4 $device /mnt || { echo "@@failed mount"; poweroff -f; }
cd /mnt; sha256sum -c sums | grep -v ': OK'
echo "@@sums \$(sha256sum <sums) \$(wc -l <sums)"
[ "\$(sha256sum -c sums | grep -c ': OK')" = "\$(wc -l <sums)" ] && echo "@@same"
cd /; umount /mnt
sync
J
machine 240 --disk "$image" --kernel "$kernel" --initrd "$job_initrd" --append "$append" <<S
wait-serial "@@end" 600s
wait-power-off 30s
S
serial_has "@@same"
serial_has "$sums"
! grep -aE 'ata[0-9.]+:.*(exception|failed|error)|I/O error' "$work/serial" || fail "the driver saw errors"

raw=$image
[ "$format" = qcow2 ] && raw=$work/raw.img && qemu-img check -q "$image" && qemu-img convert -O raw "$image" "$raw"
if [ $offset -ne 0 ]; then
  dd if="$image" of="$work/partition" bs=1M iflag=skip_bytes skip=$offset count=96 status=none
  raw=$work/partition
fi
e2fsck -fn "$raw" >"$work/fsck" 2>&1 || { cat "$work/fsck"; fail "e2fsck found errors"; }
echo "read back and clean after $(($(date +%s) - start)) s"
