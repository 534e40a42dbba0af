"""Writes attention.json: MultiheadAttention, positional encodings. `make golden` runs it."""

import math

import torch
from golden import FORMAT, layer_case, write
from torch import nn


def linear(size: int) -> dict:
    return {"type": "Linear", "out_features": size}


def mask(queries: int, keys: int, causal: bool) -> torch.Tensor | None:
    return torch.ones(queries, keys, dtype=torch.bool).triu(1) if causal else None


class SelfAttention(nn.MultiheadAttention):
    def __init__(self, embed: int, heads: int, causal: bool = False, bias: bool = True) -> None:
        super().__init__(embed, heads, bias=bias, batch_first=True)
        self.causal = causal
        if bias:
            # PyTorch starts them at 0, where mistakes would not show.
            nn.init.normal_(self.in_proj_bias)
            nn.init.normal_(self.out_proj.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = mask(x.shape[1], x.shape[1], self.causal)
        return super().forward(x, x, x, need_weights=False, attn_mask=hidden)[0]


class Cross(nn.Module):
    """Query, key and value from parts of the features."""

    def __init__(self, embed: int, heads: int, sizes: tuple[int, int], causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.q = nn.Linear(2, embed)
        # The gradient of a bias of the keys is exactly 0, which cannot be compared relatively.
        self.k = nn.Linear(2, sizes[0], bias=False)
        self.v = nn.Linear(2, sizes[1])
        self.y = nn.MultiheadAttention(embed, heads, kdim=sizes[0], vdim=sizes[1], batch_first=True)
        nn.init.normal_(self.y.in_proj_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, memory = x[:, :6].unflatten(1, (3, 2)), x[:, 6:].unflatten(1, (5, 2))
        hidden = mask(3, 5, self.causal)
        return self.y(self.q(query), self.k(memory), self.v(memory), need_weights=False, attn_mask=hidden)[0]


def cross(embed: int, heads: int, sizes: tuple[int, int], causal: bool) -> dict:
    document = {
        "format": FORMAT,
        "inputs": [{"name": "a", "shape": [3, 2]}, {"name": "b", "shape": [5, 2]}],
        "nodes": [
            {"name": "q", "inputs": ["a"], "layer": linear(embed)},
            {"name": "k", "inputs": ["b"], "layer": linear(sizes[0]) | {"bias": False}},
            {"name": "v", "inputs": ["b"], "layer": linear(sizes[1])},
            {"name": "y", "inputs": ["q", "k", "v"],
             "layer": {"type": "MultiheadAttention", "num_heads": heads, "is_causal": causal}},
        ],
        "outputs": ["y"],
    }  # fmt: skip
    name = f"query, key, value of {embed}, {sizes}, causal={causal}"
    return layer_case(name, Cross(embed, heads, sizes, causal), document, [16])


class Sines(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length, size = x.shape[1:]
        position = torch.arange(length).double().unsqueeze(1)
        even = torch.exp(torch.arange(0, size, 2).double() * (-math.log(10000.0) / size))
        table = torch.zeros(length, size).double()
        table[:, 0::2] = torch.sin(position * even)
        table[:, 1::2] = torch.cos(position * even)[:, : size // 2]
        return x + table


class Learned(nn.Module):
    def __init__(self, positions: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(positions, size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight[: x.shape[1]]


def main() -> None:
    torch.manual_seed(7)
    cases = []
    for embed, heads, causal, bias in (
        (6, 2, False, True),
        (6, 3, True, True),
        (4, 1, False, False),
        (36, 2, True, False),
    ):
        layer = {"type": "MultiheadAttention", "num_heads": heads, "bias": bias, "is_causal": causal}
        net = nn.Sequential(nn.Linear(3, embed), SelfAttention(embed, heads, causal, bias), nn.Linear(embed, 2))
        cases.append(layer_case(f"self-attention {embed}, {heads}, causal={causal}, bias={bias}", net,
                                [linear(embed), layer, linear(2)], [5, 3]))  # fmt: skip
    for causal in (False, True):
        layer = {"type": "MultiheadAttention", "num_heads": 2, "is_causal": causal}
        cases.append(layer_case(f"several blocks of queries, causal={causal}", nn.Sequential(SelfAttention(4, 2, causal)),
                                [layer], [140, 4], rows=5))  # fmt: skip
    for sizes in ((4, 4), (3, 5)):
        for causal in (False, True):
            cases.append(cross(4, 2, sizes, causal))
    for size in (4, 5):
        cases.append(layer_case(f"PositionalEncoding {size}", nn.Sequential(nn.Linear(3, size), Sines(), nn.Linear(size, 2)),
                                [linear(size), {"type": "PositionalEncoding", "dropout": 0}, linear(2)], [7, 3]))  # fmt: skip
    for most in (None, 9):
        layer = {"type": "LearnedPositionalEncoding", "max_len": most}
        cases.append(layer_case("learned", nn.Sequential(nn.Linear(3, 4), Learned(most or 7, 4), nn.Linear(4, 2)),
                                [linear(4), layer, linear(2)], [7, 3]))  # fmt: skip
    write("attention", cases)


if __name__ == "__main__":
    main()
