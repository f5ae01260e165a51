#!/usr/bin/env python3
"""The debugger and the window: Ctrl+Alt+D, what the window does while the machine stands, and that the guest sees none of it.

window.py GLASSBOX [FOLDER]    FOLDER is where pictures of the screen are left, for people
"""
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import screen
from terminal import PROMPT, Terminal, expect

MODIFIERS = "print byte phys(417h) & 0fh"  # BIOS data area: Shift, Ctrl and Alt as the firmware's keyboard driver has them
pictures = sys.argv[2] if len(sys.argv) > 2 else ""


def picture(x, name):
    if pictures:
        x.save(os.path.join(pictures, name + ".png"))


def shown(x):
    """Something other than one colour stands on the screen."""
    return any(row.strip(row[:1]) for row in x.pixels()[2])


def started(x, *arguments):
    """A machine that runs in a window with the keyboard."""
    t = Terminal(*arguments, environment=x.environment)
    window = x.find("GlassBox - ")
    x.do("windowfocus", "--sync", window)
    return t, window


def title(x, window):
    return x.do("getwindowname", window)


def value(t, command, after):
    answer, at = t.ask(command, after)
    return int(answer.split("decimal")[1].split()[0]), at


def interrupted(t, after):
    """Runs for half a second."""
    t.type("c\n")
    time.sleep(0.5)
    t.type("\x03")
    return t.wait_for(PROMPT, after)


def stop(x, t, window, after=0):
    x.do("key", "ctrl+alt+d")
    at = t.wait_for(PROMPT, after)
    x.wait_until(lambda: "stopped: the debugger waits in the terminal" in title(x, window), "the title says where to go on")
    return at


def calling(x, glassbox):
    """From a run without any option of the debugger, with the firmware's prompt as the guest."""
    t, window = started(x, glassbox, "--cdrom", "none", "--clock", "realtime")
    x.wait_until(lambda: "running" in title(x, window), "it runs")
    t.listen(2)
    picture(x, "running")
    x.do("mousemove", 500, 400, "click", 1)
    x.wait_until(lambda: "Ctrl+Alt+G releases" in title(x, window), "the click gives the guest the mouse")
    at = stop(x, t, window)
    picture(x, "stopped")
    expect("GlassBox debugger:" in t.text(), "no welcome", t)
    # The mouse is free.
    for place in ((10, 20), (1000, 700)):
        x.do("mousemove", *place)
        expect(x.do("getmouselocation").startswith("x:%d y:%d " % place), "the mouse is not free", t)
    # Neither a click nor keys reach a machine that stands; a second Ctrl+Alt+D is no other stop.
    x.do("mousemove", 500, 400, "click", 1)
    x.do("key", "a")
    x.do("key", "ctrl+alt+d")
    time.sleep(0.3)
    expect("stopped" in title(x, window), "a click took the mouse", t)
    # It is repainted where it is moved to, and after something has covered it.
    x.do("windowmove", "--sync", window, 0, 0)
    x.do("windowsize", "--sync", window, 800, 600)
    x.wait_until(lambda: shown(x), "it is repainted")
    picture(x, "moved")
    first, at = value(t, "print $nanoseconds", at)
    # Three seconds here are none in the guest.
    time.sleep(3)
    x.do("windowfocus", "--sync", window)
    t.type("c\n")
    time.sleep(0.5)
    at = stop(x, t, window, at)
    second, at = value(t, "print $nanoseconds", at)
    passed = (second - first) / 1e9
    expect(0.1 < passed < 2.5, f"{passed} seconds passed in the guest", t)
    # Ctrl and Alt came up before the stop, and the guest learns of it when it goes on.
    keys, at = value(t, MODIFIERS, interrupted(t, at))
    expect(keys == 0, f"the guest thinks that Ctrl or Alt is down: {keys}", t)
    return t, window, at


def holding_a_key(x, glassbox):
    """A key that is down when a breakpoint stops the machine comes up when it goes on."""
    t, window, at = calling(x, glassbox)
    t.type("c\n")
    time.sleep(0.3)
    x.do("keydown", "shift")
    time.sleep(0.3)
    t.type("\x03")
    at = t.wait_for(PROMPT, at)
    keys, at = value(t, MODIFIERS, at)
    expect(keys == 2, f"the guest does not know of Shift: {keys}", t)
    x.do("keyup", "shift")
    keys, at = value(t, MODIFIERS, interrupted(t, at))
    expect(keys == 0, f"the guest thinks that Shift is down: {keys}", t)
    # Closing the window of a machine that stands ends the run: there is no guest to ask.
    x.close_window(window)
    expect(t.end() == 0, "closing the window does not end with status 0", t)


def without_a_terminal(x, glassbox):
    """From a desktop's icon: no terminal, so Ctrl+Alt+D can only say so; the machine runs on. With gdb it stops."""
    for more, expected in ((), "with --gdb PORT"), (("--gdb", "0"), "stopped: waits for gdb"):
        process = subprocess.Popen([glassbox, "--demo", *more], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env={**os.environ, **x.environment}, text=True)
        window = x.find("GlassBox - ")
        x.do("windowfocus", "--sync", window)
        x.wait_until(lambda: "running" in title(x, window), "it runs")
        x.do("key", "ctrl+alt+d")
        x.wait_until(lambda: expected in title(x, window), "the title says what can be done")
        picture(x, "without-a-terminal" + "-".join(more))
        process.terminate()
        complaint = process.communicate(timeout=30)[1]
        assert process.returncode == 143, process.returncode
        assert more or "the debugger needs a terminal" in complaint, complaint


def main():
    lacking = screen.missing()
    if lacking:
        print("not found:", *lacking)
        sys.exit(77)
    for test in (holding_a_key, without_a_terminal):
        x = screen.Screen()
        try:
            test(x, sys.argv[1])
        finally:
            x.close()
        print("ok", test.__name__)


main()
