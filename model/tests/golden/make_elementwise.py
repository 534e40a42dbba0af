"""Writes elementwise.json (`make golden`): activations, at numbers on both sides of all their bends."""

import torch
from golden import layer_case, write
from torch import nn

SIZE = 7


def case(kind: str, **arguments: float) -> dict:
    """An activation behind a Linear that puts out numbers between about -20 and 20."""
    net = nn.Sequential(nn.Linear(SIZE, SIZE), getattr(nn, kind)(**arguments))
    nn.init.normal_(net[0].weight, 0.0, 2.0)
    told = ", ".join(f"{name}={value}" for name, value in arguments.items())
    layers = [{"type": "Linear", "out_features": SIZE}, {"type": kind, **arguments}]
    return layer_case(f"{kind} {told}".strip(), net, layers, [SIZE])


def main() -> None:
    torch.manual_seed(12)
    cases = [
        case("CELU"),
        case("CELU", alpha=2.5),
        case("ELU"),
        case("ELU", alpha=0.5),
        case("Hardsigmoid"),
        case("Hardswish"),
        case("Hardtanh"),
        case("Hardtanh", min_val=-3.0, max_val=4.5),
        case("LeakyReLU"),
        case("LeakyReLU", negative_slope=0.2),
        case("LogSigmoid"),
        case("Mish"),
        case("ReLU6"),
        case("SELU"),
        case("SiLU"),
        case("Sigmoid"),
        case("Softplus"),
        case("Softplus", beta=2.0, threshold=5.0),
        case("Softsign"),
        case("Identity"),
    ]
    write("elementwise", cases)


if __name__ == "__main__":
    main()
