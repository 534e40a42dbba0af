"""Layers of PyTorch as layers of this package. PyTorch is not imported: its modules tell what they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from candlewick._document import BUILDERS, Module, Sequential
from candlewick.errors import CandlewickError, InvalidParameterError

#: Arguments of PyTorch that change nothing of what a layer computes.
_IGNORED = {
    "device", "dtype", "inplace", "sparse", "_weight", "_freeze", "enable_nested_tensor", "mask_check", "args", "kwargs",
    "min_value", "max_value", "recompute_scale_factor",
}  # fmt: skip
_HOME = "torch.nn."


def is_torch(module: object) -> TypeGuard[Any]:
    """Whether this is a module of PyTorch, or of a class derived from one."""
    return any(kind.__module__.startswith(_HOME) for kind in type(module).__mro__)


def children(module: Any) -> list[tuple[str, Any]]:
    """The names and modules of a Sequential. PyTorch's `named_children` leaves out a module that was there before."""
    return list(module._modules.items())


def is_sequential(module: object) -> bool:
    return is_torchs(module, "Sequential")


def is_torchs(module: object, *names: str) -> bool:
    """Whether the class is PyTorch's own of one of these names: one that is derived from it may compute anything."""
    return type(module).__name__ in names and type(module).__module__.startswith(_HOME)


def builder_of(module: object) -> type[Module] | None:
    """The class of ours that a layer of PyTorch is read as."""
    found = BUILDERS.get(type(module).__name__)
    return found if found is not None and issubclass(found, Module) and is_torchs(module, found.__name__) else None


def read(module: Any, path: str, seen: set[int], known: dict[int, Module]) -> Module:
    """The module at a path, such as "features.0", as ours.

    Args:
        module: The module.
        path: The path.
        seen: The weights of the layers that were read.
        known: What was read so far: a module that stands at two places is one layer here too.
    """
    if id(module) not in known:
        known[id(module)] = _read_new(module, path, seen, known)
    return known[id(module)]


def place_of(module: object, path: str) -> str:
    return f"{path or 'the module'} ({type(module).__module__}.{type(module).__name__})"


def refuse_changed(module: Any, path: str) -> None:
    """Refuses what computes something else than its class does."""
    if getattr(module, "_forward_pre_hooks", None) or getattr(module, "_forward_hooks", None):
        raise InvalidParameterError(
            f"from_torch: {place_of(module, path)} has forward hooks, which cannot be read; remove them first"
        )
    if "forward" in vars(module):
        raise InvalidParameterError(
            f"from_torch: {place_of(module, path)} has a forward that was put in place of that of its class, which cannot be read; "
            "remove it first, or build an nn.Graph"
        )


def _read_new(module: Any, path: str, seen: set[int], known: dict[int, Module]) -> Module:
    kind = type(module)
    place = place_of(module, path)
    if is_sequential(module):
        refuse_changed(module, path)
        parts = ((f"{path}.{name}".lstrip("."), child) for name, child in children(module))
        return Sequential(*(read(child, place, seen, known) for place, child in parts))
    found = builder_of(module)
    if found is None:
        raise InvalidParameterError(
            f"from_torch: {place} has no counterpart here; expected torch.nn.Sequential, a module with a forward of its own, and "
            "those layers of torch.nn that docs/layers.md lists"
        )
    for name, part in module.named_modules():
        refuse_changed(part, f"{path}.{name}".strip("."))
    weights = {id(parameter) for parameter in module.parameters()}
    if weights & seen:
        raise InvalidParameterError(
            f"from_torch: {place} has the weights of another layer; let one layer stand at both places, or build an nn.Graph, "
            "which may call one layer twice"
        )
    seen |= weights
    try:
        arguments = _READERS.get(kind.__name__, _plain)(module, found)
        _refuse_others(module, found)
        return found(**arguments)
    except (CandlewickError, TypeError) as error:
        raise InvalidParameterError(f"from_torch: {place}: {error}") from None


def _plain(module: Any, found: type[Module]) -> dict[str, Any]:
    """The arguments of a layer that keeps them under their names, as most do."""
    arguments = {name: plain_value(getattr(module, name)) for name in found._domains if hasattr(module, name)}
    if "bias" in arguments and not isinstance(arguments["bias"], bool):
        # A parameter, or None where there is none.
        arguments["bias"] = arguments["bias"] is not None
    for name, value in arguments.items():
        # Layers of one dimension keep their sizes as lists of one.
        if isinstance(value, list) and len(value) == 1:
            arguments[name] = value[0]
    if not getattr(module, "affine", getattr(module, "elementwise_affine", True)):
        arguments.pop("bias", None)
    return arguments


def plain_value(value: Any) -> Any:
    """An argument as ours are: a float that is whole as a whole number, a tuple as a list."""
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    # A whole factor of Upsample is kept as a float.
    return int(value) if isinstance(value, float) and value.is_integer() and value != 0 else value


def _refuse_others(module: Any, found: type[Module]) -> None:
    """Refuses settings of PyTorch that ours do not have, where they are not at their default."""
    for name, parameter in inspect.signature(type(module)).parameters.items():
        if name in found._domains or name in _IGNORED or not hasattr(module, name):
            continue
        value, default = getattr(module, name), parameter.default
        if value != default:
            raise InvalidParameterError(f"{name}={value!r} is not known here; only {name}={default!r} is")


def _attention(module: Any, found: type[Module]) -> dict[str, Any]:
    if module.bias_k is not None:
        raise InvalidParameterError("add_bias_kv=True is not known here; only add_bias_kv=False is")
    _refuse_other_class(module.out_proj, "out_proj", "Linear")
    widths = {name: getattr(module, name) for name in ("kdim", "vdim") if getattr(module, name) != module.embed_dim}
    return {
        "embed_dim": module.embed_dim,
        "num_heads": module.num_heads,
        "dropout": module.dropout,
        "bias": module.in_proj_bias is not None,
        "batch_first": module.batch_first,
        **widths,
    }


def _refuse_other_class(part: Any, name: str, wanted: str) -> None:
    """Refuses a part of a layer that is not of PyTorch's own class."""
    # PyTorch has this one in its attention, and computes the same with it.
    if not is_torchs(part, wanted, *(["NonDynamicallyQuantizableLinear"] if wanted == "Linear" else [])):
        raise InvalidParameterError(
            f"its part {place_of(part, name)} cannot be read: here it is always a torch.nn.{wanted}, itself and no class that is "
            "derived from it or wraps it; build such a layer with nn.Graph"
        )


def _transformer_layer(module: Any, found: type[Module]) -> dict[str, Any]:
    parts = _parts_of(module)
    function = module.activation
    if getattr(function, "approximate", "none") != "none":
        raise InvalidParameterError(
            f'approximate="{function.approximate}" of the activation of {type(module).__name__} is not known here; only the exact '
            "GELU is"
        )
    # A function's own module, or that of a layer's class: what is called gelu elsewhere may be anything.
    if str(getattr(function, "__module__", None)).split(".")[0] != "torch":
        raise InvalidParameterError(f"its activation is {function!r}, which cannot be read; expected that of PyTorch")
    width, inner, bias = module.linear1.in_features, module.linear1.out_features, module.linear1.bias is not None
    arguments = {
        "d_model": width,
        "nhead": module.self_attn.num_heads,
        "dim_feedforward": inner,
        "dropout": module.dropout.p,
        "activation": getattr(function, "__name__", type(function).__name__.lower()),
        "layer_norm_eps": module.norm1.eps,
        "batch_first": module.self_attn.batch_first,
        "norm_first": module.norm_first,
        "bias": bias,
    }
    attention = {
        "embed_dim": width,
        "num_heads": arguments["nhead"],
        "dropout": arguments["dropout"],
        "bias": bias,
        "batch_first": arguments["batch_first"],
    }
    wanted = {
        "self_attn": attention,
        "multihead_attn": attention,
        "linear1": {"in_features": width, "out_features": inner, "bias": bias},
        "linear2": {"in_features": inner, "out_features": width, "bias": bias},
        "norm": {"normalized_shape": width, "eps": module.norm1.eps, "elementwise_affine": True, "bias": bias},
        "dropout": {"p": module.dropout.p},
    }
    for name, part in parts.items():
        _refuse_unlike(name, part, wanted.get(name) or wanted[name.rstrip("123")])
    return arguments


#: The parts of Transformer layers, whose numbers are left out here, and their classes in PyTorch.
_PARTS = {
    "self_attn": "MultiheadAttention",
    "multihead_attn": "MultiheadAttention",
    "linear": "Linear",
    "norm": "LayerNorm",
    "dropout": "Dropout",
}


def _parts_of(module: Any) -> dict[str, Any]:
    """The parts of a Transformer layer, all but its activation: each of PyTorch's own class, and there once."""
    parts = {name: part for name, part in children(module) if name != "activation"}
    first: dict[int, str] = {}
    weights: set[int] = set()
    for name, part in parts.items():
        wanted = _PARTS.get(name.rstrip("123"))
        if wanted is None:
            raise InvalidParameterError(f"it has a part of its own, {place_of(part, name)}, which cannot be read")
        _refuse_other_class(part, name, wanted)
        if id(part) in first:
            raise InvalidParameterError(
                f"its part {name} is {first[id(part)]} once more; here all parts are layers of their own"
            )
        first[id(part)] = name
        own = {id(parameter) for parameter in part.parameters()}
        if own & weights:
            raise InvalidParameterError(f"its part {name} and others share weights; here all have their own")
        weights |= own
    return parts


def _refuse_unlike(name: str, part: Any, wanted: Mapping[str, Any]) -> None:
    """Refuses a part that has other arguments than the layer gives it here."""
    builder: Any = BUILDERS[_PARTS[name.rstrip("123")]]
    try:
        read = _READERS.get(builder.__name__, _plain)(part, builder)
        _refuse_others(part, builder)
    except InvalidParameterError as error:
        raise InvalidParameterError(f"its part {name}: {error}") from None
    for argument in {**wanted, **read}:
        mine, theirs = wanted.get(argument), read.get(argument)
        if mine != theirs:
            raise InvalidParameterError(
                f"its part {name} has {argument}={theirs!r}, where the arguments of the layer make {argument}={mine!r} of it here: "
                "they are those of linear1, norm1, dropout and self_attn; build a layer whose parts differ with nn.Graph"
            )


def _transformer(module: Any, found: type[Module]) -> dict[str, Any]:
    parts = dict(children(module))
    layers, norm = children(parts.pop("layers")), parts.pop("norm", None)
    for name, part in parts.items():
        raise InvalidParameterError(f"it has a part of its own, {place_of(part, name)}, which cannot be read")
    first: dict[int, str] = {}
    for name, layer in layers:
        if id(layer) in first:
            raise InvalidParameterError(
                f"layers.{name} is layers.{first[id(layer)]} once more; here each layer has weights of its own: make an "
                "nn.Sequential of them, in which one layer may stand at several places"
            )
        first[id(layer)] = name
    seen: set[int] = set()
    # What num_layers says PyTorch looks at no more: its forward goes through the list, which may have been changed.
    found_layers = [read(layer, f"layers.{at}", seen, {}) for at, (_, layer) in enumerate(layers)]
    if not found_layers:
        raise InvalidParameterError("it has no layers")
    if any(layer != found_layers[0] for layer in found_layers):
        raise InvalidParameterError("its layers differ, and here all are alike; make an nn.Sequential of them")
    return {
        "encoder_layer": found_layers[0],
        "num_layers": len(found_layers),
        "norm": None if norm is None else read(norm, "norm", seen, {}),
    }


#: Layers that do not keep their arguments under their names.
_READERS: Mapping[str, Callable[[Any, type[Module]], dict[str, Any]]] = {
    "MultiheadAttention": _attention,
    "TransformerEncoderLayer": _transformer_layer,
    "TransformerDecoderLayer": _transformer_layer,
    "TransformerEncoder": _transformer,
}
