"""What stands for modules of PyTorch in tests, which do not have it.

golden/torch_modules.json has, of real modules, class, signature, attributes and children, as PyTorch gave them (`make golden`), and
golden/torch_graphs.json of modules with a forward of their own what torch.fx made of it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from candlewick._torch.trace import TRAINING, Call, Ref

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "torch_modules.json").read_text())
GRAPHS: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "torch_graphs.json").read_text())


class Recorded:
    """What stands for a module: it has the attributes, the parameters' shapes and the modules that the file says."""

    _forward_hooks: dict[int, Any]

    def __init__(self, children: list[tuple[str, Any]], state: dict[str, Any]) -> None:
        self._children, self._state = children, state
        self._forward_pre_hooks: dict[int, Any] = {}
        self._forward_hooks = {}

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """Each module once, as in PyTorch."""
        seen: set[int] = set()
        for name, child in self._children:
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    @property
    def _modules(self) -> dict[str, Any]:
        return dict(self._children)

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        yield "", self
        for name, child in self.named_children():
            for inner, found in child.named_modules():
                yield f"{name}.{inner}".rstrip("."), found

    def parameters(self) -> Iterator[Any]:
        own = (value for value in vars(self).values() if isinstance(value, np.ndarray))
        inner = (value for _, child in self._children for value in child.parameters())
        return iter([*own, *inner])

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        return iter(self._state.items())

    def state_dict(self) -> dict[str, Any]:
        return self._state


class _Module(Recorded):
    """The base of all, as torch.nn.Module is."""

    __module__ = "torch.nn.modules.module"


def value_of(recorded: Any) -> Any:
    if isinstance(recorded, dict):
        if "class" in recorded:
            return module(recorded)
        if "tensor" in recorded:
            return np.zeros(recorded["tensor"])
        if "sequence" in recorded:
            return [value_of(item) for item in recorded["sequence"]]

        def function() -> None: ...

        function.__name__, function.__module__ = recorded["function"], "torch.nn.functional"
        return function
    return recorded


def module(recorded: dict[str, Any], state: dict[str, Any] | None = None, prefix: str = "") -> Any:
    kind: Any = type(recorded["class"], (_Module,), {"__module__": recorded["module"]})
    named = inspect.Parameter.POSITIONAL_OR_KEYWORD
    kind.__signature__ = inspect.Signature(
        [inspect.Parameter(name, named, default=value_of(default)) for name, default in recorded["arguments"].items()]
    )
    weights = {name[len(prefix) :]: one for name, one in (state or {}).items() if name.startswith(prefix)}
    children = [(name, module(child, state, f"{prefix}{name}.")) for name, child in recorded["children"]]
    made = kind(children, weights)
    for name, value in recorded["attributes"].items():
        setattr(made, name, value_of(value))
    for name, child in children:
        setattr(made, name, child)
    return made


def computed() -> Any:
    state = {name: np.array(values) for name, (_, values) in GOLDEN["computed"]["state"].items()}
    return module(GOLDEN["computed"]["network"], state)


def argument(value: Any) -> Any:
    """An argument of a recorded call."""
    if isinstance(value, list):
        return [argument(one) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "ref":
        return Ref(inner)
    if kind == "training":
        return TRAINING
    if kind == "dict":
        return {name: argument(one) for name, one in inner}
    if kind == "slice":
        return slice(*map(argument, inner))
    return tuple(map(argument, inner)) if kind == "tuple" else inner


def calls(recorded: list[dict[str, Any]]) -> list[Call]:
    """What torch.fx made of a forward, in place of `trace`."""
    return [Call(**{**one, "args": argument(one["args"]), "kwargs": argument(one["kwargs"])}) for one in recorded]


def network(name: str) -> Any:
    """A module with a forward of its own, with its weights and its `calls`."""
    entry = GRAPHS["networks"][name]
    made = module(entry["module"], {one: np.array(values) for one, (_, values) in entry["state"].items()})
    made.calls = calls(entry["calls"])
    return made


def refused(name: str) -> Any:
    """A module whose forward has what is no layer here."""
    made = module(GRAPHS["refused_module"])
    made.calls = calls(GRAPHS["refused"][name])
    return made
