#!/bin/bash
# linux64.sh GLASSBOX CPU PROCESSORS: the CD that ../shared/bench/make-linux-iso.sh 64 makes boots Debian's amd64 kernel; every
# workload's check value is that of the same program on the host. With several processors a second run starts a shell instead:
# all of them are in /proc/cpuinfo, work at the same time, and get it right.
. "$(dirname "$0")/lib.sh"
cpu=$1 processors=$2
bench=$(realpath -m "$tests/../../../shared/bench")
[ -x "$bench/make-linux-iso.sh" ] || skip "there is no $bench/make-linux-iso.sh"
[ "$(uname -m)" = x86_64 ] || skip "the workloads' check values come from this host, which must run 64-bit code"
need xorriso xorriso cpio cpio gcc gcc apt-get apt flock util-linux
export CACHE=$cache/shared-linux
mkdir -p "$CACHE"

# iso NAME ARGUMENTS: one at a time, because the packages are unpacked in one place.
iso() {
  exec 9>"$CACHE/lock"
  flock 9
  if [ ! -e "$CACHE/$1" ] || [ "$bench/make-linux-iso.sh" -nt "$CACHE/$1" ] || [ "$bench/bench.c" -nt "$CACHE/$1" ]; then
    "$bench/make-linux-iso.sh" 64 "$CACHE/$1.new" "${2:-}" >"$work/iso.log" 2>&1 || skip "cannot make the CD: $(tail -n 1 "$work/iso.log")"
    mv "$CACHE/$1.new" "$CACHE/$1"
  fi
  exec 9>&-
}
iso linux64.iso
root=$CACHE/amd64/root

machine 900 --memory 256M --cpu "$cpu" --smp "$processors" --cdrom "$CACHE/linux64.iso" --boot cdrom <<S
wait-serial "@@done" 600s
wait-power-off 30s
S
tr -d '\r' <"$work/serial" | grep -a '^@@end\|  -$' | grep -av '@@end \(sha256\|gzip\|fork\)' >"$work/guest"
{
  "$root/bin/bench" 1 | grep '^@@end'
  head -c $((16 << 20)) /dev/zero | sha256sum
  head -c $((2 << 20)) "$root/bin/busybox" | sha256sum
} >"$work/host"
diff "$work/host" "$work/guest" || fail "the guest's check values (right) are not the host's"
serial_has "@@end fork"
cat "$work/guest"
[ "$processors" -gt 1 ] || exit 0

iso linux64-shell.iso shell=1
cat >"$work/commands" <<'C'
busybox stty -echo; PS1=; n=$(busybox grep -c ^processor /proc/cpuinfo); echo "@@processors $n."
for i in $(seq $n); do { dd if=/dev/zero bs=1M count=$((i * 3)) 2>/dev/null | sha256sum; bench 1 mix; } >/tmp/$i & done; wait; echo "@@all $?."
for i in $(seq $n); do cat /tmp/$i; done | busybox grep '@@end\|  -'
busybox awk '/^cpu[0-9]/ && $2 + $4 > 20 { n++ } END { print "@@worked " n "." }' /proc/stat
C
{
  echo 'wait-serial "@@shell" 300s'
  echo 'sleep 1s'
  while read -r line; do
    line=${line//\\/\\\\}
    echo "send \"${line//\"/\\\"}\\n\""
    case $line in
      *@@processors*) echo "wait-serial \"@@processors $processors.\" 10s" ;;
      *@@all*) echo 'wait-serial "@@all 0." 300s' ;;
      *@@worked*) echo "wait-serial \"@@worked $processors.\" 10s" ;;
    esac
  done <"$work/commands"
  echo 'send "exit\n"'
  echo 'wait-power-off 30s'
} | machine 900 --memory 256M --cpu "$cpu" --smp "$processors" --cdrom "$CACHE/linux64-shell.iso" --boot cdrom
tr -d '\r' <"$work/serial" | grep -a '^@@end mix\|  -$' >"$work/guest"
for i in $(seq "$processors"); do
  head -c $((i * 3 << 20)) /dev/zero | sha256sum
  "$root/bin/bench" 1 mix | grep '^@@end'
done >"$work/host"
diff "$work/host" "$work/guest" || fail "what $processors processors computed at the same time (right) is wrong"
echo "$processors processors at the same time:"
cat "$work/guest"
