"""Functions and methods of PyTorch that take one tensor, as layers of this package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from candlewick._document import BUILDERS, Module
from candlewick._torch.layers import plain_value
from candlewick._torch.trace import Call, Training
from candlewick.errors import CandlewickError, InvalidParameterError

#: Functions and methods by their names, of any home: the layer, and its arguments in the order of the function's.
_LAYERS: Mapping[str, tuple[str, str]] = {
    **{
        name.lower(): (name, "")
        for name in ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink")
    },
    **{name.lower(): (name, "") for name in ("Hardsigmoid", "Hardswish", "Softsign")},
    "log_sigmoid": ("LogSigmoid", ""),
    "gelu": ("GELU", "approximate"),
    "leaky_relu": ("LeakyReLU", "negative_slope"),
    "elu": ("ELU", "alpha"),
    "celu": ("CELU", "alpha"),
    "softplus": ("Softplus", "beta threshold"),
    "hardtanh": ("Hardtanh", "min_val max_val"),
    "hardshrink": ("Hardshrink", "lambd"),
    "softshrink": ("Softshrink", "lambd"),
    "threshold": ("Threshold", "threshold value"),
    "eq": ("Eq", "other"),
    "softmax": ("Softmax", "dim"),
    "log_softmax": ("LogSoftmax", "dim"),
    "softmin": ("Softmin", "dim"),
    "glu": ("GLU", "dim"),
    "max_pool1d": ("MaxPool1d", "kernel_size stride padding dilation ceil_mode"),
    "max_pool2d": ("MaxPool2d", "kernel_size stride padding dilation ceil_mode"),
    "avg_pool1d": ("AvgPool1d", "kernel_size stride padding ceil_mode count_include_pad"),
    "avg_pool2d": ("AvgPool2d", "kernel_size stride padding ceil_mode count_include_pad divisor_override"),
    "lp_pool1d": ("LPPool1d", "norm_type kernel_size stride ceil_mode"),
    "lp_pool2d": ("LPPool2d", "norm_type kernel_size stride ceil_mode"),
    **{
        f"adaptive_{kind}_pool{dims}d": (f"Adaptive{kind.title()}Pool{dims}d", "output_size")
        for kind in ("avg", "max")
        for dims in (1, 2)
    },
    "local_response_norm": ("LocalResponseNorm", "size alpha beta k"),
    "interpolate": ("Upsample", "size scale_factor mode"),
    "unflatten": ("Unflatten", "dim unflattened_size"),
}
#: What PyTorch calls arguments of functions otherwise than those of layers.
_RENAMED = {"min": "min_val", "max": "max_val", "sizes": "unflattened_size", "train": "training"}
#: Arguments that change nothing, whatever they are.
_IGNORED = {"inplace", "_stacklevel", "memory_format", "recompute_scale_factor"}
#: Methods that leave values as they are.
SAME = ("contiguous", "clone", "float")
#: What there is in place of what there is not.
_INSTEAD = {
    **dict.fromkeys(
        ("matmul", "bmm", "mm", "einsum", "baddbmm", "scaled_dot_product_attention"),
        "products of two tensors are those of torch.nn.Bilinear and torch.nn.MultiheadAttention here",
    ),
    "stack": "put them one after another: torch.cat((a.unsqueeze(1), b.unsqueeze(1)), dim=1)",
    "max": "write torch.amax(x, dim)",
    **dict.fromkeys(("sum", "norm", "var", "std", "min"), "x.mean(dim) and torch.amax(x, dim) are known"),
    **dict.fromkeys(
        ("sub", "truediv", "div", "neg", "pow", "exp", "log", "sqrt", "abs", "rsub"),
        "tensors are added to and multiplied by tensors of their shape, by + and * alone; let a Linear do it, or compute it in a column",
    ),
    **dict.fromkeys(("chunk", "split", "tensor_split"), "give the parts as arguments of forward, which are columns of their own"),
    "detach": "freeze weights by the optimizer: optim.AdamW(groups=[{'params': ..., 'frozen': True}])",
    **dict.fromkeys(("to", "type", "double", "half", "cuda", "cpu", "type_as"), "leave it out: all values are floats of one type"),
    **dict.fromkeys(
        ("linear", "conv1d", "conv2d", "embedding", "batch_norm", "layer_norm", "group_norm"),
        "weights are those of layers: make it a torch.nn layer in __init__, and call that",
    ),
    "expand": "tensors of one shape are added and multiplied; nothing is repeated to fit",
    "repeat": "tensors of one shape are added and multiplied; nothing is repeated to fit",
}  # fmt: skip


def layers(call: Call) -> list[Module]:
    """The layers that a call stands for which takes one tensor; none where it changes nothing.

    Raises:
        InvalidParameterError: There are none for it; the message names the call, its line and what to write.
    """
    name, known = base_name(call), is_known(call)
    if known and name in SAME:
        return []
    try:
        if known and name in _SPECIAL:
            return _SPECIAL[name](call)
        if known and name in _LAYERS:
            kind, order = _LAYERS[name]
            return [_made(kind, _bound(call, order.split()))]
    except (CandlewickError, TypeError, ValueError) as error:
        raise call.refused(str(error).removeprefix("from_torch: ")) from None
    raise unknown(call)


def unknown(call: Call) -> InvalidParameterError:
    """The error that there is no layer for a call, with what to write instead."""
    what = "call PyTorch's functions in the forward itself; one that is not PyTorch's cannot be read"
    if is_known(call):
        what = _INSTEAD.get(base_name(call), "build the network with nn.Graph, or compute it in a column")
    return call.refused(f"no layer here computes it: {what}")


def is_known(call: Call) -> bool:
    """Whether it calls a method of a tensor or a function of PyTorch or Python, and none of one's own."""
    return call.op == "call_method" or call.home.split(".")[0] in ("torch", "operator", "builtins")


def base_name(call: Call) -> str:
    """What a call does, whether it does it in place or not: relu for relu_, add for iadd."""
    name = call.target.strip("_")
    return {"iadd": "add", "imul": "mul"}.get(name, name)


def _made(kind: str, arguments: Mapping[str, Any]) -> Module:
    builder: Any = BUILDERS[kind]
    made: Module = builder(**arguments)
    return made


def _bound(call: Call, order: Sequence[str]) -> dict[str, Any]:
    """The arguments of a call behind its tensor, by their names; without those that change nothing.

    Raises:
        ValueError: It has one that is not known.
    """
    # The tensor comes first, or by its name.
    given = call.args[1:]
    named = {name: value for name, value in call.kwargs.items() if call.args or name != "input"}
    found = dict(zip(order, given, strict=False))
    more = {str(at): value for at, value in enumerate(given[len(order) :], len(order) + 1)}
    for name, value in {**named, **more}.items():
        ours = _RENAMED.get(name, name)
        if ours in order:
            found[ours] = value
        elif name not in _IGNORED and value is not None and value is not False:
            raise ValueError(f"its argument {name}={value!r} is not known here; leave it out")
    # What is None is at its default there.
    return {name: plain_value(value) for name, value in found.items() if value is not None}


def _softmax(call: Call) -> list[Module]:
    kind, order = _LAYERS[base_name(call)]
    given = _bound(call, order.split())
    if "dim" not in given:
        raise ValueError(
            "dim is missing: PyTorch guesses it from the number of dimensions; write dim=1, or dim=-1 for the last"
        )
    return [_made(kind, given)]


def _clamp(call: Call) -> list[Module]:
    given = _bound(call, ("min_val", "max_val"))
    if given == {"min_val": 0}:
        return [_made("ReLU", {})]
    if len(given) < 2:
        raise ValueError("it is bounded on one side alone; give min and max, or write F.relu(x)")
    return [_made("Hardtanh", given)]


def _dropout(call: Call) -> list[Module]:
    given = _bound(call, ("p", "training"))
    training = given.pop("training", True)
    if training is False:
        return []
    if not isinstance(training, Training):
        raise ValueError("it drops values while scoring too; write F.dropout(x, p, training=self.training)")
    return [_made("Dropout2d" if "2d" in call.target or "feature" in call.target else "Dropout", given)]


def _flatten(call: Call) -> list[Module]:
    given = {"start_dim": 0, **_bound(call, ("start_dim", "end_dim"))}
    if given["start_dim"] == 0:
        raise ValueError("it merges the rows with what is in them; write torch.flatten(x, 1), which keeps rows apart")
    return [_made("Flatten", given)]


def _permute(call: Call) -> list[Module]:
    given = (
        _bound(call, ("dims",)) if call.kwargs or isinstance(call.args[1], (list, tuple)) else {"dims": call.args[1:]}
    )
    return [_made("Permute", {"dims": list(given["dims"])})]


def _transpose(call: Call) -> list[Module]:
    given = _bound(call, ("dim0", "dim1"))
    pair = (given["dim0"], given["dim1"])
    if 0 in pair:
        raise ValueError("the rows are the first dimension and stay it; transpose the others")
    # How many dimensions there are is not known: as many as the two tell, of sequences three.
    count = max(*(one + 1 if one > 0 else -one + 1 for one in pair), 3)
    dims = list(range(count))
    first, second = (one % count for one in pair)
    dims[first], dims[second] = dims[second], dims[first]
    return [_made("Permute", {"dims": dims})]


def _unsqueeze(call: Call) -> list[Module]:
    dim = _bound(call, ("dim",))["dim"]
    if dim == 0:
        raise ValueError("the rows are the first dimension and stay it; write x.unsqueeze(1)")
    # A dimension of 1 is cut off the one behind it, or where there may be none, the one before it.
    before = {"dim": dim - 1 if dim > 1 else -1, "unflattened_size": [-1, 1]}
    behind = {"dim": 1 if dim == 1 else dim + 1, "unflattened_size": [1, -1]}
    return [_made("Unflatten", before if dim > 1 or dim == -1 else behind)]


def _mean(call: Call) -> list[Module]:
    """Means over the positions of channels, or over those of a sequence: pools of one window."""
    given = _bound(call, ("dim", "keepdim"))
    kind = "Avg" if base_name(call) == "mean" else "Max"
    listed = given.get("dim")
    dims = sorted(listed) if isinstance(listed, (list, tuple)) else [listed]
    keep = given.get("keepdim", False)
    if dims in ([2, 3], [-2, -1]):
        return [_made(f"Adaptive{kind}Pool2d", {"output_size": 1}), *([] if keep else [_made("Flatten", {})])]
    pool = _made(f"Adaptive{kind}Pool1d", {"output_size": 1})
    if dims in ([2], [-1]):
        return [pool, *([] if keep else [_made("Flatten", {})])]
    if dims in ([1], [-2]):
        turned, back = (_made("Permute", {"dims": [0, 2, 1]}) for _ in range(2))
        return [turned, pool, back if keep else _made("Flatten", {})]
    raise ValueError(
        f"dim={listed!r} is not known here; over the steps of a sequence it is 1, over the positions of [channels, length] 2, "
        "over those of [channels, height, width] (2, 3)"
    )


def _pad(call: Call) -> list[Module]:
    given = {"mode": "constant", **_bound(call, ("pad", "mode", "value"))}
    padding = list(given["pad"])
    kind = {
        "constant": "ConstantPad",
        "reflect": "ReflectionPad",
        "replicate": "ReplicationPad",
        "circular": "CircularPad",
    }
    value = {"value": float(given.get("value", 0.0))} if given["mode"] == "constant" else {}
    if len(padding) not in (2, 4) or given["mode"] not in kind:
        raise ValueError(f"pad={padding} of mode {given['mode']!r} is not known here; pad is of 2 or 4 numbers")
    return [_made(f"{kind[given['mode']]}{len(padding) // 2}d", {"padding": padding, **value})]


_SPECIAL: Mapping[str, Callable[[Call], list[Module]]] = {
    **dict.fromkeys(("softmax", "log_softmax", "softmin"), _softmax),
    "clamp": _clamp,
    **dict.fromkeys(("dropout", "dropout2d", "feature_dropout"), _dropout),
    "flatten": _flatten,
    "permute": _permute,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transpose),
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("mean", "amax"), _mean),
    "pad": _pad,
}
