#!/usr/bin/env python3
"""The debugger's console at a terminal, as a person uses it: prompt, completion, history, Ctrl-C, Ctrl-D.

console_pty.py GLASSBOX
"""
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
from terminal import PROMPT, Terminal, expect


def editing(glassbox):
    t = Terminal(glassbox, "debug", "--demo", "--display", "none")
    at = t.wait_for(PROMPT)
    expect("help lists everything" in t.seen, "no welcome", t)
    t.type("apro\t")
    at = t.wait_for("apropos ", at)
    t.type("snapshot\n")
    at = t.wait_for("for --load", at)
    at = t.wait_for(PROMPT, at)
    t.type("echo one two\n")
    at = t.wait_for("one two\r\none two", at)
    at = t.wait_for(PROMPT, at)
    t.type("\x1b[A\n")  # the last line again
    at = t.wait_for("one two\r\none two", at)
    at = t.wait_for(PROMPT, at)
    t.type("nonsense\n")
    at = t.wait_for("there is no command 'nonsense'", at)
    at = t.wait_for(PROMPT, at)
    t.type("half a line\x03")
    at = t.wait_for(PROMPT, at)
    t.type("\x04")
    expect(t.end() == 0, "Ctrl-D does not end with status 0", t)
    expect("echo one two" in open(t.home + "/glassbox/history").read().replace("\\040", " "), "no history kept", t)


def breaking_in(glassbox):
    t = Terminal(glassbox, "debug", "--demo", "--display", "none")
    at = t.wait_for(PROMPT)
    t.type("c\n")
    time.sleep(1.0)
    t.type("\x03")
    at = t.wait_for(PROMPT, at)
    t.type("print $cs\n")
    at = t.wait_for(PROMPT, at)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def from_a_plain_run(glassbox):
    t = Terminal(glassbox, "--demo", "--display", "none")
    time.sleep(1.0)
    t.type("\x03")
    at = t.wait_for(PROMPT)
    t.type("c\n")
    time.sleep(0.5)
    t.type("\x03")
    at = t.wait_for(PROMPT, at)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def from_a_serial_terminal(glassbox):
    t = Terminal(glassbox, "--demo", "--display", "none", "--serial", "stdio")
    at = t.wait_for("Ctrl+A h shows the keys")
    time.sleep(0.5)
    t.type("\x01d")
    at = t.wait_for(PROMPT, at)
    t.type("c\n")
    time.sleep(0.5)
    t.type("\x01x")
    expect(t.end() == 0, "Ctrl+A x does not end with status 0", t)


def killed(glassbox):
    t = Terminal(glassbox, "debug", "--demo", "--display", "none")
    t.wait_for(PROMPT)
    os.kill(t.pid, signal.SIGTERM)
    expect(t.end() == 128 + signal.SIGTERM, "SIGTERM at the prompt does not end with status 143", t)


def main():
    for test in (editing, breaking_in, from_a_plain_run, from_a_serial_terminal, killed):
        test(sys.argv[1])
        print("ok", test.__name__)


main()
