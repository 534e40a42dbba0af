"""Writes further.json (`make golden`): pads, shrinking and gated activations, and variants of other families' layers."""

import torch
from golden import FORMAT, layer_case, write
from torch import nn


def linear(size: int) -> dict:
    return {"type": "Linear", "out_features": size}


def case(kind: str, shape: list[int], **arguments: object) -> dict:
    """A layer behind a Linear over the last dimension, whose own gradient shows that of the layer's input."""
    layer = getattr(nn, kind)(**arguments)
    for name, parameter in layer.named_parameters():
        # Ones and zeros, at which PyTorch starts them, would hide mistakes.
        if kind.endswith(("Norm", "Norm1d", "Norm2d")) and name in ("weight", "bias"):
            nn.init.normal_(parameter, 0.7, 0.5)
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
    told = ", ".join(f"{name}={value}" for name, value in lists.items())
    net = nn.Sequential(nn.Linear(shape[-1], shape[-1]), layer)
    return layer_case(f"{kind} {shape} {told}", net, [linear(shape[-1]), {"type": kind, **lists}], shape, rows=9)


def pads() -> list[dict]:
    cases = []
    for kind, line, plane, value in (
        ("Zero", (3, 1), (1, 0, 2, 3), {}),
        ("Constant", (0, 4), 2, {"value": -1.25}),
        ("Reflection", (4, 2), (1, 3, 2, 0), {}),
        ("Replication", (7, 1), (2, 0, 5, 1), {}),
        ("Circular", (5, 3), (4, 1, 3, 2), {}),
    ):
        cases.append(case(f"{kind}Pad1d", [2, 5], padding=line, **value))
        cases.append(case(f"{kind}Pad2d", [2, 3, 4], padding=plane, **value))
    return cases


class Decoder(nn.Module):
    """A decoder layer in a graph of two inputs: a sequence of 4 and one of 3 steps."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.own, self.other = nn.Linear(2, 6), nn.Linear(3, 6)
        self.layer = nn.TransformerDecoderLayer(6, 2, 7, 0.0, batch_first=True, **options)
        for name, parameter in self.layer.named_parameters():
            if "norm" in name or name.endswith("bias"):
                nn.init.normal_(parameter, 0.5, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        own, other = x[:, :8].unflatten(1, (4, 2)), x[:, 8:].unflatten(1, (3, 3))
        mask = torch.ones(4, 4, dtype=torch.bool).triu(1)
        return self.layer(self.own(own), self.other(other), tgt_mask=mask)


def decoders() -> list[dict]:
    cases = []
    for options in ({}, {"norm_first": True, "activation": "gelu", "bias": False, "layer_norm_eps": 1e-3}):
        layer = {"type": "TransformerDecoderLayer", "nhead": 2, "dim_feedforward": 7, "dropout": 0, "is_causal": True}
        document = {
            "format": FORMAT,
            "inputs": [{"name": "target", "shape": [4, 2]}, {"name": "memory", "shape": [3, 3]}],
            "nodes": [
                {"name": "own", "inputs": ["target"], "layer": linear(6)},
                {"name": "other", "inputs": ["memory"], "layer": linear(6)},
                {"name": "layer", "inputs": ["own", "other"], "layer": {**layer, **options}},
            ],
            "outputs": ["layer"],
        }
        cases.append(layer_case(f"decoder {options}", Decoder(**options), document, [17]))
    return cases


def encoder() -> dict:
    layer = nn.TransformerEncoderLayer(6, 2, 7, 0.0, batch_first=True)
    net = nn.Sequential(nn.Linear(3, 6), nn.TransformerEncoder(layer, 3, nn.LayerNorm(6)), nn.Linear(6, 2))
    for name, parameter in net.named_parameters():
        # In PyTorch all layers start alike.
        nn.init.normal_(parameter, 0.5 if "norm" in name else 0.0, 0.5)
    layers = [
        linear(6),
        {
            "type": "TransformerEncoder",
            "encoder_layer": {"type": "TransformerEncoderLayer", "nhead": 2, "dim_feedforward": 7, "dropout": 0},
            "num_layers": 3,
            "norm": {"type": "LayerNorm"},
        },
        linear(2),
    ]
    return layer_case("encoder", net, layers, [5, 3])


def main() -> None:
    torch.manual_seed(11)
    cases = [
        case("Hardshrink", [7], lambd=0.8),
        case("Softshrink", [7], lambd=0.3),
        case("Tanhshrink", [7]),
        case("Threshold", [7], threshold=0.2, value=-2.0),
        case("Softmin", [3, 7], dim=2),
        case("GLU", [3, 8]),
        case("GLU", [4, 3, 5], dim=1),
        *pads(),
        case("BatchNorm1d", [4, 5], num_features=4, bias=False),
        case("BatchNorm2d", [3, 2, 5], num_features=3, bias=False),
        case("GroupNorm", [4, 5], num_groups=2, num_channels=4, bias=False),
        case("InstanceNorm1d", [3, 19], num_features=3, affine=True),
        case("InstanceNorm2d", [3, 2, 5], num_features=3, affine=True, bias=False),
        case("LocalResponseNorm", [5, 6], size=3, alpha=0.5, beta=0.6, k=1.5),
        case("LocalResponseNorm", [3, 2, 3], size=5, alpha=0.1),
        case("ConvTranspose1d", [4, 6], in_channels=4, out_channels=6, kernel_size=3, stride=2, padding=1,
             output_padding=1, groups=2),
        case("ConvTranspose1d", [2, 5], in_channels=2, out_channels=3, kernel_size=4, dilation=2, bias=False),
        case("LPPool1d", [3, 8], norm_type=2.0, kernel_size=3, stride=2, ceil_mode=True),
        case("LPPool2d", [2, 5, 6], norm_type=4.0, kernel_size=(2, 3)),
        case("AdaptiveAvgPool2d", [2, 5, 6], output_size=(3, None)),
        case("AdaptiveMaxPool2d", [2, 5, 6], output_size=(None, 4)),
        encoder(),
        *decoders(),
    ]  # fmt: skip
    write("further", cases)


if __name__ == "__main__":
    main()
