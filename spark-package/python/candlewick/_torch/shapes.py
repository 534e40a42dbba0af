"""view, reshape and indices of a forward, as layers of shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from candlewick._document import BUILDERS, Module
from candlewick._torch.trace import Call
from candlewick._torch.values import Attended, Rows, Shape, Size, States, Step, Value

#: Where layers are that leave every value at its place.
_ELEMENTWISE = ("candlewick.nn._activation", "candlewick.nn._regularization")


def reshaped(call: Call, sizes: Sequence[Any], readers: Sequence[Any]) -> Module | None:
    """The layer of ``x.view(sizes)``; None where it puts all rows and their values in one line.

    Args:
        call: The call.
        sizes: The sizes, of which the first is that of the rows.
        readers: The modules that read the result.

    Raises:
        InvalidParameterError: It is none.
    """
    if list(sizes) == [-1]:
        return None
    rows, *rest = sizes
    known = [size for size in rest if isinstance(size, int) and not isinstance(size, bool)]
    open_sizes = [size for size in sizes if size == -1]
    if not (isinstance(rows, Rows) or rows == -1) or len(open_sizes) > 1:
        raise call.refused(
            f"its first size is {_said(rows)}, and must be the number of rows, which stay apart: x.size(0), or -1; write "
            "x.view(x.size(0), -1) or torch.flatten(x, 1) for all values of a row one after another"
        )
    if len(rest) == 1 and (rest == [-1] or isinstance(rest[0], Size)):
        return _layer("Flatten")
    if len(known) < len(rest):
        raise call.refused(
            "it computes with a size of the tensor, which is not known before there are rows; write the numbers, "
            "x.view(x.size(0), 16, -1), or torch.flatten(x, start, end), which merges dimensions of any size"
        )
    # A Linear holds its input to its size: the plain layer will do. Otherwise the layer does.
    if len(rest) == 1 and readers and all(getattr(one, "in_features", None) == rest[0] for one in readers):
        return _layer("Flatten")
    return _layer("Reshape", shape=list(rest))


def _said(size: Any) -> str:
    return "a size of the tensor" if isinstance(size, (Size, Shape)) else repr(size)


def _layer(kind: str, **arguments: Any) -> Module:
    builder: Any = BUILDERS[kind]
    made: Module = builder(**arguments)
    return made


def is_one(value: Value) -> bool:
    """Whether it is one value for each row: what a Linear of width 1 puts out, activated or not."""
    while isinstance(value, Step) and type(value.layer).__module__ in _ELEMENTWISE:
        value = value.inputs[0]
    return isinstance(value, Step) and value.layer._arguments.get("out_features") == 1


def is_whole_slice(key: Any) -> bool:
    """Whether an index takes all there is."""
    return key is Ellipsis or key == slice(None)


def is_last_step(key: Any) -> bool:
    """Whether an index takes the last step of each row's sequence: ``x[:, -1]``, ``x[:, -1, :]``."""
    return (
        isinstance(key, tuple)
        and len(key) in (2, 3)
        and is_whole_slice(key[0])
        and key[1] == -1
        and all(is_whole_slice(one) for one in key[2:])
    )


def added(key: Any) -> Module | None:
    """The layer of ``x[:, None]``, with or without slices of everything behind it; else None."""
    is_new = isinstance(key, tuple) and len(key) > 1 and key[0] == slice(None) and key[1] is None
    if not is_new or not all(is_whole_slice(one) for one in key[2:]):
        return None
    return _layer("Unflatten", dim=1, unflattened_size=[1, -1])


def no_part(value: Any) -> str:
    """Why a part of a value cannot be read by its index, and what can."""
    if isinstance(value, Attended):
        return (
            "the weights of the attention are not put out here; take the output alone, `y, _ = self.attention(x, x, x)`"
        )
    if isinstance(value, States) and value.of.is_both:
        return (
            "behind a sequence that is read in both directions the last step is not the last of both; read the last states, "
            "`_, h = self.gru(x)` and torch.cat((h[-2], h[-1]), dim=1)"
        )
    return (
        "a part of a tensor cannot be read by its index, but for the last step of an RNN, LSTM or GRU, y[:, -1]; give parts of "
        "the features as arguments of forward, which are columns of their own"
    )
