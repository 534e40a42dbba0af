"""Writes shared.json: networks that call a layer more than once. `make golden` runs it."""

import torch
from golden import FORMAT, layer_case, write
from torch import nn


def linear(size: int) -> dict:
    return {"type": "Linear", "out_features": size}


def graph(inputs: dict[str, list[int]], nodes: list[dict], output: str) -> dict:
    columns = [{"name": name, "shape": shape} for name, shape in inputs.items()]
    return {"format": FORMAT, "inputs": columns, "nodes": nodes, "outputs": [output]}


class Siamese(nn.Module):
    """One tower over both halves of the features."""

    def __init__(self, tower: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.left = tower
        self.score = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = x.chunk(2, dim=1)
        return self.score(self.left(left) * self.left(right))


class Repeated(nn.Module):
    """A layer over what it put out itself, three times in all."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh())
        self.last = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(self.first(self.first(x))))


class Words(nn.Module):
    """One table for the words of two texts."""

    def __init__(self, bags: bool) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(6, 5, mode="mean") if bags else nn.Embedding(6, 5)
        self.score = nn.Linear(5 if bags else 15, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = x.long().chunk(2, dim=1)
        return self.score((self.words(left) * self.words(right)).flatten(1))


def two(layer: dict, shape: list[int], head: list[dict]) -> dict:
    """A layer over two inputs of a shape, whose outputs are multiplied."""
    name = "words" if "Embedding" in layer["type"] else "left"
    return graph(
        {"a": shape, "b": shape},
        [
            {"name": name, "inputs": ["a"], "layer": layer},
            {"name": "right", "inputs": ["b"], "shares": name},
            {"name": "both", "inputs": [name, "right"], "layer": {"type": "Multiply"}},
            *head,
        ],
        "score",
    )


def chains() -> list[dict]:
    """Layers that stand in one Sequential twice, alone and within others."""
    tanh = {"type": "Tanh"}
    square = nn.Linear(4, 4)
    twice = nn.Sequential(square, nn.Tanh(), square, nn.Linear(4, 2))
    part = nn.Linear(4, 4)
    block = nn.Sequential(part, nn.Tanh(), part)
    nested = nn.Sequential(block, block, nn.Tanh(), part, nn.Linear(4, 2))
    inner = {"type": "Sequential", "layers": [linear(4), tanh, {"shares": "0.0"}]}
    documents = [
        [linear(4), tanh, {"shares": "0"}, linear(2)],
        [inner, {"shares": "0"}, {"shares": "0.1"}, {"shares": "0.0"}, linear(2)],
    ]
    cases = [
        layer_case(name, net, {"format": FORMAT, "layers": layers}, [4])
        for name, net, layers in zip(("twice", "nested"), (twice, nested), documents, strict=True)
    ]
    # PyTorch's state names a layer at every place where it stands, its parameters only at the first.
    for case in cases:
        for key in ("parameters", "shapes"):
            case[key] = {name: value for name, value in case[key].items() if name in case["gradients"]}
    return cases


def main() -> None:
    torch.manual_seed(11)
    score = {"name": "score", "inputs": ["both"], "layer": linear(2)}
    flat = [{"name": "row", "inputs": ["both"], "layer": {"type": "Flatten"}}, {**score, "inputs": ["row"]}]
    tower = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5))
    tower_document = {"type": "Sequential", "layers": [linear(6), {"type": "Tanh"}, linear(5)]}
    encoder = {"type": "TransformerEncoderLayer", "d_model": 4, "nhead": 2, "dim_feedforward": 6, "dropout": 0.0,
               "batch_first": True}  # fmt: skip
    again = graph(
        {"x": [4]},
        [
            {"name": "first", "inputs": ["x"], "layer": {"type": "Sequential", "layers": [
                {**linear(4), "bias": False}, {"type": "BatchNorm1d"}, {"type": "Tanh"}]}},
            {"name": "second", "inputs": ["first"], "shares": "first"},
            {"name": "third", "inputs": ["second"], "shares": "first"},
            {"name": "last", "inputs": ["third"], "layer": linear(2)},
        ],
        "last",
    )  # fmt: skip
    indices = torch.randint(0, 6, (13, 6)).double()
    cases = [
        layer_case("siamese", Siamese(tower, nn.Linear(5, 2)), two(tower_document, [4], [score]), [8]),
        layer_case("three calls, one behind the other", Repeated(), again, [4]),
        layer_case("Embedding", Words(bags=False),
                   two({"type": "Embedding", "num_embeddings": 6, "embedding_dim": 5}, [3], flat), [6], indices),
        layer_case("EmbeddingBag", Words(bags=True),
                   two({"type": "EmbeddingBag", "num_embeddings": 6, "embedding_dim": 5, "mode": "mean"}, [3], [score]),
                   [6], indices),
        layer_case("transformer", nn.Sequential(nn.Unflatten(1, (6, 4)), Siamese(
                       nn.TransformerEncoderLayer(4, 2, 6, 0.0, batch_first=True), nn.Sequential(
                           nn.Flatten(), nn.Linear(12, 2)))),
                   two(encoder, [3, 4], flat), [24]),
    ]  # fmt: skip
    # The wrappers add levels to PyTorch's names.
    for key in ("parameters", "gradients", "shapes"):
        cases[-1][key] = {
            name.removeprefix("1.").replace("score.1.", "score."): value for name, value in cases[-1][key].items()
        }
    write("shared", cases + chains())


if __name__ == "__main__":
    main()
