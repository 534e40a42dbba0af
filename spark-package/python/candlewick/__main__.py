"""Command line: ``python -m candlewick`` with ``doctor [--json]``, ``jars`` or ``serve ...``."""

from __future__ import annotations

import argparse
import sys

from candlewick import doctor
from candlewick._serve import serve
from candlewick._session import jars
from candlewick._version import __version__
from candlewick.errors import SetupError


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m candlewick", description="Deep learning inside Spark.")
    parser.add_argument("--version", action="version", version=f"candlewick {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    doctors = commands.add_parser("doctor", help="say what works on this machine and what to fix")
    doctors.add_argument("--json", action="store_true", help="print JSON instead of a table")
    paths = commands.add_parser("jars", help="print the path of the jar, for spark-submit --jars")
    paths.add_argument("--cuda", action="store_true", help="with the jar of candlewick-cuda")
    commands.add_parser(
        "serve", help="a trainer as a plain Arrow Flight server: serve --help, docs/flight.md", add_help=False
    )
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if words[:1] == ["serve"]:
            # The trainer's own options, as they are.
            serve(words[1:])
        given = parser.parse_args(words)
        if given.command == "doctor":
            return doctor.main(given.json)
        print(jars(cuda=given.cuda))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
