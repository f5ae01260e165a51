#!/bin/bash
# linux64-direct.sh GLASSBOX bzimage|vmlinux|large CPU: Debian's amd64 kernel by --kernel with 6 GiB of memory: as bzImage, as the ELF
# file inside it by its PVH entry, and as bzImage with an initial RAM disk of 700 MiB.
. "$(dirname "$0")/lib.sh"
form=$1 cpu=$2
need cpio cpio gzip gzip
package amd64 linux-image-amd64 busybox-static
kernel=$(find "$tree/boot" -name "vmlinuz-*-amd64" | sort -V | tail -n 1)
mkdir -p "$work/root"/{bin,proc,sys,dev,tmp}
cp "$(find "$tree/bin" "$tree/usr/bin" -name busybox 2>/dev/null | head -n 1)" "$work/root/bin/busybox"
ln -s busybox "$work/root/bin/sh"
cat >"$work/root/init" <<'I'
#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1 </dev/ttyS0
echo "@@arrived $(uname -m) $(sed 's/.*way=//' /proc/cmdline) gib=$(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)."
# Most of the memory that is free, through addresses above 4 GiB.
mount -t tmpfs -o size=90% none /tmp
if [ -e /large ]; then
  echo "@@large $(stat -c %s /large) $(tail -c 1000000 /large | sha256sum)"
else
  dd if=/dev/zero of=/tmp/fill bs=1M count=3500 2>/dev/null && cat /bin/busybox >>/tmp/fill
  echo "@@filled $(tail -c 300000 /tmp/fill | sha256sum)"
fi
poweroff -f
I
chmod +x "$work/root/init"
cp "$kernel" "$work/kernel"
case $form in
  vmlinux)
    need python3 python3
    python3 "$tests/extract-vmlinux.py" "$kernel" "$work/kernel" || skip "Python cannot unpack $kernel" ;;
  large)
    while cat "$kernel" 2>/dev/null; do :; done | head -c $((700 << 20)) >"$work/root/large" || true ;;
esac
(cd "$work/root" && find . | cpio -o -H newc 2>/dev/null) >"$work/initrd"
machine 280 --memory 6G --cpu "$cpu" --kernel "$work/kernel" --initrd "$work/initrd" \
  --append "console=ttyS0 mitigations=off loglevel=4 way=$form" <<S
wait-power-off 300s
S
serial_has "@@arrived x86_64 $form gib=6."
if [ "$form" = large ]; then
  serial_has "@@large $((700 << 20)) $(tail -c 1000000 "$work/root/large" | sha256sum)"
else
  serial_has "@@filled $(tail -c 300000 "$work/root/bin/busybox" | sha256sum)"
fi
grep -a '@@' "$work/serial"
