"""Documents as the builders' objects: the way back from JSON."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from candlewick._document import (
    BUILDERS,
    Container,
    Document,
    Initializer,
    Loss,
    LRScheduler,
    Module,
    Network,
    Optimizer,
    Sequential,
    Stopping,
)
from candlewick._formats import NETWORK_FORMAT
from candlewick._graph import Graph
from candlewick._tensor import Input, Tensor
from candlewick.errors import InvalidParameterError

D = TypeVar("D", bound=Document)


def from_json(text: str | bytes | Mapping[str, Any]) -> Sequential | Any:
    """The network of a JSON document, such as ``to_json`` of another one wrote, or a model's ``networkJson``.

    Example:
        >>> from candlewick import nn
        >>> net = nn.Sequential(nn.Linear(16), nn.ReLU(), nn.Linear(3))
        >>> nn.from_json(net.to_json()) == net
        True

    Args:
        text: The document, as text or as a dictionary.

    Returns:
        An ``nn.Sequential`` or ``nn.Graph`` that can be trained, taken apart and extended; which one only the document tells,
        so type checkers take it for what the code says.

    Raises:
        InvalidParameterError: It is no such document, or has a layer or argument that does not exist.
    """
    document = _object("the network", text)
    if document.get("format") != NETWORK_FORMAT:
        raise InvalidParameterError(
            f'the network: expected "format": "{NETWORK_FORMAT}", got {document.get("format", "none")!r}; '
            "net.to_json() writes such a document"
        )
    rules = []
    given: Sequence[Any] = document.get("init") or []
    for at, rule in enumerate(given):
        if not isinstance(rule, Mapping):
            raise InvalidParameterError(f"init.{at}: expected an object with a type and params, got {rule!r}")
        initializer = {name: value for name, value in rule.items() if name != "params"}
        rules.append({"params": rule.get("params"), **_made(initializer, Initializer, f"init.{at}").to_dict()})
    if "nodes" in document:
        return _graph(document)._with_rules(rules)
    return _sequence(document)._with_rules(rules)


def as_network(text: str) -> Sequential | Any:
    """The network that a parameter holds."""
    return from_json(text)


def as_loss(text: str) -> Loss:
    """The loss that a parameter holds."""
    return _made(_object("the loss", text), Loss, "the loss")


def as_optimizer(text: str) -> Optimizer:
    """The optimiser that a parameter holds."""
    return _made(_object("the optimizer", text), Optimizer, "the optimizer")


def as_scheduler(text: str) -> LRScheduler:
    """The schedule that a parameter holds."""
    return _made(_object("the schedule", text), LRScheduler, "the schedule")


def as_stopping(text: str) -> Stopping:
    """The rule of early stopping that a parameter holds."""
    # There is one kind, and its documents may leave its type out.
    return _made({"type": "EarlyStopping", **_object("early stopping", text)}, Stopping, "early stopping")


def _object(what: str, text: str | bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        document = json.loads(text) if isinstance(text, (str, bytes)) else text
    except ValueError as error:
        raise InvalidParameterError(f"{what}: the text is not JSON: {error}") from None
    if not isinstance(document, Mapping):
        raise InvalidParameterError(f"{what}: expected a JSON object, got {document!r}")
    return document


def _layer(document: Any, place: str, path: str, known: dict[str, Module]) -> Module:
    """A layer of a list; one that shares another's is that one.

    Args:
        document: Its document.
        place: Where it stands, for messages.
        path: The same as the names of parameters have it.
        known: The layers so far, by their paths.
    """
    if isinstance(document, Mapping) and "shares" in document:
        shared = document["shares"]
        if not isinstance(shared, str) or shared not in known:
            raise InvalidParameterError(
                f'{place}: "shares" must be the place of an earlier layer, such as "0", got {shared!r}'
            )
        return known[shared]
    known[path] = _made(document, Module, place, path, known)
    return known[path]


def _made(document: Any, kind: type[D], place: str, path: str = "", known: dict[str, Module] | None = None) -> D:
    """The object of one document; `place` is where it stands, for messages, `path` and `known` are those of a layer."""
    if not isinstance(document, Mapping):
        raise InvalidParameterError(f"{place}: expected an object with a type, got {document!r}")
    name = document.get("type")
    found = BUILDERS.get(name) if isinstance(name, str) else None
    if found is None or not issubclass(found, kind):
        names = [each for each, one in BUILDERS.items() if issubclass(one, kind)]
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidParameterError(f"{place}: there is no {kind.__name__} of type {name!r}{hint}")
    arguments = {each: value for each, value in document.items() if each not in ("type", "format")}
    inner: list[Any] = []
    if issubclass(found, Container):
        listed = arguments.pop("layers", None) or ()
        if not isinstance(listed, (list, tuple)):
            raise InvalidParameterError(f'{place}: "layers" must be a list, got {listed!r}')
        layers: dict[str, Module] = {} if known is None else known
        inner = [_layer(layer, f"{place}.layers.{at}", f"{path}.{at}", layers) for at, layer in enumerate(listed)]
    values = {each: _value(value, f"{place} ({name}) {each}") for each, value in arguments.items()}
    unknown = next((each for each in values if each not in found._domains), None)
    if unknown is not None:
        has = ", ".join(found._domains) or "none"
        raise InvalidParameterError(f"{place}: {name} has no argument {unknown!r}; it has {has}")
    try:
        return found(*inner, **values)
    except (TypeError, InvalidParameterError) as error:
        # An argument is missing, or out of range.
        raise InvalidParameterError(f"{place}: {error}") from None


def _value(value: Any, place: str) -> Any:
    """An argument's value: documents in it become what they stand for."""
    if isinstance(value, Mapping) and value.get("type") in BUILDERS:
        return _made(value, Document, place)
    if isinstance(value, list):
        return [_value(item, f"{place}.{at}") for at, item in enumerate(value)]
    return value


def _sequence(document: Mapping[str, Any]) -> Sequential:
    layers = document.get("layers")
    if not isinstance(layers, list):
        raise InvalidParameterError('the network: the list "layers" is missing')
    known: dict[str, Module] = {}
    return Sequential(*(_layer(layer, f"layers.{at}", str(at), known) for at, layer in enumerate(layers)))


def _part(document: object, key: str, place: str, kind: type | tuple[type, ...] = (list, tuple)) -> Any:
    """A part of a graph's document that must be there, a list or a text."""
    found = document.get(key) if isinstance(document, Mapping) else None
    if not isinstance(found, kind):
        what = "a text" if kind is str else "a list"
        raise InvalidParameterError(f'{place}: "{key}" must be {what}, got {"none" if found is None else repr(found)}')
    return found


def _graph(document: Mapping[str, Any]) -> Network:
    whole = "the network"
    columns = [
        (_part(one, "name", f"inputs.{at}", str), _part(one, "shape", f"inputs.{at}"))
        for at, one in enumerate(_part(document, "inputs", whole))
    ]
    try:
        inputs = [Input(name, shape) for name, shape in columns]
    except ValueError as error:
        raise InvalidParameterError(f"inputs: {error}") from None
    known: dict[str, Tensor] = {one.name: one for one in inputs}
    layers: dict[str, Module] = {}
    inner: dict[str, Module] = {}
    for at, node in enumerate(_part(document, "nodes", whole)):
        name = _part(node, "name", f"nodes.{at}", str)
        sources = _part(node, "inputs", f"nodes.{at} ({name})")
        for source in sources:
            if source not in known:
                raise InvalidParameterError(
                    f"nodes.{at} ({name}): there is no input or earlier node {source!r}; there are {', '.join(known)}"
                )
        if "shares" in node and node["shares"] not in layers:
            raise InvalidParameterError(
                f'nodes.{name}: "shares" must be the name of an earlier node with a layer, got {node["shares"]!r}'
            )
        layer = layers[node["shares"]] if "shares" in node else _layer(node.get("layer"), f"nodes.{name}", name, inner)
        if "shares" not in node:
            layers[name] = layer
        known[name] = layer(*(known[source] for source in sources), name=name)
    outputs = _part(document, "outputs", whole)
    gone = next((name for name in outputs if name not in known), None)
    if gone is not None:
        raise InvalidParameterError(f"outputs: there is no node {gone!r}; there are {', '.join(known)}")
    return Graph(inputs, {name: known[name] for name in outputs})
