"""`python -m tools.links JAR FOLDER`: compares a jar of ours with the jars of a Spark; prints what does not fit."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.links.check import problems


def main(arguments: list[str]) -> int:
    """The exit status: 1 where something does not fit."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    found = problems(Path(arguments[0]), Path(arguments[1]))
    print("\n".join(found) or "everything is there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
