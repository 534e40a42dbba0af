"""Writes pooling.json: pooling and changes of shape. `make golden` runs it."""

import torch
from golden import layer_case, write
from torch import nn


def tell(kind: str, arguments: dict) -> dict:
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
    return {"type": kind, **lists}


def case(kind: str, image: list[int], net: nn.Module | None = None, **arguments: object) -> dict:
    """A layer behind a 1x1 convolution, so that the gradient of its input is seen."""
    inner = "Conv1d" if len(image) == 2 else "Conv2d"
    layer = net or getattr(nn, kind)(**arguments)
    told = ", ".join(f"{name}={value}" for name, value in arguments.items())
    first = {"type": inner, "out_channels": 3, "kernel_size": 1}
    net = nn.Sequential(getattr(nn, inner)(image[0], 3, 1), layer)
    return layer_case(f"{kind} {image} {told}", net, [first, tell(kind, arguments)], image, rows=9)


class Call(nn.Module):
    """A function as a layer."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def main() -> None:
    torch.manual_seed(6)
    shapes = nn.Sequential(nn.Linear(8, 36), nn.Unflatten(1, (2, 3, 6)), nn.Conv2d(2, 3, 2))
    cases = [
        case("MaxPool2d", [2, 6, 8], kernel_size=2),
        case("MaxPool2d", [1, 5, 37], kernel_size=2),
        case("MaxPool2d", [2, 7, 7], kernel_size=3, stride=2, padding=1),
        case("MaxPool2d", [2, 7, 8], kernel_size=(3, 2), stride=(2, 3), ceil_mode=True),
        case("MaxPool2d", [2, 9, 8], kernel_size=(2, 3), stride=1, padding=1, dilation=(3, 2)),
        case("MaxPool1d", [2, 9], kernel_size=2),
        case("MaxPool1d", [2, 10], kernel_size=4, stride=3, padding=2, ceil_mode=True),
        case("AvgPool2d", [2, 6, 7], kernel_size=2),
        case("AvgPool2d", [2, 7, 7], kernel_size=3, stride=2, padding=1),
        case("AvgPool2d", [2, 8, 7], kernel_size=(3, 4), stride=(3, 2), padding=(1, 2), count_include_pad=False),
        case("AvgPool2d", [2, 8, 8], kernel_size=3, stride=2, padding=1, ceil_mode=True),
        case("AvgPool2d", [2, 8, 8], kernel_size=3, stride=2, ceil_mode=True, divisor_override=5),
        case("AvgPool1d", [2, 9], kernel_size=3),
        case("AvgPool1d", [2, 10], kernel_size=4, stride=3, padding=2, ceil_mode=True, count_include_pad=False),
        case("AdaptiveAvgPool2d", [2, 5, 7], output_size=1),
        case("AdaptiveAvgPool2d", [2, 5, 7], output_size=(3, 4)),
        case("AdaptiveAvgPool1d", [2, 7], output_size=3),
        case("AdaptiveMaxPool2d", [2, 5, 7], output_size=(3, 9)),
        case("AdaptiveMaxPool1d", [2, 7], output_size=3),
        case("Permute", [2, 4, 5], Call(lambda x: x.permute(0, 3, 1, 2)), dims=(0, -1, 1, 2)),
        case("ZeroPad2d", [2, 3, 4], padding=2),
        case("ZeroPad2d", [2, 3, 4], padding=(1, 0, 2, 3)),
        case("Upsample", [2, 3, 4], scale_factor=(2, 3)),
        case("Upsample", [2, 3, 4], size=(5, 7)),
        case("Reshape", [2, 4, 5], Call(lambda x: x.reshape(x.shape[0], 5, 12)), shape=(5, -1)),
        layer_case("Unflatten", shapes, [
            {"type": "Linear", "out_features": 36}, {"type": "Unflatten", "dim": -1, "unflattened_size": [2, -1, 6]},
            {"type": "Conv2d", "out_channels": 3, "kernel_size": 2}], [8], rows=9),
        case("Upsample", [1, 14, 11], size=(46, 13)),
        case("Upsample", [1, 2, 14], size=(32, 32)),
        case("Upsample", [1, 2, 3], scale_factor=(41, 1)),
        # Windows that are larger than the input.
        case("MaxPool2d", [2, 2, 2], kernel_size=3, stride=2, ceil_mode=True),
        case("AvgPool2d", [2, 2, 2], kernel_size=3, stride=2, ceil_mode=True),
        case("AvgPool2d", [2, 2, 2], kernel_size=3, stride=2, ceil_mode=True, divisor_override=5),
        case("MaxPool1d", [1, 1], kernel_size=2, stride=2, ceil_mode=True),
        case("MaxPool1d", [2, 2], kernel_size=2, stride=4, dilation=3, ceil_mode=True),
        case("AvgPool1d", [2, 2], kernel_size=5, stride=4, padding=1, ceil_mode=True),
        case("LPPool1d", [1, 2], norm_type=2.0, kernel_size=3, stride=2, ceil_mode=True),
    ]  # fmt: skip
    write("pooling", cases)


if __name__ == "__main__":
    main()
