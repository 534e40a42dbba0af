"""What the scripts of this folder share: cases of layers, computed by PyTorch in double precision."""

import json
import pathlib
import re
from collections.abc import Sequence

import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
FORMAT = "candlewick.network/1"
DOCS = HERE.parents[2] / "docs"


def catalogue(page: str) -> list[str]:
    """The names on a page of the catalogue."""
    return re.findall(r"^### (\w+)$", (DOCS / page).read_text(), re.MULTILINE)


def numbers(tensor: torch.Tensor) -> list[float]:
    """The elements, with the nine digits that give an f32 back."""
    return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]


def named(tensors: dict[str, torch.Tensor]) -> dict[str, list[float]]:
    return {key: numbers(value.double()) for key, value in tensors.items()}


def layer_case(
    name: str,
    net: nn.Module,
    layers: Sequence[dict] | dict,
    shape: Sequence[int],
    features: torch.Tensor | None = None,
    rows: int = 13,
) -> dict:
    """Outputs, weighted MSELoss and gradients of a network.

    ``net`` maps features of shape (rows, *shape) to outputs; ``layers`` is the list of layers of its document, or the
    whole document. Its state becomes f32 first, so that both sides start from the same numbers. Put an nn.Linear
    before the layer at hand where its input's gradient is to be checked: the Linear's own gradient shows it.
    """
    net = net.float().double().train()
    if features is None:
        features = (torch.randn(rows, *shape) * 1.2).float().double()
    rows = features.shape[0]
    state = {key: value.clone() for key, value in net.state_dict().items()}
    net.eval()
    with torch.no_grad():
        evaluated = net(features).flatten(1)
    net.train()
    outputs = net(features).flatten(1)
    labels = torch.randn(rows, outputs.shape[1]).float().double()
    weights = (torch.rand(rows) + 0.5).float().double()
    loss = (((outputs - labels) ** 2).mean(dim=1) * weights).sum() / weights.sum()
    net.zero_grad()
    loss.backward()
    buffers = dict(net.named_buffers())
    document = layers if isinstance(layers, dict) else {"format": FORMAT, "layers": list(layers)}
    return {
        "name": name,
        "network": document,
        "inputShape": list(shape),
        "parameters": named(state),
        "shapes": {key: list(value.shape) for key, value in state.items()},
        "features": numbers(features),
        "labels": numbers(labels),
        "weights": numbers(weights),
        "evaluated": numbers(evaluated),
        "value": loss.item(),
        "gradients": {
            key: numbers(value.grad if value.grad is not None else torch.zeros_like(value))
            for key, value in net.named_parameters()
        },
        "buffersAfter": named(buffers) if buffers else None,
    }


def write(name: str, content: object) -> None:
    """Writes the golden file ``name``.json."""
    made = {"torch": torch.__version__.split("+")[0], "content": content}
    (HERE / f"{name}.json").write_text(json.dumps(made) + "\n")
