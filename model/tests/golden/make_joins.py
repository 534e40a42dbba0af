"""Writes joins.json: Residual, Add, Multiply, Concat and graph networks. `make golden` runs it."""

import torch
from golden import FORMAT, layer_case, write
from torch import nn


def linear(size: int) -> dict:
    return {"type": "Linear", "out_features": size}


class Branches(nn.ModuleList):
    """Branches over one input, brought together by a function; parameters are named by the branch's index."""

    def __init__(self, join, *branches: nn.Module) -> None:
        super().__init__(branches)
        self.join = join

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.join([branch(x) for branch in self])


class Residual(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


def product(values: list[torch.Tensor]) -> torch.Tensor:
    result = values[0]
    for value in values[1:]:
        result = result * value
    return result


class Graph(nn.Module):
    """Wide and deep with two outputs: inputs of 3 and 4 values."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        self.gate = nn.Linear(3, 3)
        self.score = nn.Linear(9, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide, rest = x[:, :3], x[:, 3:]
        deep = self.deep(rest)
        gated = self.gate(wide) * deep * wide
        score = self.score(torch.cat([wide, gated, deep], dim=1))
        return torch.cat([score, gated], dim=1)


GRAPH = {
    "format": FORMAT,
    "inputs": [{"name": "wide", "shape": [3]}, {"name": "rest", "shape": [4]}],
    "nodes": [
        {"name": "deep", "inputs": ["rest"],
         "layer": {"type": "Sequential", "layers": [linear(5), {"type": "Tanh"}, linear(3)]}},
        {"name": "gate", "inputs": ["wide"], "layer": linear(3)},
        {"name": "gated", "inputs": ["gate", "deep", "wide"], "layer": {"type": "Multiply"}},
        {"name": "all", "inputs": ["wide", "gated", "deep"], "layer": {"type": "Concat"}},
        {"name": "score", "inputs": ["all"], "layer": linear(2)},
    ],
    "outputs": ["score", "gated"],
}  # fmt: skip


def main() -> None:
    torch.manual_seed(3)
    relu = {"type": "ReLU"}
    body = [linear(6), relu, linear(5)]
    residual = Residual(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 5))
    concat = Branches(lambda parts: torch.cat(parts, dim=1), nn.Linear(5, 2), nn.Identity(), nn.Tanh())
    cases = [
        layer_case("Residual", nn.Sequential(nn.Linear(4, 5), residual, nn.Linear(5, 2)),
                   [linear(5), {"type": "Residual", "layers": body}, linear(2)], [4]),
        layer_case("Residual first", nn.Sequential(Residual(nn.Linear(4, 4), nn.GELU())),
                   [{"type": "Residual", "layers": [linear(4), {"type": "GELU"}]}], [4]),
        layer_case("Multiply", nn.Sequential(nn.Linear(4, 5), Branches(product, nn.Linear(5, 3), nn.Linear(5, 3))),
                   [linear(5), {"type": "Multiply", "layers": [linear(3), linear(3)]}], [4]),
        layer_case("Add", nn.Sequential(nn.Linear(4, 5), Branches(sum, nn.ReLU(), nn.Tanh(), nn.Linear(5, 5))),
                   [linear(5), {"type": "Add", "layers": [relu, {"type": "Tanh"}, linear(5)]}], [4]),
        layer_case("Concat", nn.Sequential(nn.Linear(4, 5), concat, nn.Linear(12, 3)),
                   [linear(5), {"type": "Concat", "layers": [linear(2), {"type": "Dropout", "p": 0.0}, {"type": "Tanh"}]},
                    linear(3)], [4]),
        layer_case("graph", Graph(), GRAPH, [7]),
    ]  # fmt: skip
    write("joins", cases)


if __name__ == "__main__":
    main()
