# Sourced by run, test, .ci/run and bench/compare.sh: the Debian packages, in one place, and what all of them do first.
# Variables and functions only; nothing happens until a function is called.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# To build the program.
build_packages=(
  cmake ninja-build ccache g++ binutils clang-19
  nasm acpica-tools            # the guests, the boot ROMs and the ACPI tables
  zlib1g-dev libsdl2-dev libpng-dev libmpfr-dev libzydis-dev libdw-dev libelf-dev libedit-dev
  libcli11-dev libtomlplusplus-dev libexpected-dev nlohmann-json3-dev doctest-dev
)
# To run it.
run_packages=(seabios)
# For `./run linux`: to make the CD image.
linux_packages=(cpio gzip xorriso isolinux syslinux-common)
# The guests of the tests, and the tools that look at their disks.
test_packages=(
  "${linux_packages[@]}" e2fsprogs fdisk qemu-utils mtools xvfb xauth xdotool python3
  grub-rescue-pc grub-pc-bin grub-common syslinux memtest86+
  gcc-multilib                 # 32-bit programs, whose results are compared with the guest's
  gdb                          # the debugger's clients
)
lint_packages=(clang-format-19 clang-tidy-19)
sanitizer_packages=(libclang-rt-19-dev llvm-19)
bench_packages=("${linux_packages[@]}" gcc-multilib python3 qemu-system-x86)

say() { echo "glassbox: $*" >&2; }
die() { say "$*"; exit 1; }

# as_root COMMAND...
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n true 2>/dev/null || say "sudo may ask for your password"
    sudo "$@"
  fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C \
    apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "$@" >"$apt_log" 2>&1
}

# install_packages NAME...: installs those that are missing, and says which. Asks apt only when there are any.
install_packages() {
  local name missing=() apt_log updated=""
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "this is not a Debian system; whatever the build finds missing has to be installed by hand. In Debian's names: $*"
    return 0
  fi
  for name; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    die "Debian packages are missing, and there is no sudo. As root: apt-get install --no-install-recommends ${missing[*]}"
  fi
  say "installing Debian packages: ${missing[*]}"
  apt_log=$(mktemp)
  for name in "${missing[@]}"; do
    if ! apt-cache show "$name" >/dev/null 2>&1; then
      say "apt-get update"
      as_root apt-get -qq update >"$apt_log" 2>&1 || cat "$apt_log" >&2
      updated=1
      break
    fi
  done
  if ! apt_install "${missing[@]}"; then
    # Old lists name versions that the mirrors no longer have.
    [ -n "$updated" ] || as_root apt-get -qq update >/dev/null 2>&1 || true
    if [ -n "$updated" ] || ! apt_install "${missing[@]}"; then
      cat "$apt_log" >&2
      rm -f "$apt_log"
      die "apt-get could not install: ${missing[*]}"
    fi
  fi
  rm -f "$apt_log"
}

# build PRESET [TARGET] [CMAKE OPTION...]: configures what is not configured and builds what has changed. Ninja's lines are
# shown on a terminal; elsewhere they are only shown when the build fails.
build() {
  local preset=$1 target=${2:-all} log status=0
  shift $(($# < 2 ? $# : 2))
  log=$(mktemp)
  [ -e "$root/build/$preset/build.ninja" ] || say "the first build takes a few minutes"
  if [ ! -e "$root/build/$preset/build.ninja" ] || [ $# -gt 0 ]; then
    (cd "$root" && cmake --preset "$preset" "$@") >"$log" 2>&1 || status=$?
    if [ $status -ne 0 ]; then
      cat "$log" >&2
      rm -f "$log"
      die "CMake could not configure the preset $preset"
    fi
  fi
  say "building the preset $preset (build/$preset)"
  if [ -t 2 ]; then
    ninja -C "$root/build/$preset" "$target" >&2 || status=$?
  else
    ninja -C "$root/build/$preset" "$target" >"$log" 2>&1 || { status=$?; cat "$log" >&2; }
  fi
  rm -f "$log"
  [ $status -eq 0 ] || die "the build failed"
}
