"""Instructions of the hot operations, next to those that benchmarks/guard.json has for them.

`make bench-guard`: Valgrind's Callgrind counts the instructions of each operation (benchmarks/guard.rs), which are the same
in every run and on a busy machine, so that a hundredth is visible where seconds tell nothing. More than three hundredths
above or below the committed number is an error: what became slower is to be mended, what became faster to be kept
(`make bench-guard WRITE=1` writes the numbers). Valgrind has no AVX-512, so the paths for AVX2 are counted.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COMMITTED = Path(__file__).parent / "guard.json"
#: How far an operation may be from what is committed.
TOLERANCE = 0.03


def valgrind(program: Path, argument: str, *options: str) -> str:
    """What `program argument` prints under Callgrind."""
    command = ["valgrind", "--tool=callgrind", *options, str(program), argument]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench-guard: {program.name} {argument!r} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def instructions(program: Path, operation: str) -> int:
    """The instructions of an operation."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        valgrind(
            program,
            operation,
            f"--callgrind-out-file={out}",
            "--collect-atstart=no",
            "--toggle-collect=guarded",
        )
        found = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    counted = int(found[1]) if found else 0
    if counted == 0:
        sys.exit(f"bench-guard: Callgrind counted nothing for {operation!r}: is the function 'guarded' inlined?")
    return counted


def measure(programs: list[Path]) -> dict[str, Any]:
    """Every operation of the programs, and the level of instructions that they ran with."""
    with tempfile.TemporaryDirectory() as folder:
        level = valgrind(programs[0], "--level", f"--callgrind-out-file={folder}/callgrind").strip()
    counts = {}
    for program in programs:
        listed = subprocess.run([str(program)], capture_output=True, text=True, check=True)
        for operation in listed.stdout.splitlines():
            counts[operation] = instructions(program, operation)
    return {"level": level, "instructions": counts}


def compare(committed: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """Prints the table; what is wrong, a line each."""
    if committed["level"] != measured["level"]:
        levels = f"counted with {measured['level']}, committed with {committed['level']}"
        return [f"{levels}: run it on a machine and with a Valgrind that have {committed['level']}"]
    before, now = committed["instructions"], measured["instructions"]
    wrong = []
    for operation in sorted({*before, *now}):
        if operation not in now or operation not in before:
            wrong.append(f"{operation}: {'no longer measured' if operation in before else 'not committed yet'}")
            continue
        change = now[operation] / before[operation] - 1
        print(f"{operation:<32} {now[operation]:>14,} instructions {change:>+8.2%}")
        if abs(change) > TOLERANCE:
            wrong.append(f"{operation}: {change:+.1%} of the committed {before[operation]:,} instructions")
    return wrong


def built(messages: str) -> list[Path]:
    """The programs in what `cargo build --message-format=json` printed."""
    parsed = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
    return [Path(one["executable"]) for one in parsed if one.get("executable") and one["target"]["kind"] == ["bench"]]


def main() -> None:
    """Counts, and compares or writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="commit what is counted now")
    parser.add_argument("messages", type=Path, help="what cargo's build of the benchmarks printed, as JSON")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("bench-guard: 'valgrind' is missing (Debian: apt-get install valgrind)")
    measured = measure(built(arguments.messages.read_text()))
    if arguments.write:
        COMMITTED.write_text(json.dumps(measured, indent=2) + "\n")
    wrong = compare(json.loads(COMMITTED.read_text()), measured)
    if wrong:
        sys.exit("bench-guard: " + "\n  ".join([*wrong, "if this is meant: make bench-guard WRITE=1, and say why"]))


if __name__ == "__main__":
    main()
