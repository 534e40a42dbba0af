"""Graph networks: the document of layers that were called with tensors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from candlewick._document import Network
from candlewick._formats import NETWORK_FORMAT
from candlewick._tensor import Input, Tensor, check_name


class Graph(Network):
    """A network of any shape: columns come in, named outputs go out.

    Example:
        >>> from candlewick import nn
        >>> user, item = nn.Input("user", shape=[8]), nn.Input("item", shape=[4])
        >>> hidden = nn.ReLU()(nn.Linear(16)(nn.Concat()(user, item)))
        >>> net = nn.Graph(inputs=[user, item], outputs={"score": nn.Linear(1)(hidden)})

        A layer that is called again has the same weights: two towers of one kind.

        >>> left, right = nn.Input("left", shape=[8]), nn.Input("right", shape=[8])
        >>> tower = nn.Sequential(nn.Linear(16), nn.Tanh())
        >>> net = nn.Graph([left, right], {"score": nn.Linear(1)(nn.Multiply()(tower(left), tower(right)))})

    Args:
        inputs: All inputs; their columns make the features in this order.
        outputs: A tensor for each name; the node takes that name. Or a tensor, or a list of tensors.
    """

    def __init__(
        self, inputs: Sequence[Input] | Input, outputs: Mapping[str, Tensor] | Sequence[Tensor] | Tensor
    ) -> None:
        listed = [inputs] if isinstance(inputs, Input) else list(inputs)
        wrong = next((value for value in listed if not isinstance(value, Input)), None)
        if wrong is not None or not listed:
            raise TypeError(f"inputs must be a list of nn.Input, not {wrong if listed else inputs!r}")
        wanted = _outputs(outputs)
        nodes = _reached([tensor for _, tensor in wanted], listed)
        names, aliases = _names(listed, nodes, wanted)
        items: list[dict[str, Any]] = []
        taken = set(names.values())
        known: dict[int, str] = {}
        for value in nodes:
            if value._layer is None:
                continue
            item: dict[str, Any] = {"name": names[value], "inputs": [names[source] for source in value._inputs]}
            layer = value._layer._item(names[value], known)
            # The layer of a node is shared by the node's name, one within it as an item of a list is.
            items.append({**item, **(layer if layer.get("shares") in taken else {"layer": layer})})
        # A sum of one: the same values under another name.
        items += [{"name": name, "inputs": [source], "layer": {"type": "Add"}} for name, source in aliases]
        super().__init__({})
        self._layers = [repr(value._layer) for value in nodes if value._layer is not None] + ["Add()"] * len(aliases)
        self._document: dict[str, Any] = {
            "format": NETWORK_FORMAT,
            "inputs": [{"name": value.name, "shape": value.shape} for value in listed],
            "nodes": items,
            "outputs": [name or names[tensor] for name, tensor in wanted],
        }

    def _network(self) -> dict[str, Any]:
        return self._document

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        for one in self._document["inputs"]:
            yield one["name"], "Input", f"shape={one['shape']}"
        for one, layer in zip(self._document["nodes"], self._layers, strict=True):
            own = one.get("layer", one)
            kind, what = (own["type"], layer) if "type" in own else ("again", own["shares"])
            yield one["name"], kind, f"{what} of {', '.join(one['inputs'])}"

    def __repr__(self) -> str:
        document = self._document
        rows = [f"({one['name']}): Input(shape={one['shape']})" for one in document["inputs"]]
        for one, layer in zip(document["nodes"], self._layers, strict=True):
            own = one.get("layer", one)
            what = layer if "type" in own else f"{own['shares']} again"
            rows.append(f"({one['name']}): {what}({', '.join(one['inputs'])})".replace("\n", "\n  "))
        rows += self._rules()
        return "Graph(\n  " + "\n  ".join(rows) + f"\n) -> {', '.join(document['outputs'])}"


def _outputs(outputs: Any) -> list[tuple[str | None, Tensor]]:
    """The outputs with the names that were given for them."""
    pairs: list[tuple[Any, Any]]
    if isinstance(outputs, Mapping):
        pairs = list(outputs.items())
    else:
        pairs = [(None, value) for value in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
    if not pairs:
        raise ValueError("outputs is empty; a graph needs at least one")
    for name, value in pairs:
        if not isinstance(value, Tensor):
            what = "outputs" if name is None else f"output {name!r}"
            raise TypeError(f"{what} is {value!r} of type {type(value).__name__}, not what a layer returned")
        if isinstance(value, Input) and name is None:
            raise ValueError(f"the input {value.name!r} is an output without a name of its own; give it one")
    return pairs


def _reached(ends: list[Tensor], inputs: list[Input]) -> list[Tensor]:
    """The nodes that the outputs need, in the order in which they were made, which is one that can be computed in."""
    found: set[Tensor] = set()
    rest = list(ends)
    while rest:
        value = rest.pop()
        if value not in found:
            found.add(value)
            rest.extend(value._inputs)
    known = set(inputs)
    for value in sorted(found, key=lambda one: one._at):
        if isinstance(value, Input) and value not in known:
            same = any(one.name == value.name for one in inputs)
            hint = "; the one of that name there is another nn.Input: make it once and use it in both" if same else ""
            raise ValueError(f"the outputs need the input {value.name!r}, which is not listed in inputs{hint}")
    for column in inputs:
        if column not in found:
            raise ValueError(f"no output needs the input {column.name!r}; use it, or leave it out of inputs")
    return sorted((one for one in found if not isinstance(one, Input)), key=lambda one: one._at)


def _names(
    inputs: list[Input], nodes: list[Tensor], outputs: list[tuple[str | None, Tensor]]
) -> tuple[dict[Tensor, str], list[tuple[str, str]]]:
    """A name for every tensor; and outputs that are another name for one, with that one's name."""
    names: dict[Tensor, str] = {}
    taken: set[str] = set()

    def name(value: Tensor, wanted: str) -> None:
        if wanted in taken:
            raise ValueError(f"the name {wanted!r} is given twice; inputs, nodes and outputs have names of their own")
        taken.add(wanted)
        names[value] = wanted

    for value in [*inputs, *nodes]:
        if value._name is not None:
            name(value, value._name)
    again = []
    for wanted, value in outputs:
        if wanted is None or names.get(value) == wanted:
            continue
        if value in names:
            again.append((wanted, value))
        else:
            check_name(wanted)
            name(value, wanted)
    for wanted, _ in again:
        if wanted in taken:
            raise ValueError(f"the name {wanted!r} is given twice; inputs, nodes and outputs have names of their own")
        taken.add(wanted)
    count: dict[str, int] = {}
    for value in nodes:
        if value not in names:
            kind = type(value._layer).__name__.lower()
            free = (f"{kind}_{i}" for i in itertools.count(count.get(kind, 0) + 1))
            chosen = next(one for one in free if one not in taken)
            count[kind] = int(chosen.rsplit("_", 1)[1])
            name(value, chosen)
    return names, [(wanted, names[value]) for wanted, value in again]
