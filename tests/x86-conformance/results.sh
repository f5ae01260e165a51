#!/bin/bash
# results.sh GLASSBOX [VECTORS]: runs every suite at full length and writes its table into docs/conformance.md, between the
# two marker lines. About twenty minutes on two cores. Without VECTORS the moo suite is left out.
set -euo pipefail
glassbox=$(realpath "$1")
vectors=${2:-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
page=$root/docs/conformance.md
log=$(mktemp)
trap 'rm -f "$log"' EXIT

conform() {
  echo "\$ glassbox conform ${*//"$vectors"/VECTORS}" >>"$log"
  "$glassbox" conform "$@" >>"$log" || { cat "$log"; echo "results.sh: a case failed; the page is unchanged" >&2; exit 1; }
  echo >>"$log"
}

[ -z "$vectors" ] || conform moo "$vectors"
conform host --count "${HOST_CASES:-10M}"
conform decode --count "${DECODE_CASES:-100M}"
conform system
conform system 386 486 pentium
cd "$root"
conform boot tests/x86-conformance/guests.toml

awk -v log_file="$log" '
  /^<!-- results -->/ { print; print "```"; while ((getline line < log_file) > 0) text = text line "\n"; sub(/\n+$/, "\n", text)
                        printf "%s```\n", text; skipping = 1; next }
  /^<!-- end -->/     { skipping = 0 }
  !skipping' "$page" >"$page.new"
mv "$page.new" "$page"
echo "results.sh: wrote $page"
