#!/bin/bash
# linux-boot.sh GLASSBOX kernel|grub|isolinux|syslinux-disk: the same Linux through each way into it: --kernel, GRUB on a hard
# disk, ISOLINUX, and a SYSLINUX floppy whose loader reads the hard disk's boot sector and goes on there.
. "$(dirname "$0")/linux.sh"
need dd coreutils
way=$1
linux_job <<'J'
echo "@@arrived $(uname -m) $(sed 's/.*way=//' /proc/cmdline)"
J

# A FAT partition from sector 2048 with GRUB's core image between the master boot record and it.
grub_disk() {
  need mformat mtools mcopy mtools
  package amd64 grub-pc-bin grub-common libdevmapper1.02.1 libselinux1
  local mkimage pc=$tree/usr/lib/grub/i386-pc
  mkimage=$(command -v grub-mkimage || echo "$tree/usr/bin/grub-mkimage")
  LD_LIBRARY_PATH=$tree/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu "$mkimage" --version >/dev/null 2>&1 ||
    skip "grub-mkimage does not run here (apt-get install grub-common)"
  cat >"$work/grub.cfg" <<G
serial --unit=0 --speed=115200
set root=(hd0,msdos1)
echo "GRUB loads Linux"
linux /vmlinuz $linux_append way=grub
initrd /initrd
boot
G
  LD_LIBRARY_PATH=$tree/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu "$mkimage" -d "$pc" -O i386-pc -p '(hd0,msdos1)' \
    -c "$work/grub.cfg" -o "$work/core.img" biosdisk part_msdos fat linux normal echo serial configfile
  truncate -s 48M "$work/disk.img"
  dd if="$pc/boot.img" of="$work/disk.img" bs=440 count=1 conv=notrunc status=none
  dd if="$work/core.img" of="$work/disk.img" bs=512 seek=1 conv=notrunc status=none
  # One active FAT16 partition from sector 2048 and the signature. boot.img looks for the core image at sector 1.
  printf '\x80\0\0\0\x06\0\0\0\0\x08\0\0\0\x70\x01\0' | dd of="$work/disk.img" bs=1 seek=446 conv=notrunc status=none
  printf '\x55\xaa' | dd of="$work/disk.img" bs=1 seek=510 conv=notrunc status=none
  mformat -i "$work/disk.img@@1M" -T $((0x17000)) -h 16 -s 63 ::
  mcopy -i "$work/disk.img@@1M" "$kernel" ::vmlinuz
  mcopy -i "$work/disk.img@@1M" "$job_initrd" ::initrd
}

# syslinux_floppy KIB
syslinux_floppy() {
  need mformat mtools mcopy mtools
  package amd64 syslinux syslinux-common
  local syslinux
  syslinux=$(command -v syslinux || echo "$tree/usr/bin/syslinux")
  mformat -C -f "$1" -i "$work/floppy.img" ::
  "$syslinux" -i "$work/floppy.img" >"$work/syslinux.log" 2>&1 || skip "syslinux does not run here: $(cat "$work/syslinux.log")"
}

memory=256M
case $way in
  kernel) medium=(--kernel "$kernel" --initrd "$job_initrd" --append "$linux_append way=kernel") ;;
  grub)
    grub_disk
    medium=(--disk "$work/disk.img") ;;
  isolinux)
    need xorriso xorriso
    package amd64 isolinux syslinux-common
    mkdir -p "$work/iso/isolinux"
    cp "$kernel" "$work/iso/vmlinuz"
    cp "$job_initrd" "$work/iso/initrd"
    cp "$tree/usr/lib/ISOLINUX/isolinux.bin" "$tree/usr/lib/syslinux/modules/bios/ldlinux.c32" "$work/iso/isolinux/"
    printf 'DEFAULT l\nPROMPT 0\nTIMEOUT 1\nLABEL l\n  KERNEL /vmlinuz\n  APPEND initrd=/initrd %s\n' \
      "$linux_append way=isolinux" >"$work/iso/isolinux/isolinux.cfg"
    xorriso -as mkisofs -quiet -o "$work/linux.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
      -boot-load-size 4 -boot-info-table "$work/iso"
    medium=(--cdrom "$work/linux.iso" --boot cdrom) ;;
  syslinux-disk)
    grub_disk
    syslinux_floppy 1440
    for module in chain.c32 libcom32.c32 libutil.c32; do
      mcopy -i "$work/floppy.img" "$tree/usr/lib/syslinux/modules/bios/$module" ::
    done
    printf 'SERIAL 0 115200\nDEFAULT disk\nPROMPT 0\nLABEL disk\n  COM32 chain.c32\n  APPEND hd0\n' >"$work/syslinux.cfg"
    mcopy -i "$work/floppy.img" "$work/syslinux.cfg" ::
    medium=(--floppy "$work/floppy.img" --disk "$work/disk.img" --boot floppy)
    way=grub ;;
  *) fail "there is no way '$way' to Linux here" ;;
esac
machine 240 --memory $memory "${medium[@]}" <<S
wait-serial "@@end" 300s
wait-power-off 30s
S
serial_has "@@arrived i686 $way"
echo "Linux came up through $1"
