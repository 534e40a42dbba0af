"""Writes signatures.json with PyTorch (`make golden`): how the classes and functions of torch are called.

They are those of torch.nn, torch.optim, its schedules and torch.nn.init.
Every name has its arguments in order: name, keyword where it cannot be given by position, and default where it has one.
A default that JSON cannot write is its text.
"""

import inspect
import json
import pathlib
import typing
from collections.abc import Callable

import torch
from torch import nn, optim
from torch.optim import lr_scheduler

HERE = pathlib.Path(__file__).parent


def plain(value: object) -> object:
    """A default as JSON has it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return getattr(value, "__name__", repr(value))


def parameters(kind: Callable) -> list[inspect.Parameter]:
    """What a class or function takes; of a class with overloads (the recurrent layers), the first of them."""
    if isinstance(kind, type):
        first = next(iter(typing.get_overloads(kind.__init__)), kind.__init__)
        return list(inspect.signature(first).parameters.values())[1:]
    return list(inspect.signature(kind).parameters.values())


def argument(parameter: inspect.Parameter) -> dict:
    made: dict = {"name": parameter.name}
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
        made["keyword"] = True
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        made["many"] = True
    if parameter.default is not inspect.Parameter.empty:
        made["default"] = plain(parameter.default)
    return made


def classes(module: object, base: type) -> dict[str, list[dict]]:
    kinds = {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base and not name.startswith("_")
    }
    return {name: [argument(one) for one in parameters(kinds[name])] for name in sorted(kinds)}


def main() -> None:
    functions = {
        name: kind
        for name, kind in vars(nn.init).items()
        if name.endswith("_") and not name.startswith("_") and callable(kind)
    }
    content = {
        "nn": classes(nn, nn.Module),
        "optim": classes(optim, optim.Optimizer),
        "lr_scheduler": classes(lr_scheduler, lr_scheduler.LRScheduler),
        "init": {name: [argument(one) for one in parameters(functions[name])] for name in sorted(functions)},
    }
    made = {"torch": torch.__version__.split("+")[0], "content": content}
    (HERE / "signatures.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
