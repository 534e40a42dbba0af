"""Writes bilinear.json: Bilinear over two inputs of a graph. `make golden` runs it."""

import torch
from golden import FORMAT, layer_case, write
from torch import nn


class Graph(nn.Module):
    """Two inputs, a Linear over each unless ``plain``, and the Bilinear of both."""

    def __init__(self, left: list[int], right: list[int], bias: bool, plain: bool) -> None:
        super().__init__()
        self.shapes = (left, right)
        self.plain = plain
        if plain:
            self.y = nn.Bilinear(left[-1], right[-1], 4, bias=bias)
        else:
            self.a = nn.Linear(left[-1], 5)
            self.b = nn.Linear(right[-1], 19)
            self.y = nn.Bilinear(5, 19, 4, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.shapes
        size = torch.Size(left).numel()
        first, second = x[:, :size].unflatten(1, left), x[:, size:].unflatten(1, right)
        return self.y(first, second) if self.plain else self.y(self.a(first), self.b(second))


def case(left: list[int], right: list[int], bias: bool, plain: bool) -> dict:
    nodes = [{"name": "y", "inputs": ["l", "r"] if plain else ["a", "b"],
              "layer": {"type": "Bilinear", "out_features": 4, "bias": bias}}]  # fmt: skip
    if not plain:
        nodes = [
            {"name": "a", "inputs": ["l"], "layer": {"type": "Linear", "out_features": 5}},
            {"name": "b", "inputs": ["r"], "layer": {"type": "Linear", "out_features": 19}},
            *nodes,
        ]
    document = {"format": FORMAT, "inputs": [{"name": "l", "shape": left}, {"name": "r", "shape": right}],
                "nodes": nodes, "outputs": ["y"]}  # fmt: skip
    width = torch.Size(left).numel() + torch.Size(right).numel()
    name = f"Bilinear of {left} and {right}, bias={bias}, plain={plain}"
    return layer_case(name, Graph(left, right, bias, plain), document, [width])


def main() -> None:
    torch.manual_seed(6)
    write("bilinear", [
        case([3], [2], True, True),
        case([3], [4], True, False),
        case([2, 3], [2, 4], False, False),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
