"""What the builders of ``nn`` and ``optim`` are made of: objects that stand for JSON documents.

Nothing is computed here. Names, arguments, defaults and ranges come from the generated modules; the native library
checks shapes, and once more everything else.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import json
import math
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Union, cast, overload

from candlewick import _html
from candlewick._domains import Domain
from candlewick._elsewhere import no_argument, of_network, of_torch, of_value
from candlewick._formats import NETWORK_FORMAT
from candlewick._legal import arguments_by_name
from candlewick._masks import in_order
from candlewick._session import jvm
from candlewick._tensor import Tensor, is_whole, node
from candlewick.errors import InvalidParameterError, translated

if TYPE_CHECKING:
    from typing_extensions import Self


#: The classes of the catalogue by their names in documents; their modules are loaded with the package.
BUILDERS: dict[str, type[Document]] = {}
#: Where the classes of the catalogue are, beside what they are made of.
_GENERATED = ("candlewick.nn._", "candlewick.nn.init", "candlewick.optim.", "candlewick._stopping")


class Document:
    """An object that stands for a JSON document: a type and its arguments.

    Raises:
        InvalidParameterError: An argument is of another type or out of range.
    """

    #: What the arguments may be.
    _domains: ClassVar[Mapping[str, Domain]] = {}

    #: Of a layer whose input sizes may be left out: what can be given by position, in PyTorch's order; what has to be given;
    #: and the defaults of the rest.
    _full: ClassVar[Sequence[str]] = ()
    _short: ClassVar[Sequence[str]] = ()
    _optional: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        """Knows the classes of the catalogue; gives help() the full form of a layer that also has a short one."""
        super().__init_subclass__()
        if cls.__module__.startswith(_GENERATED):
            BUILDERS[cls.__name__] = cls
        if cls._full:
            own: Any = cls.__init__
            own.__signature__ = full_form(cls, getattr(typing, "get_overloads", lambda _: ())(own))
        elif cls.__module__.startswith(_GENERATED) and "__init__" in vars(cls):
            cls.__init__ = arguments_by_name(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = dict(arguments)
        for name, value in self._arguments.items():
            if name in self._domains:
                try:
                    self._domains[name].check(type(self).__name__, name, _plain(value, finite=False))
                except InvalidParameterError as error:
                    raise InvalidParameterError(f"{error}{of_value(self, name, value, BUILDERS)}") from None

    def to_dict(self) -> dict[str, Any]:
        """The document as a dictionary."""
        return {"type": type(self).__name__, **{name: _plain(value) for name, value in self._arguments.items()}}

    def to_json(self) -> str:
        """The document as JSON text."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_arguments(self._arguments)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and type(self) is type(other) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.to_json())


class NetworkBase(Document):
    """What can be trained: a module or a graph."""

    #: How parameters start that do not start as their layers say, in the order of the calls.
    _init: tuple[Mapping[str, Any], ...] = ()

    def _network(self) -> dict[str, Any]:
        """The document of the network without rules of how parameters start."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The document of the network as a dictionary; ``nn.from_json`` reads it."""
        return {**self._network(), **({"init": list(self._init)} if self._init else {})}

    def with_init(self, rules: InitRules) -> Self:
        """This network, some of whose parameters start otherwise than their layers say.

        Example:
            >>> from candlewick import nn
            >>> net = nn.Sequential(nn.Linear(64), nn.ReLU(), nn.Linear(10))
            >>> net = net.with_init({"*.weight": nn.init.xavier_uniform_(), "*.bias": nn.init.zeros_()})

        Args:
            rules: How parameters start, by a pattern of their names such as "0.weight" or a tuple of patterns (* stands
                for any characters, ? for one). The first that fits counts; earlier calls come first.
        """
        added = []
        for pattern, initializer in rules.items():
            if not isinstance(initializer, Initializer):
                hint = "; call it: add ()" if isinstance(initializer, type) else ""
                raise TypeError(
                    f"{pattern!r}: expected one of nn.init, such as nn.init.zeros_(), not {initializer!r}{hint}"
                )
            added.append({"params": _plain(pattern), **initializer.to_dict()})
        return self._with_rules((*self._init, *added))

    def _with_rules(self, rules: Sequence[Mapping[str, Any]]) -> Self:
        made = copy.copy(self)
        made._init = tuple(rules)
        return made

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        """Every layer: its place, its type, and the arguments or what it reads."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        rules = [_html.preformatted("\n".join(self._rules()))] if self._init else []
        return _html.titled(type(self).__name__, _html.table(["layer", "type", "arguments"], self._rows()), *rules)

    def _rules(self) -> list[str]:
        """The rules of how parameters start, each as a line of the repr."""
        lines = []
        for rule in self._init:
            arguments = {name: value for name, value in rule.items() if name not in ("params", "type")}
            lines.append(f"init {rule['params']!r}: {rule['type']}({_arguments(arguments)})")
        return lines

    def _inner(self) -> None:
        """Refuses to become a part of another network where that would lose something."""
        if self._init:
            raise ValueError(
                "how parameters start (with_init) is said of a whole network, not of a part of another: call with_init on "
                "the outermost network; nn.Sequential(*net, ...) takes the layers alone"
            )

    def summary(
        self,
        input_shape: int | Sequence[int] | None = None,
        batch_size: int | None = None,
        optimizer: Optimizer | None = None,
    ) -> str:
        """A table of the layers, with the memory that a training step needs. There must be a Spark session.

        Args:
            input_shape: Shape of a row's features, without the batch. A graph's inputs say it.
            batch_size: Rows of a step on one trainer. Left out: the default of the parameter.
            optimizer: Its state takes memory too. Left out: the default of the parameter.

        Returns:
            Every layer's place, type, shape of the output, trained parameters and buffers, and the totals.
        """
        document = self.to_dict()
        if input_shape is None:
            if "inputs" not in document:
                raise TypeError("summary needs input_shape, the shape of a row's features, such as 784 or [1, 28, 28]")
            input_shape = sum(math.prod(one["shape"]) for one in document["inputs"])
        sizes: list[Any] = list(input_shape) if isinstance(input_shape, Iterable) else [input_shape]
        if not all(is_whole(size) for size in sizes):
            raise TypeError(f"input_shape must be whole numbers, such as 784 or [1, 28, 28], not {input_shape!r}")
        shape = [int(size) for size in sizes]
        state = optimizer.to_dict() if optimizer else None
        request = {"network": document, "inputShape": shape, "batchSize": batch_size, "optimizer": state}
        text = json.dumps(request)
        with translated():
            java = jvm("summary of a network", "fit with epochs=0 checks a network, print(network) shows it")
            return str(java.candlewick.jni.Native.networkSummary(text))


class Module(NetworkBase):
    """A layer or a container of layers. Called with tensors (``nn.Input``), it is a node of a graph."""

    def layer(self) -> dict[str, Any]:
        """This module as an item of a network's ``layers``."""
        return Document.to_dict(self)

    def _item(self, place: str, known: dict[int, str]) -> dict[str, Any]:
        """This module at a place such as "2.0", with which its parameters' names begin; one of `known` is shared from there."""
        first = known.setdefault(id(self), place)
        return self.layer() if first == place else {"shares": first}

    def _network(self) -> dict[str, Any]:
        return {"format": NETWORK_FORMAT, "layers": [self._item("0", {})]}

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        return self._placed("0")

    def _placed(self, place: str) -> Iterator[tuple[str, str, str]]:
        """The rows of this module at a place of a network."""
        yield place, type(self).__name__, _arguments(self._arguments)

    def __repr__(self) -> str:
        # A container says its rules with its layers.
        return "\n".join([super().__repr__(), *self._rules()])

    def __call__(self, *inputs: Any, name: str | None = None, **mask: Tensor) -> Tensor:
        """Puts this layer into a graph, behind these tensors (one by one, or as one list).

        Example:
            >>> from candlewick import nn
            >>> words = nn.Input("words", shape=[20])
            >>> code = nn.Embedding(1000, 16, padding_idx=0)(words)
            >>> last = nn.GRU(32, output="last")(code, padding_mask=nn.Eq(0)(words))
            >>> net = nn.Graph([words], {"score": nn.Linear(1)(last)})

        Args:
            *inputs: What it reads: inputs of the graph and results of other layers.
            name: Name of the node, with which the names of its parameters begin. Left out: the layer's type and a
                number, such as "linear_1".
            **mask: Which steps of the sequence are padding, a tensor of a number for each step that is not 0 where the step
                is: ``padding_mask`` of RNN, LSTM and GRU, whose states pass over such steps and whose outputs there are 0;
                ``key_padding_mask`` of MultiheadAttention; ``src_key_padding_mask`` of TransformerEncoder and
                TransformerEncoderLayer; ``memory_key_padding_mask`` of TransformerDecoderLayer, with or without
                ``tgt_key_padding_mask``.
        """
        self._inner()
        masks = in_order(type(self).__name__, mask)
        if mask and len(inputs) == 1 and isinstance(inputs[0], (list, tuple)):
            inputs = tuple(inputs[0])
        return node(self, (*inputs, *masks), name)


class Container(Module):
    """A module that holds others."""

    def __init__(self, *modules: Module, **arguments: Any) -> None:
        for index, module in enumerate(modules):
            if not isinstance(module, Module):
                hint = ""
                if isinstance(module, Tensor):
                    hint = f"; a layer is made first and then called: nn.{type(self).__name__}()(a, b)"
                elif isinstance(module, (list, tuple)):
                    hint = f"; unpack the list: nn.{type(self).__name__}(*layers)"
                elif isinstance(module, type) and issubclass(module, Module):
                    hint = "; call it: add ()"
                elif isinstance(module, Network):
                    hint = "; a graph is a network of its own"
                else:
                    hint = of_network(module)
                raise TypeError(
                    f"{type(self).__name__} holds layers such as nn.Linear(10); argument {index} is "
                    f"{module!r} of type {type(module).__name__}{hint}"
                )
            module._inner()
        super().__init__(arguments)
        self._modules = tuple(modules)

    def layer(self) -> dict[str, Any]:
        return self._with_layers([module.layer() for module in self._modules])

    def _with_layers(self, layers: list[dict[str, Any]]) -> dict[str, Any]:
        return {**super().layer(), **({"layers": layers} if layers else {})}

    def _items(self, place: str, known: dict[int, str]) -> list[dict[str, Any]]:
        """Its layers at their places; `place` is its own, empty for a whole network."""
        return [module._item(f"{place}.{at}" if place else str(at), known) for at, module in enumerate(self._modules)]

    def _item(self, place: str, known: dict[int, str]) -> dict[str, Any]:
        if known.setdefault(id(self), place) != place:
            return super()._item(place, known)
        return self._with_layers(self._items(place, known))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Module:
        if not isinstance(index, slice):
            return self._modules[index]
        made = type(self)(*self._modules[index], **self._arguments)
        return made._with_rules(self._renumbered(range(len(self))[index]))

    def _placed(self, place: str) -> Iterator[tuple[str, str, str]]:
        yield from super()._placed(place)
        for at, module in enumerate(self._modules):
            yield from module._placed(f"{place}.{at}")

    def _renumbered(self, kept: Sequence[int]) -> list[Mapping[str, Any]]:
        """The rules of how parameters start for these layers alone."""
        if self._init:
            raise ValueError("a part of a network with rules of how its parameters start: call with_init on the part")
        return []

    def __repr__(self) -> str:
        rows = [f"({i}): {module!r}".replace("\n", "\n  ") for i, module in enumerate(self._modules)]
        rows += [_arguments(self._arguments)] if self._arguments and rows else []
        if not rows:
            return super().__repr__()
        rows += self._rules()
        return f"{type(self).__name__}(" + "".join(f"\n  {row}" for row in rows) + "\n)"


class Sequential(Container):
    """Layers one after another; may hold further Sequentials.

    It can be taken apart and put together anew: ``net[:-1]`` is a Sequential, ``net[0]`` a layer, ``net + other`` has the
    layers of both, and ``nn.Sequential(*net[:-1], nn.Linear(5))`` has another end. A layer that stands in it twice has one
    set of weights, as in PyTorch.

    Example:
        >>> from candlewick import nn
        >>> net = nn.Sequential(nn.Linear(64), nn.ReLU(), nn.Linear(10))
        >>> nn.Sequential(*net[:-1], nn.Linear(5))
        Sequential(
          (0): Linear(out_features=64, bias=True)
          (1): ReLU()
          (2): Linear(out_features=5, bias=True)
        )

    Args:
        *modules: The layers, in the order in which the rows go through them; or one list of them.
    """

    def __init__(self, *modules: Module | Sequence[Module]) -> None:
        first = modules[0] if len(modules) == 1 else None
        # As Keras takes them; a list of layers beside others is a mistake.
        listed = first if isinstance(first, (list, tuple)) else modules
        super().__init__(*cast("Sequence[Module]", listed))

    def _with_layers(self, layers: list[dict[str, Any]]) -> dict[str, Any]:
        return {"layers": [], **super()._with_layers(layers)}

    def _network(self) -> dict[str, Any]:
        return {"format": NETWORK_FORMAT, "layers": self._items("", {})}

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        for at, module in enumerate(self):
            yield from module._placed(str(at))

    def __add__(self, other: object) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        if other._init:
            other._inner()
        return Sequential(*self, *other)._with_rules(self._init)

    def _renumbered(self, kept: Sequence[int]) -> list[Mapping[str, Any]]:
        """The rules for these layers: those that name a layer by its number name the new one, if it is there."""
        places = {str(old): str(new) for new, old in enumerate(kept)}
        rules: list[Mapping[str, Any]] = []
        for rule in self._init:
            patterns = [rule["params"]] if isinstance(rule["params"], str) else rule["params"]
            moved = [_moved(pattern, places) for pattern in patterns]
            found = [pattern for pattern in moved if pattern is not None]
            if found:
                rules.append({**rule, "params": found[0] if isinstance(rule["params"], str) else found})
        return rules


def _moved(pattern: str, places: Mapping[str, str]) -> str | None:
    """The pattern of parameters' names after layers got other numbers; None where its layer is gone."""
    first, dot, rest = pattern.partition(".")
    if first.isdigit():
        return f"{places[first]}{dot}{rest}" if first in places else None
    if first.startswith("*"):
        return pattern
    raise ValueError(
        f"with_init's pattern {pattern!r} cannot follow layers to other numbers: call with_init on the part"
    )


BUILDERS["Sequential"] = Sequential


class Loss(Document):
    """A loss."""


class Optimizer(Document):
    """An optimiser."""


class LRScheduler(Document):
    """A schedule of the learning rate."""


class Initializer(Document):
    """How a parameter starts, made by ``nn.init``."""


class Stopping(Document):
    """A rule that ends training early."""


class Network(NetworkBase):
    """A network that is not a single module."""


NetworkLike = Union[Module, Network, Mapping[str, Any], str]
#: A mapping's keys are of one type for type checkers, so each is named.
InitRules = Union[
    Mapping[str, Initializer], Mapping[tuple[str, ...], Initializer], Mapping[Union[str, tuple[str, ...]], Initializer]
]
LossLike = Union[Loss, Mapping[str, Any], str]
OptimizerLike = Union[Optimizer, Mapping[str, Any], str]
SchedulerLike = Union[LRScheduler, Mapping[str, Any], str]
StoppingLike = Union[Stopping, Mapping[str, Any], str]


def full_form(kind: type[Document], forms: Sequence[Any]) -> inspect.Signature:
    """The full form of a layer that also has a short one; `forms` are its overloads, which Python 3.10 does not know."""
    if forms:
        return inspect.signature(forms[-1])
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for name in [*kind._full, *(name for name in kind._optional if name not in kind._full)]:
        place = inspect.Parameter.POSITIONAL_OR_KEYWORD if name in kind._full else inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, place, default=kind._optional.get(name, inspect.Parameter.empty)))
    return inspect.Signature(parameters, return_annotation="None")


def bind(kind: type[Document], positional: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a layer whose input size may be left out.

    At most as many positional arguments as the short form has: the short form, without the sizes of the input, in which
    the others are given by name. More: PyTorch's full order. What is neither in the short form nor optional is a size of
    the input.

    Args:
        kind: The layer.
        positional: The arguments by position.
        named: Those by name.
    """
    owner, full, short, optional = kind.__name__, kind._full, kind._short, kind._optional
    every = [*full, *(name for name in optional if name not in full)]
    is_short = len(positional) <= len(short) and not set(short[: len(positional)]) & set(named)
    order = short if is_short else full
    if len(positional) > len(order):
        raise TypeError(
            f"{owner} takes at most {len(full)} positional arguments ({', '.join(full)}), not {len(positional)}"
        )
    values = dict(zip(order, positional, strict=False))
    for name, value in named.items():
        if name not in every:
            raise TypeError(no_argument(owner, name, every))
        if name in values:
            raise TypeError(f"{owner} got '{name}' twice, by position and by name")
        values[name] = value
    missing = [name for name in short if name not in values]
    if missing:
        raise TypeError(f"{owner} is missing {', '.join(missing)}")
    # A size of the input that is left out stays out of the document.
    return {name: values.get(name, optional.get(name)) for name in every if name in values or name in optional}


def to_network(value: object) -> str:
    """The JSON text of a network: of a module, a dictionary or a text."""
    return to_text(value, (Module, Network), "nn.Sequential(...)")


def to_optimizer(value: object) -> str:
    """The JSON text of an optimiser."""
    return to_text(value, Optimizer, "an optimiser such as optim.AdamW(lr=1e-3)")


def to_scheduler(value: object) -> str:
    """The JSON text of a schedule."""
    return to_text(value, LRScheduler, "a schedule such as optim.lr_scheduler.StepLR(step_size=10)")


def to_stopping(value: object) -> str:
    """The JSON text of a rule of early stopping."""
    return to_text(value, Stopping, 'a rule such as EarlyStopping("val_loss", patience=3)')


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def to_text(value: object, wanted: type[Document] | tuple[type[Document], ...], name: str) -> str:
    """The JSON text of a builder's object, a dictionary or a text; `name` says in errors what was expected."""
    if isinstance(value, wanted):
        return DocumentText(value.to_json())
    if isinstance(value, Mapping):
        return DocumentText(json.dumps(_plain(value)))
    if not isinstance(value, str):
        hint = (
            "; call it: add ()" if isinstance(value, type) and issubclass(value, wanted) else of_torch(value, BUILDERS)
        )
        if Module in (wanted if isinstance(wanted, tuple) else ()):
            hint = of_network(value) or hint
        raise TypeError(f"expected {name}, its dictionary or its JSON text, not {value!r}{hint}")
    if not value.lstrip().startswith(("{", "[")):
        return _of_name(value, wanted, name)
    try:
        document = json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected {name} or its JSON text; the text is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"expected {name} or its JSON text; the text is not a JSON object: {value}")
    return DocumentText(value)


def _of_name(text: str, wanted: type[Document] | tuple[type[Document], ...], name: str) -> str:
    """The JSON text of what has this name, in any case of letters, and needs no arguments."""
    named = {} if isinstance(wanted, tuple) else {one.__name__: one for one in wanted.__subclasses__()}
    found: list[Any] = [one for known, one in named.items() if known.lower() == text.lower()]
    if found:
        try:
            return DocumentText(found[0]().to_json())
        except TypeError as error:
            raise ValueError(f"{found[0].__name__} cannot be given by its name alone: {error}") from error
    near = difflib.get_close_matches(text.lower(), [known.lower() for known in named], n=1)
    hint = next((f"; did you mean '{known}'?" for known in named if [known.lower()] == near), "")
    raise ValueError(f"expected {name}, its dictionary or its JSON text, not {text!r}{hint}")


class DocumentText(str):
    """The JSON text of a document, which shows itself as builders do: param maps hold it, and are printed."""

    def __repr__(self) -> str:
        """Such as ``Sequential(Linear(8), ReLU(), Linear(3))``, cut where it is long."""
        text = _shown(json.loads(self))
        return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


#: Characters of a document that are shown.
_SHOWN = 160


def _shown(value: Any) -> str:
    """A document with what differs from the defaults of its builder."""
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if not isinstance(value, dict):
        return repr(value)
    if "nodes" in value:
        return f"Graph({len(value['nodes'])} nodes)"
    kind = value.get("type", "Sequential" if "layers" in value else None)
    if kind is None:
        return f"layer {value['shares']} again" if "shares" in value else repr(value)
    defaults = _defaults(kind)
    arguments = [_shown(item) for item in value.get("layers", [])]
    for name, item in value.items():
        if name in ("type", "layers", "format", "input") or (name in defaults and _plain(defaults[name]) == item):
            continue
        arguments.append(_shown(item) if name not in defaults else f"{name}={_shown(item)}")
    return f"{kind}({', '.join(arguments)})"


def _defaults(kind: str) -> dict[str, Any]:
    """The defaults of the arguments of a builder."""
    open_kinds: list[type[Document]] = [Document]
    while open_kinds:
        one = open_kinds.pop()
        if one.__name__ == kind:
            parameters = inspect.signature(one).parameters.values()
            return {given.name: given.default for given in parameters if given.default is not given.empty}
        open_kinds += one.__subclasses__()
    return {}


def _plain(value: Any, *, finite: bool = True) -> Any:
    """The value with documents, NumPy scalars, tuples and mappings as what JSON knows.

    Args:
        value: Any value.
        finite: Refuse numbers that are NaN or infinite.
    """
    if isinstance(value, Module):
        return value.layer()
    if isinstance(value, Document):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(item, finite=finite) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, finite=finite) for item in value]
    if hasattr(value, "tolist") and callable(value.tolist):
        # NumPy's and PyTorch's scalars and arrays.
        return _plain(value.tolist(), finite=finite)
    if finite and isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not allowed; the number must be finite")
    return value
