#!/usr/bin/env python3
"""A scripted session with the debugger on a real guest, and what each command must print.

session.py GLASSBOX FILE [NAME=VALUE...]

FILE has lines
  $ debug --kernel {lesson} ...   starts glassbox so; {name} is replaced by NAME=VALUE of the command line; a second $ line
                                  begins another run
  > command                       is given to the debugger
  = text                          the next lines of the answer (to the last command, or before the first one) hold this text;
                                  runs of spaces count as one
  ~ regex                         ... match this; (?P<name>...) keeps what it matched for later lines, as {name}
  ! text                          nowhere in the answer
  status N                        glassbox ends so (default 0)
  # ...                           a comment
Expectations of a command are met in their order, each behind the one before. {name} may stand in commands and texts.
"""
import os
import re
import subprocess
import sys
import tempfile

PROMPT = "(glassbox) "
SKIP = 77


def squeeze(text):
    return re.sub(r"[ \t]+", " ", text)


def cut(output, commands):
    """What was printed before the first command, then behind each."""
    parts, at = [], 0
    for command in commands:
        mark = PROMPT + command + "\n"
        found = output.find(mark, at)
        if found < 0 or (found > 0 and output[found - 1] != "\n"):
            found = output.find("\n" + mark, at)
            found = found + 1 if found >= 0 else -1
        if found < 0:
            parts.append(output[at:])
            return parts
        parts.append(output[at:found])
        at = found + len(mark)
    parts.append(output[at:])
    return parts


def execute(program, arguments, commands, patience=300):
    """The output of a session, cut, and the exit status."""
    with tempfile.NamedTemporaryFile("w", suffix=".gbd", delete=False) as script:
        script.write("".join(command + "\n" for command in commands))
    try:
        line = [program, *arguments, "--display", "none", "-x", script.name]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience)
    finally:
        os.unlink(script.name)
    output = done.stdout.decode("utf-8", "replace")
    source = PROMPT + 'source "' + script.name + '"\n'
    return cut(output.replace(source, ""), commands), done.returncode, output, done.stderr.decode("utf-8", "replace")


class Run:
    def __init__(self, line, number):
        self.arguments, self.number = line.split(), number
        self.commands, self.expectations, self.status = [], [[]], 0


def parse(path):
    runs = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if not line.strip() or line.startswith("#"):
            continue
        kind, _, text = line.partition(" ")
        if kind == "$":
            runs.append(Run(text, number))
        elif kind == ">":
            runs[-1].commands.append(text)
            runs[-1].expectations.append([])
        elif kind in ("=", "~", "!"):
            runs[-1].expectations[-1].append((kind, text, number))
        elif kind == "status":
            runs[-1].status = int(text)
        else:
            sys.exit(f"{path}:{number}: what is '{kind}'?")
    return runs


def fill(text, values):
    return re.sub(r"\{([a-z_]+)\}", lambda m: values.get(m.group(1), m.group(0)), text)


def check(part, expectations, values, path):
    """None, or what is not as it should be."""
    flat, at = squeeze(part), 0
    for kind, text, number in expectations:
        text = fill(text, values)
        if kind == "=":
            found = flat.find(squeeze(text), at)
            if found < 0:
                return f"{path}:{number}: expected '{text}'"
            at = found + len(squeeze(text))
        elif kind == "!":
            if squeeze(text) in flat:
                return f"{path}:{number}: '{text}' should not be there"
        else:
            found = re.compile(text, re.MULTILINE).search(flat, at)
            if not found:
                return f"{path}:{number}: nothing matches '{text}'"
            values.update({k: v for k, v in found.groupdict().items() if v is not None})
            at = found.end()
    return None


def play(program, run, values, path):
    # Commands may use what earlier ones printed: as long as that is so, the session is played again from its start.
    commands = [fill(c, values) for c in run.commands]
    while True:
        unknown = next((i for i, c in enumerate(commands) if re.search(r"\{[a-z_]+\}", c)), None)
        given = commands if unknown is None else commands[:unknown]
        parts, status, output, errors = execute(program, [fill(a, values) for a in run.arguments], given)
        failure = None
        for i, part in enumerate(parts):
            failure = failure or check(part, run.expectations[i], values, path)
        if len(parts) < len(given) + 1 and not failure:
            failure = f"{path}:{run.number}: the session ended before '{given[len(parts) - 1]}'"
        if unknown is None and status != run.status and not failure:
            failure = f"{path}:{run.number}: glassbox ended with status {status}, not {run.status}"
        if failure:
            sys.exit(f"{failure}\n--- the session:\n{output}{errors}")
        if unknown is None:
            return
        filled = [fill(c, values) for c in run.commands]
        if filled[unknown] == commands[unknown]:
            sys.exit(f"{path}:{run.number}: '{commands[unknown]}' needs a value that nothing printed")
        commands = filled


def main():
    program, path = sys.argv[1:3]
    values = dict(pair.split("=", 1) for pair in sys.argv[3:])
    for name, value in values.items():
        if value.startswith("/") and not os.path.exists(value):
            print(f"{name}: {value} does not exist: not tested")
            return SKIP
    for run in parse(path):
        play(program, run, values, path)
    print(f"{os.path.basename(path)}: as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
