#!/bin/bash
# debian.sh GLASSBOX kernel|grub CPU PROCESSORS: a Debian root file system (amd64, made by debootstrap, variant minbase, with
# systemd, a kernel, gcc, perl and Python) on an ext4 disk, started by --kernel or by GRUB from the disk, to the login on the
# serial console; then apt, perl, python3 and a program that gcc compiles there.
# The image of 2 GiB is made once, in some minutes and as root, and kept in the cache. GLASSBOX_MIRROR names another mirror.
. "$(dirname "$0")/lib.sh"
way=$1 cpu=$2 processors=$3
release=bookworm
include=systemd-sysv,udev,linux-image-amd64,initramfs-tools,zstd,gcc,libc6-dev,python3-minimal,perl,e2fsprogs,procps,kmod
mirror=${GLASSBOX_MIRROR:-http://deb.debian.org/debian}
made=$cache/debian-$(cat "$0" | sha256sum | cut -c 1-12)

make_image() {
  local root=$made.new/root size=$((2 << 20)) core mkimage pc
  need debootstrap debootstrap mke2fs e2fsprogs dd coreutils openssl openssl
  [ "$(id -u)" = 0 ] || skip "debootstrap needs root"
  package amd64 grub-pc-bin grub-common libdevmapper1.02.1 libselinux1
  pc=$tree/usr/lib/grub/i386-pc
  mkimage=$(command -v grub-mkimage || echo "$tree/usr/bin/grub-mkimage")
  rm -rf "$made.new"
  mkdir -p "$made.new"
  debootstrap --variant=minbase --include=$include $release "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    skip "debootstrap: $(tail -n 1 "$work/debootstrap.log")"
  echo glassbox >"$root/etc/hostname"
  echo "/dev/sda1 / ext4 defaults 0 1" >"$root/etc/fstab"
  sed -i "s|^root:[^:]*:|root:$(openssl passwd -6 glassbox):|" "$root/etc/shadow"
  cat >"$root/root/hello.c" <<'C'
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
int main(int count, char** words) {
    unsigned long sum = 0;
    double root = 0;
    for (unsigned long i = 1; i <= 100000; i++) sum = sum * 31 + i * i, root += sqrt((double)i);
    printf("compiled %lu %.6f %s\n", sum, root, count > 1 ? words[1] : "");
    return count;
}
C
  cp "$(ls "$root"/boot/vmlinuz-* | sort -V | tail -n 1)" "$made.new/vmlinuz"
  cp "$(ls "$root"/boot/initrd.img-* | sort -V | tail -n 1)" "$made.new/initrd"
  cp "$made.new/vmlinuz" "$made.new/initrd" "$root/boot/"
  # One active partition of type 83h from sector 2048; GRUB's core image between the master boot record and it.
  truncate -s $((size * 1024 + (1 << 20))) "$made.new/disk.img"
  mke2fs -q -F -t ext4 -E offset=1048576 -d "$root" "$made.new/disk.img" ${size}k 2>"$work/mke2fs.log" ||
    fail "mke2fs: $(tail -n 1 "$work/mke2fs.log")"
  printf 'serial --unit=0 --speed=115200\nset root=(hd0,msdos1)\nlinux /boot/vmlinuz root=/dev/sda1 ro console=ttyS0\ninitrd /boot/initrd\nboot\n' \
    >"$work/grub.cfg"
  LD_LIBRARY_PATH=$tree/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu "$mkimage" -d "$pc" -O i386-pc -p '(hd0,msdos1)/boot' \
    -c "$work/grub.cfg" -o "$work/core.img" biosdisk part_msdos ext2 linux normal echo serial configfile
  dd if="$pc/boot.img" of="$made.new/disk.img" bs=440 count=1 conv=notrunc status=none
  dd if="$work/core.img" of="$made.new/disk.img" bs=512 seek=1 conv=notrunc status=none
  printf '\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\0\x40\0' | dd of="$made.new/disk.img" bs=1 seek=446 conv=notrunc status=none
  printf '\x55\xaa' | dd of="$made.new/disk.img" bs=1 seek=510 conv=notrunc status=none
  rm -rf "$root"
  mv "$made.new" "$made"
}

exec 8>"$cache/lock-debian"
flock 8
[ -e "$made" ] || make_image
exec 8>&-

case $way in
  kernel) medium=(--kernel "$made/vmlinuz" --initrd "$made/initrd" --append "root=/dev/sda1 ro console=ttyS0") ;;
  grub) medium=(--boot disk) ;;
  *) fail "there is no way '$way' to start Debian here" ;;
esac
start=$(date +%s)
machine 1700 --memory 1G --cpu "$cpu" --smp "$processors" --disk "$made/disk.img,discard-writes" "${medium[@]}" <<'S'
wait-serial "glassbox login: " 900s
send "root\n"
wait-serial "Password: " 60s
send "glassbox\n"
wait-serial "root@glassbox:" 120s
send "bind 'set enable-bracketed-paste off'; stty -echo; PS1=\n"
sleep 2s
send "apt --version; echo apt=$?.\n"
wait-serial "apt=0." 120s
send "apt-get check; echo check=$?.\n"
wait-serial "check=0." 120s
send "perl -e 'printf qq(perl %s %.10f\\n), join(q(,), map { $_ ** 2 } 1 .. 9), atan2(1, 1)'\n"
wait-serial "perl 1,4,9,16,25,36,49,64,81 0.7853981634" 60s
send "python3 -c 'import hashlib, math; print(\"python\", 2 ** 100, math.pi ** math.e, hashlib.sha256(b\"x\" * 10 ** 6).hexdigest())'\n"
wait-serial "python 1267650600228229401496703205376 22.45915771836104 1b977e9f84f1b26b6ed7f68b0498faee2385ea4125bd29adce4a7d9106ba3134" 120s
send "cd /root && gcc -O2 -Wall -o hello hello.c -lm && ./hello there; echo gcc=$?.\n"
wait-serial "gcc=2." 200s
send "echo processors=$(nproc) state=$(systemctl is-system-running --wait) failed=$(systemctl --failed --quiet --no-legend | wc -l).\n"
wait-serial "failed=0." 200s
send "poweroff -f\n"
wait-power-off 200s
S
tr -d '\r' <"$work/serial" | grep -a '^apt \|^perl \|^python \|^compiled \|^processors=' | sed 's/^.*\x1b\[[0-9?]*[a-z]//'
expected=$(gcc -O2 -x c - -o "$work/hello" -lm 2>/dev/null <<'C' && "$work/hello"
#include <math.h>
#include <stdio.h>
int main(void) {
    unsigned long sum = 0;
    double root = 0;
    for (unsigned long i = 1; i <= 100000; i++) sum = sum * 31 + i * i, root += sqrt((double)i);
    printf("compiled %lu %.6f there\n", sum, root);
    return 0;
}
C
) && serial_has "$expected"
serial_has "processors=$processors state=running failed=0."
! grep -aE 'segfault|Oops|BUG:|WARNING:|general protection|traps:|EXT4-fs error|I/O error' "$work/serial" || fail "the guest saw errors"
echo "Debian came up by $way and did its work in $(($(date +%s) - start)) s"
