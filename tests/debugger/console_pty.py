#!/usr/bin/env python3
"""The debugger's console at a terminal, as a person uses it: prompt, completion, history, Ctrl-C, Ctrl-D.

console_pty.py GLASSBOX
"""
import os
import pty
import re
import select
import signal
import sys
import tempfile
import termios
import time

PROMPT = "(glassbox) "
PATIENCE = 60.0


def plain(data):
    """Without the control sequences of line editing."""
    return re.sub(r"\r?\x1b\[[0-9;?]*[A-Za-z]", "", data)


class Terminal:
    def __init__(self, *arguments):
        self.home = tempfile.mkdtemp(prefix="glassbox-pty-")
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", XDG_STATE_HOME=self.home)
            os.environ.pop("DISPLAY", None)
            os.execv(arguments[0], arguments)
        self.modes = termios.tcgetattr(self.fd)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, text, after=0):
        """Reads until `text` has appeared behind position `after`; returns the position behind it."""
        end = time.monotonic() + PATIENCE
        while True:
            at = plain(self.seen).find(text, after)
            if at >= 0:
                return at + len(text)
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f"{text!r} did not appear; the terminal shows:\n{plain(self.seen)}\n{self.seen[-200:]!r}")
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"it ended before {text!r} appeared:\n{plain(self.seen)}")
            self.seen += data.decode(errors="replace")

    def end(self):
        """Waits for the end; the status."""
        while True:
            try:
                if not os.read(self.fd, 4096):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def expect(condition, what, terminal):
    if not condition:
        raise AssertionError(what + "; the terminal shows:\n" + plain(terminal.seen))


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
