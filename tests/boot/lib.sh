# What the boot tests share: real guests made of Debian's packages, and a machine that is driven by a script.
# A test is started as `test.sh GLASSBOX [its own arguments]`. What cannot be had here (a package, a tool, the network)
# ends it with status 77, which CTest reports as skipped. Packages and what is built from them are kept below
# $GLASSBOX_CACHE, by default ~/.cache/glassbox.
set -euo pipefail

glassbox=$(realpath "$1")
shift
tests=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
cache=$(realpath -m "${GLASSBOX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/glassbox}")
mkdir -p "$cache" 2>/dev/null || { echo "SKIPPED: cannot write $cache"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/glassbox-boot.XXXXXX")
trap '[ -n "${GLASSBOX_KEEP:-}" ] || rm -rf "$work"' EXIT
PATH=$PATH:/usr/sbin:/sbin

skip() { echo "SKIPPED: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }

# need TOOL PACKAGE ...
need() {
  while [ $# -gt 0 ]; do
    command -v "$1" >/dev/null || skip "this test needs $1 (apt-get install $2)"
    shift 2
  done
}

# The packages of another architecture come from lists of their own, so that the host's dpkg is left as it is.
apt_options() {
  local state=$cache/apt-$1
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  apt=(-q -o "APT::Architecture=$1" -o "APT::Architectures=$1" -o "Dir::State::Lists=$state/lists" -o Dir::State::status=/dev/null
       -o "Dir::Cache=$state" -o APT::Sandbox::User=root)
}

# package ARCHITECTURE NAME...: unpacks them into one tree and sets $tree to it. linux-image-686 means the kernel it stands for.
package() {
  local arch=$1 name real stamp
  tree=$cache/root-$arch
  shift
  need dpkg-deb dpkg apt-get apt flock util-linux
  mkdir -p "$tree/.have"
  exec 9>"$cache/lock-$arch"
  flock 9
  for name; do
    stamp=$tree/.have/$name
    [ -e "$stamp" ] && continue
    apt_options "$arch"
    if ! apt-cache "${apt[@]}" show "$name" >/dev/null 2>&1; then
      apt-get "${apt[@]}" update >/dev/null 2>&1 || true
    fi
    real=$name
    case $name in
      linux-image-686 | linux-image-amd64)
        real=$(apt-cache "${apt[@]}" depends "$name" 2>/dev/null | awk '/Depends: linux-image/ {print $2; exit}') ;;
    esac
    rm -rf "$work/deb"
    mkdir "$work/deb"
    (cd "$work/deb" && apt-get "${apt[@]}" download "$real" >"$work/apt.log" 2>&1) ||
      skip "cannot get Debian's package $name: $(tail -n 1 "$work/apt.log")"
    dpkg-deb -x "$work"/deb/*.deb "$tree" || skip "cannot unpack $name"
    echo "$real" >"$stamp"
  done
  exec 9>&-
}

# machine SECONDS OPTIONS...: runs the machine with the script on standard input; COM1 goes to $work/serial.
machine() {
  local limit=$1 status=0
  shift
  cat >"$work/script"
  : >"$work/serial"
  timeout "$limit" "$glassbox" run --display none --serial "file:$work/serial" --script "$work/script" "$@" \
    >"$work/out" 2>&1 || status=$?
  if [ $status -ne 0 ]; then
    cat "$work/out"
    echo "--- the last of the serial port:"
    tail -c 3000 "$work/serial"
    [ $status -eq 124 ] && fail "no end after $limit s: glassbox $*"
    fail "status $status: glassbox $*"
  fi
}

# serial_has TEXT: what the last machine has sent to COM1.
serial_has() { grep -qaF -- "$1" "$work/serial" || { tail -c 3000 "$work/serial"; fail "the guest did not say: $1"; }; }
