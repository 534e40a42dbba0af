"""Arrows between files, and the circles among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Arrow:
    """`source` uses something that is defined in `target`; `where` is the first line that does."""

    source: str
    target: str
    where: int = 0
    what: str = ""

    @property
    def ends(self) -> tuple[str, str]:
        """The two files, which are the arrow's identity."""
        return self.source, self.target

    def __str__(self) -> str:
        return f"{self.source}:{self.where} uses {self.what} of {self.target}"


def first_of_each(arrows: Iterable[Arrow]) -> dict[tuple[str, str], Arrow]:
    """One arrow for each pair of files, the first in the source; none from a file to itself."""
    found: dict[tuple[str, str], Arrow] = {}
    for arrow in sorted(arrows):
        if arrow.source != arrow.target:
            found.setdefault(arrow.ends, arrow)
    return found


def circles(ends: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The sets of two or more files that all reach each other, by Tarjan's algorithm, without recursion."""
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in sorted(ends):
        after[source].append(target)
        after.setdefault(target, [])
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on_stack: set[str] = set()
    stack: list[str] = []
    found: list[list[str]] = []
    for start in sorted(after):
        if start in index:
            continue
        work = [(start, iter(after[start]))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    members = stack[stack.index(node) :]
                    del stack[-len(members) :]
                    on_stack.difference_update(members)
                    if len(members) > 1:
                        found.append(sorted(members))
            elif following not in index:
                index[following] = low[following] = len(index)
                stack.append(following)
                on_stack.add(following)
                work.append((following, iter(after[following])))
            elif following in on_stack:
                low[node] = min(low[node], index[following])
    return sorted(found)
