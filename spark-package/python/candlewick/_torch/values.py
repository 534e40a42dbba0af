"""What the calls of a forward return: steps of the network, sizes, and several results at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

from candlewick._document import Module
from candlewick._torch.trace import Call


@dataclass(eq=False)
class Source:
    """An argument of the forward: an input of the network."""

    name: str


@dataclass(eq=False)
class Step:
    """A layer that is called.

    Args:
        name: The name of its node in a graph; None where one is made up.
        layer: The layer.
        inputs: What it reads.
        leaf: The module of PyTorch that has its weights, if any.
    """

    name: str | None
    layer: Module
    inputs: list[Source | Step]
    leaf: Any = None


Value = Union[Source, Step]


class Rows:
    """The number of rows of a batch."""


class Size:
    """Another size, or a device or type: nothing that is known before there are rows."""


class Shape:
    """The shape of a tensor: the number of rows, then sizes."""


@dataclass(eq=False)
class Whole:
    """A tensor as whole numbers, for embeddings."""

    value: Value


@dataclass(eq=False)
class Ended:
    """A tensor one of whose dimensions was taken away, if it had one value: as the end of a network the same."""

    value: Value
    call: Call


@dataclass(eq=False)
class Attended:
    """What MultiheadAttention returns: its output, and weights."""

    step: Step


@dataclass(eq=False)
class Recurrent:
    """What RNN, LSTM and GRU return: the states of all steps, and the last ones."""

    call: Call
    leaf: Any
    inputs: list[Value]

    @property
    def is_both(self) -> bool:
        """Whether it reads its sequence from its end too."""
        return bool(self.leaf.bidirectional)


@dataclass(eq=False)
class States:
    """The states of all steps of a sequence."""

    of: Recurrent


@dataclass(eq=False)
class Last:
    """The states after the last step: of all layers and directions, in an LSTM with its cells, or that at an index."""

    of: Recurrent
    cells: bool = False
    at: int | None = None

    @property
    def place(self) -> int | None:
        """The index, counted from the end."""
        count = self.of.leaf.num_layers * (2 if self.of.is_both else 1)
        return self.at if self.at is None or self.at < 0 else self.at - count

    @property
    def is_top(self) -> bool:
        """Whether it is the last state of the top layer, read in one direction."""
        return not self.cells and not self.of.is_both and self.place == -1


def told(value: Any) -> str:
    """What a value is that is no tensor, for messages."""
    if isinstance(value, (Rows, Size, Shape)):
        return "it computes with a size, which a network here does not; sizes are known in x.view(x.size(0), -1) alone"
    if isinstance(value, Attended):
        return "it reads what MultiheadAttention returns as one; take the first, `y, _ = self.attention(x, x, x)`"
    if isinstance(value, Recurrent):
        kind = type(value.leaf).__name__
        return f"it reads what {kind} returns as one; take the states, `y, _ = self.{value.call.target}(x)`"
    if isinstance(value, Last):
        return (
            "of the states after the last step that of the top layer alone can be read: h[-1] in one direction, "
            "torch.cat((h[-2], h[-1]), dim=1) in both; an LSTM's cells cannot"
        )
    if isinstance(value, Whole):
        return "whole numbers are read by torch.nn.Embedding alone; leave .long() out"
    return (
        f"it is given {value!r}, which is no tensor: tensors are added to and multiplied by tensors, not numbers; let a Linear do it, "
        "or compute it in a column"
    )
