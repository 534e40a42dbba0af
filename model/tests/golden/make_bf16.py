"""Writes bf16.json: the layers of other golden files under torch.autocast in bf16 on the CPU. `make golden` runs it.

Networks, parameters, features and labels are those of the other files, made by their own scripts with their own seeds; here are
outputs, loss and gradients alone, with as many digits as a comparison of bf16 reads.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import golden
import torch
from golden import write
from torch import nn

#: Scripts whose layers are made of products, and whose cases are those of a file of the same name. Not Bilinear, which
#: autocast refuses on the CPU.
FAMILIES = ["convolution", "recurrent", "attention", "transformer"]


def numbers(tensor: torch.Tensor) -> list[float]:
    return [float(f"{value:.4g}") for value in tensor.detach().flatten().tolist()]


def layer_case(
    name: str,
    net: nn.Module,
    layers: Sequence[dict] | dict,
    shape: Sequence[int],
    features: torch.Tensor | None = None,
    rows: int = 13,
) -> dict:
    """As golden.layer_case, which it calls so that the random numbers are the same."""
    exact = golden.layer_case(name, net, layers, shape, features, rows)
    if name.startswith("PositionalEncoding"):
        # Its table is added in f64, which autocast does not multiply with bf16; and it has no products of its own.
        return {"name": name}
    net = net.float()
    state = {key: torch.tensor(exact["parameters"][key]).reshape(exact["shapes"][key]) for key in exact["parameters"]}
    net.load_state_dict(state)
    rows = len(exact["weights"])
    inputs = torch.tensor(exact["features"]).reshape(rows, *shape)
    weights = torch.tensor(exact["weights"])
    with torch.autocast("cpu", torch.bfloat16):
        net.train()
        outputs = net(inputs).flatten(1).float()
    labels = torch.tensor(exact["labels"]).reshape(outputs.shape)
    loss = (((outputs - labels) ** 2).mean(dim=1) * weights).sum() / weights.sum()
    net.zero_grad()
    loss.backward()
    return {
        "name": name,
        "evaluated": numbers(outputs),
        "value": loss.item(),
        "gradients": {key: numbers(value.grad) for key, value in net.named_parameters() if value.grad is not None},
    }


def cases(family: str) -> list[dict]:
    """The cases of a script, by autocast."""
    made: list[dict] = []
    script: Any = importlib.import_module(f"make_{family}")
    script.layer_case = layer_case
    script.write = lambda _, content: made.extend(content)
    script.main()
    return made


def main() -> None:
    write("bf16", {family: cases(family) for family in FAMILIES})


if __name__ == "__main__":
    main()
