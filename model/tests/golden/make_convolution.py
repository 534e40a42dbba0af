"""Writes convolution.json: Conv1d, Conv2d, ConvTranspose2d. `make golden` runs it."""

import torch
from golden import layer_case, write
from torch import nn


def named(kind: str, **arguments: object) -> dict:
    return {
        "type": kind,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()},
    }


def case(
    kind: str, shape: list[int], channels: int | None = None, rows: int = 9, before: str = "conv", **arguments
) -> dict:
    """A layer behind a 1x1 convolution, so that the gradient of its input is seen; or alone."""
    layer = getattr(nn, kind)
    told = ", ".join(f"{name}={value}" for name, value in arguments.items())
    if before == "none":
        net = nn.Sequential(layer(shape[0], **arguments))
        layers = [named(kind, **arguments)]
    else:
        inner = "Conv1d" if kind == "Conv1d" else "Conv2d"
        channels = channels or shape[0]
        net = nn.Sequential(getattr(nn, inner)(shape[0], channels, 1), layer(channels, **arguments))
        layers = [named(inner, out_channels=channels, kernel_size=1), named(kind, **arguments)]
    return layer_case(f"{kind} {shape} {told}", net, layers, shape, rows=rows)


def main() -> None:
    torch.manual_seed(4)
    cases = [
        case("Conv2d", [1, 8, 8], before="none", out_channels=5, kernel_size=3),
        case("Conv2d", [2, 7, 9], 3, out_channels=4, kernel_size=3),
        case("Conv2d", [2, 7, 9], 3, out_channels=4, kernel_size=(3, 2), stride=(2, 3), padding=(1, 2)),
        case("Conv2d", [2, 8, 7], 4, out_channels=6, kernel_size=3, padding=2, dilation=(2, 3), groups=2, bias=False),
        case("Conv2d", [4, 6, 6], out_channels=8, kernel_size=3, stride=2, padding=1, groups=4),
        case("Conv2d", [2, 5, 6], 3, out_channels=3, kernel_size=(4, 3), padding="same", dilation=(1, 2)),
        case("Conv2d", [2, 5, 6], out_channels=3, kernel_size=2, padding="valid", stride=(1, 2)),
        case("Conv2d", [2, 3, 4], 17, rows=4, out_channels=33, kernel_size=3, padding=1),
        case("Conv2d", [1, 27, 26], 2, rows=5, out_channels=1, kernel_size=4),
        case("Conv2d", [3, 5, 5], 60, rows=7, out_channels=4, kernel_size=3),
        case("Conv2d", [3, 4, 4], out_channels=2, kernel_size=1, stride=3, padding=1),
        case("Conv1d", [3, 20], 4, out_channels=6, kernel_size=5),
        case("Conv1d", [3, 20], 4, out_channels=6, kernel_size=3, stride=2, padding=3, dilation=2, groups=2),
        case("Conv1d", [3, 11], out_channels=2, kernel_size=4, padding="same", bias=False),
        case("Conv1d", [2, 40], before="none", out_channels=3, kernel_size=(7,), stride=(4,)),
        case("ConvTranspose2d", [2, 4, 5], 3, out_channels=4, kernel_size=3),
        case("ConvTranspose2d", [2, 4, 3], 4, out_channels=6, kernel_size=(3, 2), stride=(2, 3), padding=1,
             output_padding=(1, 2), groups=2, dilation=(2, 1)),
        case("ConvTranspose2d", [3, 4, 4], out_channels=2, kernel_size=4, stride=2, padding=1, bias=False),
        case("ConvTranspose2d", [1, 5, 5], before="none", out_channels=2, kernel_size=2, stride=3, output_padding=2),
    ]  # fmt: skip
    write("convolution", cases)


if __name__ == "__main__":
    main()
