#!/bin/bash
# multiboot.sh GLASSBOX GUESTS 1|2 kernel|grub: the 64-bit kernel of guests/multiboot with two modules and 5 GiB of memory, by
# --kernel or by GRUB from a CD, for each version of the specification. What it reports is the same either way.
. "$(dirname "$0")/lib.sh"
need awk mawk od coreutils
guests=$1 version=$2 way=$3
kernel=$guests/multiboot${version}_kernel.elf
[ -e "$kernel" ] || skip "no $kernel: build the target multiboot_kernels"
seq 1 4000 >"$work/one.mod"
head -c 12288 "$kernel" >"$work/two.mod"

if [ "$way" = kernel ]; then
  medium=(--kernel "$kernel" --initrd "$work/one.mod first module,$work/two.mod 2" --append "wait here")
else
  need xorriso xorriso
  package amd64 grub-pc-bin grub-common libdevmapper1.02.1 libselinux1
  mkimage=$(command -v grub-mkimage || echo "$tree/usr/bin/grub-mkimage")
  export LD_LIBRARY_PATH=$tree/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu
  "$mkimage" --version >/dev/null 2>&1 || skip "grub-mkimage does not run here (apt-get install grub-common)"
  suffix=
  [ "$version" = 2 ] && suffix=2
  cat >"$work/grub.cfg" <<G
multiboot$suffix /kernel wait here
module$suffix /one.mod first module
module$suffix /two.mod 2
boot
G
  mkdir "$work/iso"
  "$mkimage" -d "$tree/usr/lib/grub/i386-pc" -O i386-pc-eltorito -p '(cd)/' -c "$work/grub.cfg" -o "$work/iso/boot.img" \
    biosdisk iso9660 multiboot multiboot2 vbe video all_video normal boot
  unset LD_LIBRARY_PATH
  cp "$kernel" "$work/iso/kernel"
  cp "$work"/*.mod "$work/iso/"
  xorriso -as mkisofs -quiet -R -o "$work/grub.iso" -b boot.img -no-emul-boot -boot-load-size 4 -boot-info-table "$work/iso"
  medium=(--cdrom "$work/grub.iso" --boot cdrom)
fi
machine 100 --memory 5G "${medium[@]}" <<S
wait-serial "multiboot kernel done" 60s
screenshot $work/screen.png
power-off
S
sum() { awk 'BEGIN { for (i = 0; i < 256; i++) code[sprintf("%02x", i)] = i } { for (i = 1; i <= NF; i++) s = (s * 31 + code[$i]) % 4294967296 } END { printf "%.0f", s }' \
  < <(od -An -v -tx1 "$1"); }
cat "$work/serial"
for expected in "multiboot $version in long mode" "bytes 'first module' sum $(sum "$work/one.mod") aligned" \
  "module 12288 bytes '2' sum $(sum "$work/two.mod") aligned" "wait here" "MiB below 4 GiB, 2048 MiB above" "highest memory good" \
  "framebuffer 800x600x32 kind 1" "symbols good"; do
  # Version 1 by --kernel has the file's name before the arguments, as QEMU has it.
  [ "$version$way" = 1kernel ] && expected=${expected/first module/$work/one.mod first module} && expected=${expected/\'2\'/\'$work/two.mod 2\'}
  serial_has "$expected"
done
[ "$version" = 1 ] || serial_has "rsdp good"
! grep -a BAD "$work/serial" || fail "something that the loader said is wrong"
if command -v python3 >/dev/null; then
  read -r size colours rest < <(python3 "$tests/png.py" "$work/screen.png")
  [ "$size" = 800x600 ] && [ "$colours" -gt 10000 ] || fail "the kernel drew $size with $colours colours"
fi
