"""Writes normalization.json: what normalises, and softmax and PReLU. `make golden` runs it."""

import torch
from golden import layer_case, write
from torch import nn


def linear(size: int) -> dict:
    return {"type": "Linear", "out_features": size}


def filled(layer: nn.Module) -> nn.Module:
    """Random weights and statistics where PyTorch starts with constants."""
    with torch.no_grad():
        for name, value in [*layer.named_parameters(), *layer.named_buffers()]:
            if name == "num_batches_tracked":
                value.fill_(3)
            elif name == "running_var":
                value.uniform_(0.5, 2.0)
            else:
                value.uniform_(-1.0, 1.0) if name != "weight" else value.uniform_(0.5, 1.5)
    return layer


def case(name: str, kind: str, layer: nn.Module, inner: list[int], spec: dict, rows: int = 13) -> dict:
    """The layer between two Linear layers over the last dimension: the first shows its input's gradient.

    It has no bias: before a batch norm its gradient is 0, and rounding all there is of it.
    """
    last = inner[-1]
    net = nn.Sequential(nn.Linear(4, last, bias=False), filled(layer), nn.Linear(last, 2))
    layers = [{**linear(last), "bias": False}, {"type": kind, **spec}, linear(2)]
    return layer_case(name, net, layers, [*inner[:-1], 4], rows=rows)


def main() -> None:
    torch.manual_seed(11)
    shifted = (torch.randn(13, 3, 4) * 0.1 + 30.0).float().double()
    cases = [
        case("batch norm", "BatchNorm1d", nn.BatchNorm1d(5), [5], {}),
        case("batch norm, wide", "BatchNorm1d", nn.BatchNorm1d(37), [37], {"num_features": 37}),
        case("batch norm, no affine", "BatchNorm1d", nn.BatchNorm1d(5, eps=0.1, affine=False), [5],
             {"eps": 0.1, "affine": False}),
        case("batch norm, positions", "BatchNorm1d", nn.BatchNorm1d(3, momentum=0.3), [3, 19], {"momentum": 0.3}),
        case("batch norm, average", "BatchNorm1d", nn.BatchNorm1d(3, momentum=None), [3, 5], {"momentum": None}),
        case("batch norm, images", "BatchNorm2d", nn.BatchNorm2d(3), [3, 4, 5], {}),
        case("batch norm, one row with positions", "BatchNorm1d", nn.BatchNorm1d(3), [3, 5], {}, rows=1),
        layer_case("batch norm of features far from 0", nn.Sequential(filled(nn.BatchNorm1d(3)), nn.Linear(4, 2)),
                   [{"type": "BatchNorm1d"}, linear(2)], [3, 4], features=shifted),
        case("layer norm", "LayerNorm", nn.LayerNorm(7), [3, 7], {}),
        case("layer norm, wide", "LayerNorm", nn.LayerNorm(37), [37], {"normalized_shape": 37}),
        case("layer norm, two dimensions", "LayerNorm", nn.LayerNorm([3, 16], eps=0.01), [2, 3, 16],
             {"normalized_shape": [3, 16], "eps": 0.01}),
        case("layer norm, no bias", "LayerNorm", nn.LayerNorm(16, bias=False), [16], {"bias": False}),
        case("layer norm, no affine", "LayerNorm", nn.LayerNorm(5, elementwise_affine=False), [5],
             {"elementwise_affine": False}),
        case("rms norm", "RMSNorm", nn.RMSNorm(21), [2, 21], {}),
        case("rms norm, eps", "RMSNorm", nn.RMSNorm([2, 5], eps=0.1), [2, 5],
             {"normalized_shape": [2, 5], "eps": 0.1}),
        case("rms norm, no affine", "RMSNorm", nn.RMSNorm(5, elementwise_affine=False), [5],
             {"elementwise_affine": False}),
        case("group norm", "GroupNorm", nn.GroupNorm(2, 4), [4, 19], {"num_groups": 2}),
        case("group norm, images", "GroupNorm", nn.GroupNorm(3, 6, eps=0.01), [6, 2, 3],
             {"num_groups": 3, "num_channels": 6, "eps": 0.01}),
        case("group norm, no positions, no affine", "GroupNorm", nn.GroupNorm(2, 6, affine=False), [6],
             {"num_groups": 2, "affine": False}),
        case("instance norm", "InstanceNorm2d", nn.InstanceNorm2d(3), [3, 4, 5], {}),
        case("instance norm, affine", "InstanceNorm2d", nn.InstanceNorm2d(3, eps=0.01, affine=True), [3, 2, 5],
             {"eps": 0.01, "affine": True}),
        case("softmax", "Softmax", nn.Softmax(-1), [3, 21], {}),
        case("softmax, first dimension", "Softmax", nn.Softmax(1), [3, 5], {"dim": 1}),
        case("softmax, middle dimension", "Softmax", nn.Softmax(-2), [2, 3, 4], {"dim": -2}),
        case("log softmax", "LogSoftmax", nn.LogSoftmax(1), [21], {"dim": 1}),
        case("log softmax, first dimension", "LogSoftmax", nn.LogSoftmax(1), [3, 4, 2], {"dim": 1}),
        case("prelu", "PReLU", nn.PReLU(), [3, 5], {}),
        case("prelu, channels", "PReLU", nn.PReLU(3, init=0.1), [3, 21], {"num_parameters": 3, "init": 0.1}),
        case("prelu, channels without positions", "PReLU", nn.PReLU(5), [5], {"num_parameters": 5}),
    ]  # fmt: skip
    write("normalization", cases)


if __name__ == "__main__":
    main()
