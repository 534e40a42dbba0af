"""The network of what a forward computes: a chain, or a graph with inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

from candlewick._document import Module, Network, Sequential
from candlewick._graph import Graph
from candlewick._tensor import Input, Tensor
from candlewick._torch.forward import Forward
from candlewick._torch.values import Source, Step
from candlewick.errors import InvalidParameterError

InputLike = Union[Input, int, Sequence[int]]
#: The inputs of a forward by the names of its arguments: a shape, or an nn.Input, which has the name of a column too. Of a
#: forward with one argument the shape or nn.Input itself.
Inputs = Union[Mapping[str, InputLike], InputLike, None]
#: The column of a network with one input, as of a chain.
_COLUMN = "features"


def is_chain(forward: Forward) -> bool:
    """Whether every layer reads the one before and nothing else, and the last one is the output."""
    before: list[Source | Step] = [*forward.sources, *forward.steps]
    return (
        len(forward.sources) == 1
        and list(forward.outputs) == [None]
        and all(step.inputs == [one] for one, step in zip(before, forward.steps, strict=False))
        and list(forward.outputs.values()) == before[-1:]
    )


def _names(forward: Forward) -> dict[Step, str]:
    """The names of the steps: numbers in a chain, else what torch.fx calls them, or the name of the output."""
    if is_chain(forward):
        return {step: str(at) for at, step in enumerate(forward.steps)}
    ends = {value: name for name, value in forward.outputs.items() if name is not None and isinstance(value, Step)}
    found: dict[Step, str] = {}
    taken = {_COLUMN, *(one.name for one in forward.sources), *ends.values()}
    for step in forward.steps:
        name = ends.get(step)
        if name is None and step.name is not None:
            name = step.name
            while name in taken:
                name += "_"
        if name is not None:
            taken.add(name)
            found[step] = name
    return found


def places(forward: Forward) -> Iterator[tuple[str, Any]]:
    """The modules that have weights, with what stands before the names of these here."""
    known: set[int] = set()
    names = _names(forward)
    for step in forward.steps:
        if step.leaf is not None and id(step.leaf) not in known:
            known.add(id(step.leaf))
            yield f"{names[step]}.", step.leaf


def network(forward: Forward, inputs: Inputs, place: str) -> Module | Network:
    """The network of a forward.

    Args:
        forward: What it computes.
        inputs: Its inputs, as far as they are said.
        place: The module, for messages.

    Raises:
        InvalidParameterError: The shape of an input is not known, or one is not used.
    """
    if is_chain(forward) and inputs is None:
        return Sequential(*(step.layer for step in forward.steps))
    for source in forward.sources:
        if not any(source in step.inputs for step in forward.steps):
            raise InvalidParameterError(
                f"from_torch: the forward of {place} does not use its argument {source.name!r}; give it a default, and it is no "
                "input"
            )
    columns = _inputs([one.name for one in forward.sources], inputs, place)
    tensors: dict[Source | Step, Tensor] = {}
    for source in forward.sources:
        tensors[source] = columns.get(source.name) or _told(forward, source, place)
    names = _names(forward)
    for step in forward.steps:
        tensors[step] = step.layer([tensors[one] for one in step.inputs], name=names.get(step))
    listed = [one for one in tensors.values() if isinstance(one, Input)]
    ends = {name: tensors[value] for name, value in forward.outputs.items()}
    return Graph(listed, {str(name): one for name, one in ends.items()} if None not in ends else list(ends.values()))


def as_graph(chain: Module, inputs: Inputs) -> Graph:
    """A chain with a column of its own; its weights have the same names."""
    (column,) = _inputs(["input"], inputs, type(chain).__name__).values()
    value: Tensor = column
    for at, layer in enumerate(chain if isinstance(chain, Sequential) else [chain]):
        value = layer(value, name=str(at))
    return Graph(column, value)


def _inputs(names: list[str], given: Inputs, place: str) -> dict[str, Input]:
    """The inputs that were given, by the names of the arguments."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if len(names) != 1:
            raise TypeError(
                f"from_torch: inputs must be a dictionary by the names of the arguments of forward, {', '.join(names)}, such as "
                f"inputs={{{names[0]!r}: [8]}}, not {given!r}"
            )
        given = {names[0]: given}
    for name in given:
        if name not in names:
            raise InvalidParameterError(
                f"from_torch: inputs has {name!r}, and the forward of {place} has the arguments {', '.join(names)}; those with a "
                "default have that and are no inputs"
            )
    single = len(names) == 1
    return {
        name: one if isinstance(one, Input) else Input(_COLUMN if single else name, one) for name, one in given.items()
    }


def _told(forward: Forward, source: Source, place: str) -> Input:
    """An input whose shape the Linear tells that reads it."""
    sizes: set[Any] = {step.layer._arguments.get("in_features") for step in forward.steps if source in step.inputs}
    sizes.discard(None)
    if len(sizes) != 1:
        raise InvalidParameterError(
            f"from_torch: the shape of {source.name!r}, an argument of the forward of {place}, is not told by what reads it, as "
            f"it is where that is a Linear; say it without the batch: from_torch(module, inputs={{{source.name!r}: [3, 32, 32]}})"
        )
    return Input(_COLUMN if len(forward.sources) == 1 else source.name, [sizes.pop()])
