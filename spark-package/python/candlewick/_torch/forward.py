"""What a forward computes, as steps of a network: every call as a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from candlewick._document import BUILDERS, Module
from candlewick._masks import in_order
from candlewick._torch import shapes
from candlewick._torch.calls import base_name, is_known, layers, unknown
from candlewick._torch.inplace import refuse_overwritten
from candlewick._torch.layers import builder_of, read, refuse_changed
from candlewick._torch.trace import Call, Ref, trace
from candlewick._torch.values import (
    Attended,
    Ended,
    Last,
    Recurrent,
    Rows,
    Shape,
    Size,
    Source,
    States,
    Step,
    Value,
    Whole,
    told,
)

_RECURRENT = ("RNN", "LSTM", "GRU")
#: The arguments of modules by position, and how many of them are tensors: what they attend to may be left out.
_ARGUMENTS: Mapping[str, tuple[str, int]] = {
    **dict.fromkeys(_RECURRENT, ("input hx", 1)),
    "Bilinear": ("input1 input2", 2),
    "MultiheadAttention": ("query key value key_padding_mask need_weights attn_mask average_attn_weights is_causal", 3),
    "TransformerEncoderLayer": ("src src_mask src_key_padding_mask is_causal", 1),
    "TransformerEncoder": ("src mask src_key_padding_mask is_causal", 1),
    "TransformerDecoderLayer": ("tgt memory tgt_mask memory_mask tgt_key_padding_mask memory_key_padding_mask", 2),
}
#: Arguments of modules that say what is returned beside the output, which is not read.
_BESIDE = ("need_weights", "average_attn_weights")
_JOINS = {"add": "Add", "mul": "Multiply", "cat": "Concat", "concat": "Concat", "concatenate": "Concat"}


class Forward:
    """What a forward computes: `steps` in their order, from `sources` to `outputs`.

    Args:
        module: A module of PyTorch with a forward of its own.

    Raises:
        InvalidParameterError: It computes something that no layer here does; the message names the call and its line.
    """

    def __init__(self, module: Any) -> None:
        self._parts: dict[str, Any] = dict(module.named_modules(remove_duplicate=False))
        for path, part in self._parts.items():
            if builder_of(part) is None:
                refuse_changed(part, path)
        self._calls = {call.name: call for call in trace(module)}
        refuse_overwritten(list(self._calls.values()), self._parts)
        self.sources: list[Source] = []
        self.steps: list[Step] = []
        #: Weights that were read, layers by their modules, and how recurrent modules are read: of all steps or the last.
        self._seen: set[int] = set()
        self._known: dict[int, Module] = {}
        self._ends: dict[int, tuple[str, Module]] = {}
        self._values: dict[str, Any] = {}
        end = next(call for call in self._calls.values() if call.op == "output")
        needed = self._needed(end)
        for name, call in self._calls.items():
            if call.op == "placeholder" or (name in needed and call is not end):
                self._values[name] = self._value(call)
        self.outputs = self._outputs(end)

    def _needed(self, end: Call) -> set[str]:
        """The calls that the outputs need."""
        found: set[str] = set()
        rest = list(end.refs())
        while rest:
            name = rest.pop()
            if name not in found:
                found.add(name)
                rest.extend(self._calls[name].refs())
        return found

    def _outputs(self, end: Call) -> dict[str | None, Value]:
        """The outputs by their names; None for one alone, and for what a list has, the names of their nodes."""
        (given,) = end.args
        if isinstance(given, dict):
            return {name: self._ended(value, end) for name, value in given.items()}
        values = [self._ended(value, end) for value in (given if isinstance(given, (list, tuple)) else [given])]
        if len(values) == 1:
            return {None: values[0]}
        if len(set(values)) < len(values):
            raise end.refused("the forward returns a tensor twice; return it once")
        return {one.name: one for one in values}

    def _ended(self, given: Any, end: Call) -> Value:
        value = self._at(given)
        return value.value if isinstance(value, Ended) else self._tensor(given, end)

    def _at(self, given: Any) -> Any:
        """What an argument is."""
        return self._values[given.name] if isinstance(given, Ref) else given

    def _tensor(self, given: Any, call: Call) -> Value:
        """The tensor that an argument of a call is.

        Raises:
            InvalidParameterError: It is something else.
        """
        value = self._at(given)
        if isinstance(value, (Source, Step)):
            return value
        if isinstance(value, States):
            return self._read(value.of, "all", call)
        if isinstance(value, Last) and value.is_top:
            return self._read(value.of, "last", call)
        if isinstance(value, Ended):
            raise value.call.refused(
                "what it takes away depends on sizes, which are not known before there are rows; it may stand at the end of the "
                "forward, elsewhere write torch.flatten(x, 1)"
            )
        raise call.refused(told(value))

    def _value(self, call: Call) -> Any:
        """What a call returns."""
        if call.op == "placeholder":
            self.sources.append(Source(call.target))
            return self.sources[-1]
        if call.op == "get_attr":
            raise call.refused(
                "the forward reads this parameter, buffer or tensor itself, and a network here has weights within layers alone: "
                "let a layer of torch.nn have it, such as torch.nn.Linear; a number may stand in the code"
            )
        if call.op == "call_module":
            return self._called(call)
        name = base_name(call)
        if is_known(call) and name in _JOINS:
            return self._joined(call, _JOINS[name])
        if is_known(call) and name in _OWN:
            return getattr(self, f"_{name}")(call)
        values = [self._at(Ref(ref)) for ref in call.refs()]
        if values and all(isinstance(value, (Rows, Size)) for value in values):
            return Size()
        if len(values) > 1:
            raise unknown(call)
        return self._chained(call, layers(call))

    def _chained(self, call: Call, found: Iterable[Module]) -> Value:
        """The tensor behind layers, one after another, the last of which has the name of the call."""
        value = self._tensor(next(Ref(name) for name in call.refs()), call)
        listed = list(found)
        for layer in listed:
            value = self._step(call.name if layer is listed[-1] else None, layer, [value])
        return value

    def _step(self, name: str | None, layer: Module, inputs: Sequence[Value], leaf: Any = None) -> Step:
        self.steps.append(Step(name, layer, list(inputs), leaf))
        return self.steps[-1]

    # Modules.

    def _called(self, call: Call) -> Any:
        leaf = self._parts[call.target]
        kind = type(leaf).__name__
        names, count = _ARGUMENTS.get(kind, ("input", 1))
        order = [*names.split(), *(f"number {at + 1}" for at in range(len(names.split()), len(call.args)))]
        given = {**dict(zip(order, call.args, strict=False)), **call.kwargs}
        tensors = [given.pop(name) for name in names.split()[:count] if given.get(name) is not None]
        masks = {name: given.pop(name) for name in list(given) if name.endswith("key_padding_mask")}
        for name, value in given.items():
            if value is not None and value is not False and name not in _BESIDE:
                hint = "it starts from zeros; leave it out" if name == "hx" else "build the network with nn.Graph"
                raise call.refused(f"its argument {name} cannot be read: {hint}")
        for name, value in masks.items():
            if isinstance(value, Ref) and self._calls[value.name].target in ("float", "float_"):
                raise call.refused(
                    f"{name} is made of floats, which PyTorch adds to the attention; leave .float() out of it"
                )
        layer = read(leaf, call.target, self._seen, self._known)
        inputs = [
            self._whole(one, call) if kind.startswith("Embedding") else self._tensor(one, call) for one in tensors
        ]
        if kind == "MultiheadAttention" and len({id(value) for value in inputs}) == 1:
            inputs = inputs[:1]
        inputs += in_order(kind, {name: self._tensor(one, call) for name, one in masks.items() if one is not None})
        if kind in _RECURRENT:
            return Recurrent(call, leaf, inputs)
        step = self._step(call.name, layer, inputs, leaf)
        return Attended(step) if kind == "MultiheadAttention" else step

    def _whole(self, given: Any, call: Call) -> Value:
        value = self._at(given)
        return value.value if isinstance(value, Whole) else self._tensor(given, call)

    def _read(self, of: Recurrent, which: str, call: Call) -> Step:
        """The step of a recurrent layer that puts out the states of all steps, or the last."""
        found = next((one for one in self.steps if one.name == of.call.name), None)
        layer = self._known[id(of.leaf)]
        kind: Any = type(layer)
        read_as, made = self._ends.setdefault(id(of.leaf), (which, kind(**{**layer._arguments, "output": which})))
        if read_as != which:
            raise call.refused(
                f"{of.call.target!r} is read both at all of its steps and at the last one, and a layer here puts out one of both; "
                "read x.mean(1) or torch.amax(x, 1) over all steps in place of the last"
            )
        return found or self._step(of.call.name, made, of.inputs, of.leaf)

    # Functions and methods that look at more than one tensor, or at what is no tensor.

    def _joined(self, call: Call, kind: str) -> Value | Size:
        given, arguments = list(call.args), dict(call.kwargs)
        if kind == "Concat":
            tensors = list(given.pop(0) if given else arguments.pop("tensors"))
            dim = arguments.pop("dim", arguments.pop("axis", given.pop(0) if given else 0))
            both = self._directions([self._at(one) for one in tensors], dim)
            if both is not None:
                return self._read(both, "last", call)
            if dim == 0:
                raise call.refused("it puts rows behind rows; write dim=1, or dim=-1 for the last dimension")
        else:
            tensors = [*given[:1], *(given[1:] or [arguments.pop("other", None)])]
            if all(isinstance(self._at(one), (Rows, Size, int)) for one in tensors):
                return Size()
        for name, value in arguments.items():
            if (name, value) not in (("alpha", 1), ("out", None)):
                raise call.refused(f"its argument {name}={value!r} is not known here; leave it out")
        builder: Any = BUILDERS[kind]
        joined = [self._tensor(one, call) for one in tensors]
        return self._step(call.name, builder(**({"dim": dim} if kind == "Concat" else {})), joined)

    def _directions(self, values: list[Any], dim: Any) -> Recurrent | None:
        """The recurrent module whose last states of both directions these are."""
        found = [one for one in values if isinstance(one, Last) and one.of.is_both and not one.cells]
        places = [one.place for one in found]
        if len(found) == len(values) and places == [-2, -1] and found[0].of is found[1].of and dim in (1, -1):
            return found[0].of
        return None

    def _view(self, call: Call) -> Any:
        sizes = [self._at(one) for one in _listed(call, "shape", "size")]
        users = [one for one in self._calls.values() if call.name in one.refs()]
        layer = shapes.reshaped(call, sizes, [self._parts.get(one.target) for one in users])
        return self._line(call) if layer is None else self._chained(call, [layer])

    _reshape = _view

    def _line(self, call: Call) -> Ended:
        """All rows and their values in one line: one value for each row, or an error."""
        value = self._tensor(next(Ref(name) for name in call.refs()), call)
        if not shapes.is_one(value):
            raise call.refused(
                "it puts all rows in one line; write torch.flatten(x, 1), which keeps rows apart (behind a Linear of width 1 it "
                "may stand at the end of the forward)"
            )
        return Ended(value, call)

    def _flatten(self, call: Call) -> Any:
        start = call.kwargs.get("start_dim", call.args[1] if len(call.args) > 1 else 0)
        return self._line(call) if start == 0 else self._chained(call, layers(call))

    def _squeeze(self, call: Call) -> Any:
        given = call.args[0] if call.args else call.kwargs["input"]
        value = self._at(given)
        if isinstance(value, Last):
            return Last(value.of, value.cells, 0) if value.at is None and value.of.leaf.num_layers == 1 else value
        return Ended(self._tensor(given, call), call)

    def _long(self, call: Call) -> Whole:
        return Whole(self._tensor(call.args[0], call))

    _int = _long

    def _size(self, call: Call) -> Any:
        dim = call.kwargs.get("dim", [*call.args, None][1])
        return Shape() if dim is None else Rows() if dim == 0 else Size()

    def _getattr(self, call: Call) -> Any:
        if call.args[1] == "shape":
            return Shape()
        if call.args[1] in ("device", "dtype", "ndim"):
            return Size()
        raise call.refused(
            f"its attribute {call.args[1]} cannot be read; write what is computed as a call, x.transpose(1, 2)"
        )

    def _dim(self, call: Call) -> Size:
        return Size()

    _numel = _dim

    def _getitem(self, call: Call) -> Any:
        given, key = call.args
        value = self._at(given)
        if isinstance(value, Shape) and isinstance(key, int):
            return Rows() if key == 0 else Size()
        if isinstance(value, Attended) and key == 0:
            return value.step
        if isinstance(value, Recurrent) and key in (0, 1):
            return States(value) if key == 0 else Last(value, type(value.leaf).__name__ == "LSTM")
        if isinstance(value, Last):
            return self._last(call, value, key)
        if isinstance(value, States) and shapes.is_last_step(key) and not value.of.is_both:
            return self._read(value.of, "last", call)
        if isinstance(value, (Source, Step)):
            layer = shapes.added(key)
            if layer is not None:
                return self._chained(call, [layer])
            if (
                isinstance(key, tuple)
                and len(key) == 2
                and key[0] == slice(None)
                and key[1] == 0
                and shapes.is_one(value)
            ):
                return Ended(value, call)
        raise call.refused(shapes.no_part(value))

    def _last(self, call: Call, value: Last, key: Any) -> Last:
        first = key[0] if isinstance(key, tuple) and all(map(shapes.is_whole_slice, key[1:])) else key
        if value.cells and first == 0:
            return Last(value.of)
        if value.cells or value.at is not None or not isinstance(first, int):
            raise call.refused(told(value))
        return Last(value.of, at=first)


#: What is read by a method above, by its name.
_OWN = {"view", "reshape", "flatten", "squeeze", "long", "int", "size", "getattr", "dim", "numel", "getitem"}


def _listed(call: Call, *names: str) -> list[Any]:
    """The sizes of a call behind its tensor: one by one, or as one list."""
    rest = [*call.args[1:], *(call.kwargs[name] for name in names if name in call.kwargs)]
    return list(rest[0]) if len(rest) == 1 and isinstance(rest[0], (list, tuple)) else rest
