#!/bin/bash
# demo.sh GLASSBOX: firmware and demo guest, driven by keys, with every shortcut of the engine against none of them; the
# state at the end is that of a run without a second machine; each switch by itself.
. "$(dirname "$0")/../boot/lib.sh"
truncate -s 8M "$work/disk.img"
session() {
  machine 60 --demo --disk "$work/disk.img,discard-writes" --state-hash "$@" <<'S'
wait-serial "GlassBox demo ready" 20s
type "tasks\n"
wait-serial "primes" 20s
wait-serial "glass> " 20s
type "fault\n"
wait-serial "general protection fault" 20s
wait-serial "glass> " 20s
power-off
S
  grep -a state-hash "$work/out"
}
alone=$(session)
[ "$(session --lockstep no-cache,no-chain,no-fuse)" = "$alone" ] || fail "the run with a second machine went elsewhere"
verdict=$(grep -a "no difference" "$work/out") || fail "lockstep did not say so: $(cat "$work/out")"
for switch in no-chain no-fuse; do
  [ "$(session --engine $switch)" = "$alone" ] || fail "$switch: another state at the end"
done
echo "$alone with every engine; $verdict"
