"""What the builders of ``nn`` and ``optim`` are made of: objects that stand for JSON documents.

Nothing is computed here. Names, arguments, defaults and ranges come from the generated modules; the native library
checks shapes, and once more everything else.
"""

from __future__ import annotations

import difflib
import inspect
import json
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Union, overload

from pyspark.ml.param import TypeConverters

from candlewick._domains import Domain
from candlewick._formats import NETWORK_FORMAT
from candlewick._session import jvm
from candlewick._tensor import Tensor, node
from candlewick.errors import translated


class Document:
    """An object that stands for a JSON document: a type and its arguments.

    Raises:
        InvalidParameterError: An argument is of another type or out of range.
    """

    #: What the arguments may be.
    _domains: ClassVar[Mapping[str, Domain]] = {}

    def __init_subclass__(cls) -> None:
        """Gives help() and inspect.signature the full form of a layer that also has a short one."""
        super().__init_subclass__()
        # Python 3.10 does not know the overloads of a function; its help() shows *args, **kwargs.
        forms: Sequence[Any] = getattr(typing, "get_overloads", lambda _: [])(cls.__init__)
        if forms:
            full = inspect.signature(forms[-1])
            cls.__signature__ = full.replace(parameters=list(full.parameters.values())[1:])  # type: ignore[attr-defined]

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = dict(arguments)
        for name, value in self._arguments.items():
            if name in self._domains:
                self._domains[name].check(type(self).__name__, name, _plain(value, finite=False))

    def to_dict(self) -> dict[str, Any]:
        """The document as a dictionary."""
        return {"type": type(self).__name__, **{name: _plain(value) for name, value in self._arguments.items()}}

    def to_json(self) -> str:
        """The document as JSON text."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_arguments(self._arguments)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.to_json())


class NetworkBase(Document):
    """What can be trained: a module or a graph."""

    def with_init(self, rules: InitRules) -> Network:
        """This network, some of whose parameters start otherwise than their layers say.

        Example:
            >>> from candlewick import nn
            >>> net = nn.Sequential(nn.Linear(64), nn.ReLU(), nn.Linear(10))
            >>> net = net.with_init({"*.weight": nn.init.xavier_uniform_(), "*.bias": nn.init.zeros_()})

        Args:
            rules: How parameters start, by a pattern of their names such as "0.weight" or a tuple of patterns (* stands
                for any characters, ? for one). The first that fits counts; earlier calls come first.
        """
        document = self.to_dict()
        added = []
        for pattern, initializer in rules.items():
            if not isinstance(initializer, Initializer):
                hint = "; call it: add ()" if isinstance(initializer, type) else ""
                raise TypeError(
                    f"{pattern!r}: expected one of nn.init, such as nn.init.zeros_(), not {initializer!r}{hint}"
                )
            added.append({"params": _plain(pattern), **initializer.to_dict()})
        return NetworkDocument({**document, "init": [*document.get("init", []), *added]})

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
        shape = [input_shape] if isinstance(input_shape, int) else list(input_shape)
        state = optimizer.to_dict() if optimizer else None
        request = {"network": document, "inputShape": shape, "batchSize": batch_size, "optimizer": state}
        text = json.dumps(request)
        with translated():
            return str(jvm().candlewick.jni.Native.networkSummary(text))


#: What the mask of padding is called that a layer takes behind its inputs.
_MASKS = {
    **dict.fromkeys(("RNN", "LSTM", "GRU"), "padding_mask"),
    "MultiheadAttention": "key_padding_mask",
    **dict.fromkeys(("TransformerEncoder", "TransformerEncoderLayer"), "src_key_padding_mask"),
}


class Module(NetworkBase):
    """A layer or a container of layers. Called with tensors (``nn.Input``), it is a node of a graph."""

    def layer(self) -> dict[str, Any]:
        """This module as an item of a network's ``layers``."""
        return super().to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The document of the network that consists of this module."""
        return {"format": NETWORK_FORMAT, "layers": [self.layer()]}

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
                TransformerEncoderLayer.
        """
        wanted = _MASKS.get(type(self).__name__)
        for given in mask:
            if given != wanted:
                hint = f"; its mask is {wanted}" if wanted else ""
                raise TypeError(f"{type(self).__name__} is called with {given!r}, which it does not take{hint}")
        if mask and len(inputs) == 1 and isinstance(inputs[0], (list, tuple)):
            inputs = tuple(inputs[0])
        return node(self, (*inputs, *mask.values()), name)


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
                raise TypeError(
                    f"{type(self).__name__} holds layers such as nn.Linear(10); argument {index} is "
                    f"{module!r} of type {type(module).__name__}{hint}"
                )
        super().__init__(arguments)
        self._modules = modules

    def layer(self) -> dict[str, Any]:
        layers = {"layers": [module.layer() for module in self._modules]} if self._modules else {}
        return {**super().layer(), **layers}

    def __len__(self) -> int:
        return len(self._modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Container: ...

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return type(self)(*self._modules[index], **self._arguments)
        return self._modules[index]

    def __repr__(self) -> str:
        rows = [f"({i}): {module!r}".replace("\n", "\n  ") for i, module in enumerate(self._modules)]
        rows += [_arguments(self._arguments)] if self._arguments and rows else []
        if not rows:
            return super().__repr__()
        return f"{type(self).__name__}(" + "".join(f"\n  {row}" for row in rows) + "\n)"


class Sequential(Container):
    """Layers one after another; may hold further Sequentials.

    Args:
        *modules: The layers, in the order in which the rows go through them.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(*modules)

    def layer(self) -> dict[str, Any]:
        return {"layers": [], **super().layer()}

    def to_dict(self) -> dict[str, Any]:
        return {"format": NETWORK_FORMAT, "layers": self.layer()["layers"]}


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


class NetworkDocument(Network):
    """A network that is known by its document: one with rules of how its parameters start, or that of a model."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__({})
        self._document = dict(document)

    def to_dict(self) -> dict[str, Any]:
        return self._document

    def __repr__(self) -> str:
        return f"NetworkDocument({self.to_json()})"


NetworkLike = Union[Module, Network, Mapping[str, Any], str]
#: A mapping's keys are of one type for type checkers, so each is named.
InitRules = Union[
    Mapping[str, Initializer], Mapping[tuple[str, ...], Initializer], Mapping[Union[str, tuple[str, ...]], Initializer]
]
LossLike = Union[Loss, Mapping[str, Any], str]
OptimizerLike = Union[Optimizer, Mapping[str, Any], str]
SchedulerLike = Union[LRScheduler, Mapping[str, Any], str]
StoppingLike = Union[Stopping, Mapping[str, Any], str]


def bind(
    owner: str,
    full: Sequence[str],
    short: Sequence[str],
    optional: Mapping[str, Any],
    given: tuple[tuple[Any, ...], Mapping[str, Any]],
) -> dict[str, Any]:
    """Arguments of a layer whose input size may be left out.

    At most as many positional arguments as the short form has: the short form, without the sizes of the input, in which
    the others are given by name. More: PyTorch's full order.

    Args:
        owner: Name of the layer.
        full: What can be given by position, in PyTorch's order.
        short: What has to be given; in ``full``, what is neither here nor in ``optional`` is a size of the input.
        optional: The arguments that have a default, and their defaults.
        given: The arguments by position and those by name.
    """
    positional, named = given
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
            raise TypeError(f"{owner} has no argument '{name}'; it has {', '.join(every)}")
        if name in values:
            raise TypeError(f"{owner} got '{name}' twice, by position and by name")
        values[name] = value
    missing = [name for name in short if name not in values]
    if missing:
        raise TypeError(f"{owner} is missing {', '.join(missing)}")
    # A size of the input that is left out stays out of the document.
    return {name: values.get(name, optional.get(name)) for name in every if name in values or name in optional}


def to_int(value: Any) -> int:
    """A whole number that Java's Int holds; PySpark's converter lets larger ones through, and the JVM fails on them."""
    return _within(TypeConverters.toInt(value), 31)


def to_long(value: Any) -> int:
    """A whole number that Java's Long holds."""
    return _within(TypeConverters.toInt(value), 63)


def _within(value: int, bits: int) -> int:
    if not -(1 << bits) <= value < 1 << bits:
        raise TypeError(f"{value} is outside of {-(1 << bits)} to {(1 << bits) - 1}")
    return value


def to_switch(value: object) -> str:
    """A text; of a truth value "true" or "false"."""
    return str(value).lower() if isinstance(value, bool) else TypeConverters.toString(value)


def to_network(value: object) -> str:
    """The JSON text of a network: of a module, a dictionary or a text."""
    return to_text(value, (Module, Network), "nn.Sequential(...)")


def to_loss(value: object) -> str:
    """The JSON text of a loss."""
    return to_text(value, Loss, "a loss such as nn.MSELoss()")


def to_optimizer(value: object) -> str:
    """The JSON text of an optimiser."""
    return to_text(value, Optimizer, "an optimiser such as optim.AdamW(lr=1e-3)")


def to_scheduler(value: object) -> str:
    """The JSON text of a schedule."""
    return to_text(value, LRScheduler, "a schedule such as optim.lr_scheduler.StepLR(step_size=10)")


def to_stopping(value: object) -> str:
    """The JSON text of a rule of early stopping."""
    return to_text(value, Stopping, 'a rule such as EarlyStopping("val_loss", patience=3)')


def to_text_map(value: object) -> str:
    """The JSON text of texts by names: of a dictionary, or of that text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise TypeError(f"expected a dictionary of names with texts; the text is not JSON: {error}") from error
    filled = isinstance(value, Mapping) and all(isinstance(one, str) and one for pair in value.items() for one in pair)
    if not value or not filled:
        raise TypeError(
            f'expected a dictionary of at least one name with a text, such as {{"embed": "embedding"}}, not {value!r}'
        )
    return json.dumps(value)


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def to_text(value: object, wanted: type[Document] | tuple[type[Document], ...], name: str) -> str:
    """The JSON text of a builder's object, a dictionary or a text; `name` says in errors what was expected."""
    if isinstance(value, wanted):
        return DocumentText(value.to_json())
    if isinstance(value, Mapping):
        return DocumentText(json.dumps(_plain(value)))
    if not isinstance(value, str):
        hint = "; call it: add ()" if isinstance(value, type) and issubclass(value, wanted) else ""
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
        return repr(value)
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
