# A small Linux: Debian's i386 kernel with busybox and the modules for IDE disks, CD-ROMs, floppies, ext4 and ISO 9660.
# Sets $kernel and $initrd. /init runs the file `job` of the second initrd (linux_job) or a shell on COM1.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

linux_modules="ata_piix ata_generic sd_mod sr_mod ext4 crc32c_generic isofs floppy vfat nls_cp437 nls_ascii"

# linux_module FOLDER NAME: the module's file, after those that it depends on.
linux_module() {
  local file needed
  case " $linux_loaded " in *" $2 "*) return ;; esac
  linux_loaded="$linux_loaded $2"
  file=$(find "$1" -name "${2//_/[-_]}.ko" | head -n 1)
  [ -n "$file" ] || return 0 # built into the kernel
  for needed in $(grep -aoz 'depends=[^[:cntrl:]]*' "$file" | tr -d '\0' | sed 's/^depends=//' | tr ',-' ' _'); do
    linux_module "$1" "$needed"
  done
  echo "$file"
}

linux_build() {
  local folder=$1 modules file name root=$work/root linux_loaded=""
  modules=$(find "$tree" -path '*/lib/modules/*-686' -prune | head -n 1)
  [ -n "$modules" ] || skip "no modules in linux-image-686"
  mkdir -p "$root"/{bin,proc,sys,dev,tmp,mnt,modules}
  cp "$(find "$tree/bin" "$tree/usr/bin" -name busybox 2>/dev/null | head -n 1)" "$root/bin/"
  ln -s busybox "$root/bin/sh"
  for name in $linux_modules; do linux_module "$modules" "$name"; done >"$work/modules"
  while read -r file; do
    cp "$file" "$root/modules/"
    name=${file##*/}
    echo "insmod /modules/$name $([ "$name" = libata.ko ] && echo '$libata')" >>"$root/modules/load"
  done <"$work/modules"
  # mke2fs of e2fsprogs, because busybox makes only ext2.
  mkdir "$root/lib"
  cp "$(find "$tree/sbin" "$tree/usr/sbin" -name mke2fs 2>/dev/null | head -n 1)" "$root/bin/mkfs.ext4"
  for name in ld-linux libc libext2fs libcom_err libblkid libuuid libe2p; do
    find "$tree/lib" "$tree/usr/lib" -name "$name.so.*" -exec cp -L {} "$root/lib/" \; 2>/dev/null
  done
  cp "$tests/linux-init" "$root/init"
  chmod +x "$root/init"
  (cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$folder/initrd.new"
  mv "$folder/initrd.new" "$folder/initrd"
}

package i386 linux-image-686 busybox-static e2fsprogs libc6 libext2fs2 libcom-err2 libblkid1 libuuid1
need cpio cpio gzip gzip awk mawk
kernel=$(find "$tree/boot" -name "vmlinuz-*-686" | sort -V | tail -n 1)
initrd=$cache/linux-initrd-$(cat "$tests/linux.sh" "$tests/linux-init" "$tree/.have/linux-image-686" | sha256sum | cut -c 1-12)/initrd
if [ ! -e "$initrd" ]; then
  mkdir -p "$(dirname "$initrd")"
  linux_build "$(dirname "$initrd")"
fi

# linux_job: sets $job_initrd to the initrd with the shell commands of standard input, run as /job in the guest.
linux_job() {
  mkdir -p "$work/job"
  cat >"$work/job/job"
  { cat "$initrd"; (cd "$work/job" && echo job | cpio -o -H newc 2>/dev/null | gzip -1); } >"$work/initrd"
  job_initrd=$work/initrd
}

linux_append="console=ttyS0 mitigations=off nokaslr loglevel=4"
