"""HTML that notebooks show: plain tables, with every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; its cells are texts, or numbers, which stand at the right."""
    top = "".join(f'<th style="text-align: left">{escape(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def titled(title: str, *parts: str) -> str:
    """Parts under a title."""
    return f"<div><p><b>{escape(title)}</b></p>{''.join(parts)}</div>"


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """A line of names and their values."""
    return "<p>" + " · ".join(f"{escape(name)}: <b>{escape(str(value))}</b>" for name, value in pairs) + "</p>"


def preformatted(text: str) -> str:
    """A text as it stands."""
    return f'<pre style="font-family: monospace">{escape(text)}</pre>'


def _cell(value: object) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    side = "right" if number else "left"
    return f'<td style="text-align: {side}">{escape(short(value))}</td>'


def size(count: int) -> str:
    """Bytes with the unit that keeps them below 1,024."""
    if count < 1024:
        return f"{count} B"
    at = min(4, (count.bit_length() - 1) // 10)
    return f"{count / (1 << 10 * at):.1f} {('KiB', 'MiB', 'GiB', 'TiB')[at - 1]}"


def duration(seconds: float) -> str:
    """Seconds with three digits or all before the point, milliseconds where they are short: never an exponent.

    Example:
        >>> [duration(seconds) for seconds in (0, 0.0000188, 0.25, 1, 99.96, 634.2, 2101)]
        ['0 s', '0.0188 ms', '0.25 s', '1 s', '100 s', '634 s', '2101 s']
    """
    if 0 < seconds < 0.01:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 99.95 else f"{seconds:.0f} s"


def short(value: object) -> str:
    """A value as a person reads it: numbers with four digits, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
