#!/usr/bin/env python3
"""Runs the same Linux guest in GlassBox and in QEMU's interpreter-like mode (TCG, one thread), in turn, and prints the
ratio of their times: per workload, in total (boot to power-off), and the geometric mean over the workloads.

usage: bench/compare.py [--bits 32|64] [--runs N] [--iso FILE] [--own] [--scale N] [--glassbox FILE] [--no-qemu] [--json FILE] [-- ARGS]
ARGS go to glassbox. The guest is ../shared/bench's when that is there, else (or with --own) our own bench/workloads.c."""
import argparse, json, math, os, re, shutil, statistics, subprocess, sys, threading, time

here = os.path.dirname(os.path.realpath(__file__))
root = os.path.dirname(here)
memory = 512  # MiB of the guest


def stop(message):
    sys.exit(f"bench: {message}")


def command(*words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if done.returncode != 0:
        stop(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build_iso(own, bits, scale):
    """The guest's image, and the check values that the workloads have on the host."""
    folder = os.path.join(root, "build", "guests")
    os.makedirs(folder, exist_ok=True)
    shared = os.path.join(root, "..", "shared", "bench")
    own = own or not os.path.exists(os.path.join(shared, "make-linux-iso.sh"))
    source = os.path.join(here, "workloads.c") if own else os.path.join(shared, "bench.c")
    if own and bits == 64:
        stop("--own has a 32-bit guest only")
    program = os.path.join(folder, "workloads" if own else f"bench{bits}")
    iso = os.path.join(folder, f"{'own' if own else 'shared'}{bits}-{scale}.iso")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        machine = ["-m32", "-march=i686"] if bits == 32 else ["-m64"]
        command("gcc", "-O2", "-static", *machine, source, "-o", program)
    if own:
        command(os.path.join(root, "guests", "linux", "make-iso.sh"), iso, "--bench", program, f"scale={scale}")
    elif not os.path.exists(iso):
        command(os.path.join(shared, "make-linux-iso.sh"), str(bits), iso, f"scale={scale}")
    checks = dict(re.findall(r"@@end (\S+) (\S+)", command(program, str(scale))))
    return iso, checks


def memory_beyond_guest(pid):
    """MiB that the emulator occupies beside the mapping that holds the guest's memory."""
    total = 0
    large = False
    try:
        with open(f"/proc/{pid}/smaps") as smaps:
            for line in smaps:
                if line.startswith("Size:"):
                    large = int(line.split()[1]) >= memory * 1024
                elif line.startswith("Rss:") and not large:
                    total += int(line.split()[1])
    except OSError:
        pass
    return total / 1024


def run(arguments, limit):
    """One run: seconds per workload, `boot`, `total` and `user` (the emulator's processor time), checks, memory."""
    seconds, checks, starts, peak = {}, {}, {}, 0
    begin = time.monotonic()
    before = os.times()
    guest = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(limit, guest.kill)
    timer.start()
    last = []
    for raw in guest.stdout:
        now = time.monotonic()
        line = raw.decode("latin1").strip()
        last = (last + [line])[-15:]
        mark = re.search(r"@@(start|end) (\S+) ?(\S*)", line)
        if not mark:
            continue
        kind, name, check = mark.groups()
        # Asked while it lives: what a process occupied is gone when it has ended.
        peak = max(peak, memory_beyond_guest(guest.pid))
        if kind == "start":
            starts[name] = now
            if name == "boot":
                seconds["boot"] = now - begin
        elif name in starts:
            seconds[name] = now - starts[name]
            checks[name] = check
    status = guest.wait()
    timer.cancel()
    seconds["total"] = time.monotonic() - begin
    after = os.times()
    seconds["user"] = after.children_user + after.children_system - before.children_user - before.children_system
    if status != 0:
        stop(f"status {status} of {' '.join(arguments)}; its last lines:\n" + "\n".join(last))
    return seconds, checks, peak


def median_table(runs):
    names = list(runs[0][0])
    return {name: statistics.median(r[0][name] for r in runs if name in r[0]) for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bits", type=int, choices=(32, 64), default=32, help="of the guest")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--iso")
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--glassbox", default=os.path.join(root, "build", "release", "glassbox"))
    parser.add_argument("--no-qemu", action="store_true")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one run may take")
    parser.add_argument("--json")
    parser.add_argument("more", nargs="*")
    options = parser.parse_args()

    if not os.access(options.glassbox, os.X_OK):
        stop(f"{options.glassbox} is not there: build it with ./run -- --version")
    iso, expected = (options.iso, {}) if options.iso else build_iso(options.own, options.bits, options.scale)
    machines = {"glassbox": [options.glassbox, "run", "--cdrom", iso, "--memory", f"{memory}M", "--display", "none",
                             "--serial", "stdio", *options.more]}
    qemu = shutil.which("qemu-system-i386" if options.bits == 32 else "qemu-system-x86_64")
    if qemu and not options.no_qemu:
        machines["qemu"] = [qemu, "-accel", "tcg,thread=single", "-cpu", "max", "-m", str(memory), "-nographic",
                            "-no-reboot", "-cdrom", iso]
    else:
        print("bench: without QEMU (apt-get install qemu-system-x86)", file=sys.stderr)

    runs = {name: [] for name in machines}
    for i in range(options.runs):
        for name, arguments in machines.items():
            result = run(arguments, options.limit)
            runs[name].append(result)
            for workload, check in expected.items():
                if result[1].get(workload) != check:
                    stop(f"{name}: {workload} has the check value {result[1].get(workload)}, the host {check}")
            print(f"bench: run {i + 1} of {options.runs}, {name}: {result[0]['total']:.2f} s", file=sys.stderr)

    tables = {name: median_table(list_of_runs) for name, list_of_runs in runs.items()}
    mine, other = tables["glassbox"], tables.get("qemu")
    print(f"{'workload':<12}{'GlassBox s':>12}" + (f"{'QEMU s':>12}{'ratio':>9}" if other else ""))
    ratios = []
    for name, seconds in mine.items():
        text = f"{name:<12}{seconds:>12.3f}"
        if other and name in other:
            text += f"{other[name]:>12.3f}{seconds / other[name]:>9.2f}"
            if name not in ("boot", "total", "user"):
                ratios.append(seconds / other[name])
        print(text)
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean over {len(ratios)} workloads: {mean:.2f}   total: {mine['total'] / other['total']:.2f}")
    for name, list_of_runs in runs.items():
        print(f"{name}: at most {max(r[2] for r in list_of_runs):.0f} MiB of memory beyond the guest's {memory} MiB")
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"seconds": tables, "ratios": ratios}, out, indent=1)


main()
