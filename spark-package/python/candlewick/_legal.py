"""What the generated parameters are checked with: ranges and words come from the Rust catalogue."""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from candlewick._elsewhere import meant, no_argument
from candlewick.errors import InvalidParameterError

F = TypeVar("F", bound=Callable[..., Any])


class Legal:
    """A type converter of a parameter that also refuses what is out of range, and says what is legal.

    Args:
        name: The parameter.
        convert: Makes the value's type; raises TypeError where it cannot.
        expected: What is legal, in words.
        check: Whether a value of that type is legal.
    """

    def __init__(self, name: str, convert: Callable[[Any], Any], expected: str, check: Callable[[Any], bool]) -> None:
        self._name, self._convert, self._expected, self._check = name, convert, expected, check
        # PySpark tells by a converter's name, such as toListInt, whether a loaded stage's value is a list.
        self.__name__ = convert.__name__

    def __call__(self, value: Any) -> Any:
        """The value with the parameter's type.

        Raises:
            TypeError: It is of another type.
            InvalidParameterError: It is out of range.
        """
        converted = self._convert(value)
        if not self._check(converted):
            text = json.dumps(converted, ensure_ascii=False)
            raise InvalidParameterError(f"parameter {self._name} = {text} is not legal: expected {self._expected}")
        return converted


class Range:
    """Finite numbers between bounds, and ``also``; ``above`` and ``below`` are not legal themselves."""

    def __init__(
        self,
        least: float = -math.inf,
        most: float = math.inf,
        *,
        above: float = -math.inf,
        below: float = math.inf,
        also: float | None = None,
    ) -> None:
        self._least, self._most, self._above, self._below = least, most, above, below
        self._also = also

    def __call__(self, number: float) -> bool:
        """Whether the number is legal."""
        return number == self._also or (self._least <= number <= self._most and self._above < number < self._below)


def each(check: Callable[[Any], bool] | None = None) -> Callable[[list[Any]], bool]:
    """A list with at least one item, all of them legal."""
    return lambda items: bool(items) and (check is None or all(map(check, items)))


def one_zero(items: list[float]) -> bool:
    """Thresholds of classes, which probabilities are divided by: numbers of at least 0, at most one of them 0."""
    return each(Range(0.0))(items) and items.count(0.0) <= 1


def one_of(*texts: str) -> Callable[[str], bool]:
    """One of these texts."""
    return lambda text: text in texts


def matches(pattern: str) -> Callable[[str], bool]:
    """A text that fits the pattern as a whole, in any case of letters."""
    compiled = re.compile(pattern, re.IGNORECASE | re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def keywords(method: F) -> F:
    """A method that takes parameters by name and finds what it was given in ``_input_kwargs``.

    As PySpark's ``keyword_only``, but an unknown name is told what it may have been meant for.
    """
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    plain = {name.lower(): name for name in names}

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **given: Any) -> Any:
        owner = type(self).__name__
        if args:
            raise TypeError(f"{owner} takes its parameters by name, for example {owner}(epochs=10)")
        for name in given:
            if name not in names:
                raise TypeError(f"{owner} has no parameter '{name}'{meant(name, plain)}")
        self._input_kwargs = given
        return method(self, **given)

    return wrapper  # type: ignore[return-value]


def arguments_by_name(init: F) -> F:
    """A builder's constructor that tells of an argument that it does not have which ones it has."""
    parameters = [one for name, one in inspect.signature(init).parameters.items() if name != "self"]
    names = [one.name for one in parameters]
    placed = [one.name for one in parameters if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    takes_all = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)

    @functools.wraps(init)
    def wrapper(self: Any, *args: Any, **given: Any) -> None:
        owner = type(self).__name__
        for name in given:
            if name not in names:
                raise TypeError(no_argument(owner, name, names))
        if len(args) > len(placed) and not takes_all:
            few = (
                f"at most {len(placed)} arguments by position ({', '.join(placed)})"
                if placed
                else "no argument by position"
            )
            others = ", ".join(name for name in names if name not in placed)
            by_name = f": give {others} by name" if others else ""
            raise TypeError(f"{owner} takes {few}, not {len(args)}{by_name}")
        init(self, *args, **given)

    return wrapper  # type: ignore[return-value]
