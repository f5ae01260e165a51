#!/bin/bash
# linux.sh GLASSBOX [PROCESSORS]: a boot of Debian's amd64 kernel to a shell with typed input, recorded; repeated twice; then backwards
# from its end to the first page fault of process 1.
. "$(dirname "$0")/../boot/lib.sh"
processors=${1:-1}
need cpio cpio
package amd64 linux-image-amd64 busybox-static
kernel=$(find "$tree/boot" -name "vmlinuz-*-amd64" | sort -V | tail -n 1)
mkdir -p "$work/root"/{bin,proc,sys,dev}
cp "$(find "$tree/bin" "$tree/usr/bin" -name busybox 2>/dev/null | head -n 1)" "$work/root/bin/busybox"
ln -s busybox "$work/root/bin/sh"
cat >"$work/root/init" <<'I'
#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec setsid cttyhack sh -c 'echo "@@shell of process $$"; exec sh' >/dev/ttyS0 2>&1 </dev/ttyS0
I
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc 2>/dev/null) >"$work/initrd"

machine 120 --smp "$processors" --kernel "$kernel" --initrd "$work/initrd" --append "console=ttyS0 mitigations=off loglevel=4" \
  --record "$work/rec" --state-hash <<'S'
wait-serial "@@shell" 60s
send "echo $((6*7))-typed\n"
wait-serial "42-typed" 20s
send "poweroff -f\n"
wait-power-off 30s
S
serial_has "@@shell of process 1"
hash=$(grep -o 'state-hash: .*' "$work/out") || fail "no hash"
mv "$work/serial" "$work/serial.recorded"

for round in 1 2; do
  timeout 120 "$glassbox" --replay "$work/rec" --display none --serial "file:$work/serial" --state-hash >"$work/out" 2>&1 ||
    fail "replay $round: status $?: $(cat "$work/out")"
  grep -qF "$hash" "$work/out" || fail "replay $round ends with another state: $(cat "$work/out") instead of $hash"
  grep -q "the recording was repeated: .* agree" "$work/out" || fail "replay $round: $(cat "$work/out")"
  cmp "$work/serial" "$work/serial.recorded" || fail "replay $round printed something else"
done

# session LINE...: commands in the debugger over the recording; what it prints is in $work/out.
session() {
  printf '%s\n' "$@" >"$work/commands"
  timeout 240 "$glassbox" debug --replay "$work/rec" --display none --serial none -x "$work/commands" </dev/null >"$work/out" 2>&1 ||
    { cat "$work/out"; fail "status $? of the session"; }
}
session "catch exception 14 if cpl == 3" c "assert cpl == 3" "print \$instructions" "explain" q
first=$(grep -o '^#[0-9]* .*' "$work/out" | tail -n 1 | tr -d '#' | cut -d ' ' -f 1)
[ "$first" -gt 1000000 ] || fail "the first page fault of user code lies at instruction '$first'"
grep -q "SDM 3A 4" "$work/out" || { cat "$work/out"; fail "the page fault is not explained"; }
# From the end, which the machine reaches by powering off: what lies between is executed again, interval by interval.
session c "assert \$instructions > $first" rs rs "catch exception 14 if cpl == 3 && \$instructions <= $first" rc \
  "assert \$instructions == $first" "assert cpl == 3" q
grep -q "powered off" "$work/out" || { cat "$work/out"; fail "the machine's end is no stop"; }
echo "$hash, first page fault of process 1 at instruction $first, $(stat -c %s "$work/rec") bytes recorded"
