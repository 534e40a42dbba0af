"""What the forward of a module calls: torch.fx follows it. PyTorch is imported here, on the driver, and nowhere else."""

from __future__ import annotations

import importlib
import inspect
import linecache
import operator
import os
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from types import FrameType
from typing import Any

from candlewick._torch.layers import place_of
from candlewick.errors import InvalidParameterError


@dataclass(frozen=True)
class Ref:
    """The result of a call, by its name: what other calls take."""

    name: str


class Training:
    """What stands for ``self.training`` among the arguments of a call."""

    def __repr__(self) -> str:
        return "self.training"


TRAINING = Training()


@dataclass
class Call:
    """A call of the forward.

    Args:
        op: What is called: "call_module", "call_function", "call_method", or "placeholder", "get_attr" and "output".
        name: A name of its own.
        target: The path of a module or an attribute, or the name of a function or method.
        home: Of a function: its module.
        args: The arguments by position; what other calls returned is a `Ref`.
        kwargs: Those by name.
        line: Where it stands in the user's code, such as "net.py, line 12, `x = x.max(1)`"; empty where that is not known.
    """

    op: str
    name: str
    target: str
    home: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    line: str = ""

    def refs(self) -> Iterator[str]:
        """The names of the calls whose results it takes."""
        return _refs([*self.args, *self.kwargs.values()])

    def refused(self, what: str) -> InvalidParameterError:
        """The error that names this call and its line."""
        called = {"call_function": f"{self.home}.{self.target}", "call_method": f".{self.target}()"}
        at = f" in {self.line}" if self.line else ""
        return InvalidParameterError(f"from_torch: {self.name} ({called.get(self.op, self.target)}){at}: {what}")


def _refs(values: list[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, Ref):
            yield value.name
        elif isinstance(value, (list, tuple)):
            yield from _refs(list(value))
        elif isinstance(value, dict):
            yield from _refs(list(value.values()))


def trace(module: Any) -> list[Call]:
    """The calls of the forward of a module, in their order.

    It is followed twice, while training and while scoring, which tells ``self.training`` from True.

    Raises:
        InvalidParameterError: It cannot be followed; the message has the line.
    """
    try:
        fx: Any = importlib.import_module("torch.fx")
    except ImportError as error:
        raise InvalidParameterError(
            f"from_torch: {place_of(module, '')} has a forward of its own, which PyTorch follows here, on the driver, and it cannot "
            f"be imported: {error}"
        ) from None
    modes = {part: part.training for part in module.modules()}
    try:
        training, scoring = (_followed(fx, module, modes, mode) for mode in (True, False))
    finally:
        for part, mode in modes.items():
            part.training = mode
    what = [[(call.op, call.target, call.home) for call in calls] for calls in (training, scoring)]
    if what[0] != what[1]:
        differs = next(at for at, pair in enumerate(zip_longest(*what)) if pair[0] != pair[1])
        raise (training + scoring[differs:])[differs].refused(
            "the forward calls other layers while training than while scoring; a network here has the same in both. Let "
            "self.training do nothing but switch F.dropout(x, training=self.training)"
        )
    for one, other in zip(training, scoring, strict=True):
        one.args = _merged(one, one.args, other.args)
        one.kwargs = _merged(one, one.kwargs, other.kwargs)
    return training


def _merged(call: Call, training: Any, scoring: Any) -> Any:
    """The arguments of a call, of which the one that is True while training alone is `TRAINING`."""
    if training is True and scoring is False:
        return TRAINING
    if isinstance(training, dict) and isinstance(scoring, dict) and training.keys() == scoring.keys():
        return {name: _merged(call, value, scoring[name]) for name, value in training.items()}
    if isinstance(training, (list, tuple)) and type(training) is type(scoring) and len(training) == len(scoring):
        return type(training)(_merged(call, *pair) for pair in zip(training, scoring, strict=True))
    if training != scoring:
        raise call.refused(
            f"it is given {training!r} while training and {scoring!r} while scoring; give it one of both"
        )
    return training


def _followed(fx: Any, module: Any, modes: dict[Any, bool], training: bool) -> list[Call]:
    for part in modes:
        part.training = training
    home = os.path.dirname(str(importlib.import_module("torch").__file__))
    lines: dict[str, str] = {}
    try:
        graph = _tracer(fx, lines, home).trace(module)
    except Exception as error:
        # The forward is the user's, and what stops it may be of any kind.
        line = _line(list(traceback.walk_tb(error.__traceback__))[::-1], home)
        at, told = f", in {line}" if line else "", str(error).partition(". ")[0]
        raise InvalidParameterError(
            f"from_torch: {place_of(module, '')}: its forward cannot be followed{at}: {told}; {_instead(str(error))}"
        ) from None
    return [_call(node, lines.get(node.name, "")) for node in graph.nodes]


def _instead(message: str) -> str:
    """What to write in place of what torch.fx does not follow."""
    for words, what in _INSTEAD.items():
        if any(word in message for word in words):
            return what
    return "write what torch.fx.symbolic_trace follows, or build the network with nn.Graph"


#: Words of errors while a forward is followed, and what to write.
_INSTEAD = {
    ("cannot be iterated", "as an integer"): "go through layers, or a range of fixed length, and not through a tensor",
    ("control flow",): (
        "a network computes the same for every row: let no if, while or for ask what a tensor holds or how large it is; what asks "
        "for settings (if self.deep) may stay"
    ),
    ("'len'",): "write x.size(0) for the number of rows",
    ("zeros()", "ones()", "rand", "arange()", "full()"): (
        "no tensors are made within a forward here; LSTM, GRU and RNN start from zeros where they are given none: self.lstm(x)"
    ),
}


def _tracer(fx: Any, lines: dict[str, str], home: str) -> Any:
    """A tracer that keeps the lines of calls, gives arguments their defaults, and sees what is added in place."""

    class Proxy(fx.Proxy):
        """Python would take `x += y` for `x = x + y`, which leaves the old value to whoever has it."""

        def __iadd__(self, other: Any) -> Any:
            return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

        def __imul__(self, other: Any) -> Any:
            return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

    class Tracer(fx.Tracer):
        """What is no argument of the network, since it has a default, has that."""

        def proxy(self, node: Any) -> Any:
            return Proxy(node, self)

        def create_node(self, *args: Any, **kwargs: Any) -> Any:
            node = super().create_node(*args, **kwargs)
            if node.op not in ("placeholder", "output"):
                lines[node.name] = _line(traceback.walk_stack(None), home)
            return node

        def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
            given = list(inspect.signature(root_fn).parameters.values())[1:]
            several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            names = [one.name for one in given if one.default is one.empty and one.kind not in several]
            if not names:
                raise TypeError("it has no argument without a default, which would be an input")
            proxies = [self.create_proxy("placeholder", name, (), {}) for name in names]

            def called(*values: Any) -> Any:
                return root_fn(self.root, **dict(zip(names, values, strict=True)))

            return called, proxies

    return Tracer()


def _call(node: Any, line: str) -> Call:
    target, where = node.target, ""
    if node.op == "call_function":
        # PyTorch's functions in C do not all tell their home.
        where = str(getattr(target, "__module__", None) or "torch").lstrip("_")
        target = getattr(target, "__name__", str(target))
    return Call(node.op, node.name, str(target), where, _plain(node.args), _plain(node.kwargs), line)


def _line(frames: Iterable[tuple[FrameType, int]], home: str) -> str:
    """The first line, from the innermost frame on, that is neither PyTorch's, which lies at `home`, nor ours.

    What is behind the call of the forward is whoever asked for the network.
    """
    for frame, number in frames:
        file = frame.f_code.co_filename
        if file == __file__ and frame.f_code.co_name == "called":
            break
        if file != __file__ and not file.startswith((home + os.sep, "<frozen")):
            code = linecache.getline(file, number).strip()
            return f"{os.path.basename(file)}, line {number}" + (f", `{code}`" if code else "")
    return ""


def _plain(value: Any) -> Any:
    """Arguments without torch.fx: its nodes as `Ref`, its lists as lists."""
    if hasattr(value, "all_input_nodes") and hasattr(value, "op"):
        return Ref(value.name)
    if isinstance(value, slice):
        return slice(*map(_plain, (value.start, value.stop, value.step)))
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_plain(one) for one in value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
