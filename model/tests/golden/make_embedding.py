"""Writes embedding.json: Embedding and EmbeddingBag. `make golden` runs it."""

import torch
from golden import layer_case, write
from torch import nn

ROWS = 13


class Indices(nn.Module):
    """Features are whole numbers in floating point."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.long()


class Bags(nn.Module):
    """EmbeddingBag over the last dimension of an input of any shape."""

    def __init__(self, bag: nn.EmbeddingBag) -> None:
        super().__init__()
        self.bag = bag

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bag(x.long().flatten(0, -2)).unflatten(0, x.shape[:-1])


def case(name: str, module: nn.Module, layer: dict, shape: list[int], entries: int) -> dict:
    features = torch.randint(0, entries, (ROWS, *shape)).double()
    width = layer["embedding_dim"]
    made = layer_case(name, nn.Sequential(module, nn.Linear(width, 3)),
                      [layer, {"type": "Linear", "out_features": 3}], shape, features)  # fmt: skip
    # The wrappers add a level to PyTorch's names.
    for key in ("parameters", "gradients", "shapes"):
        made[key] = {name.replace("0.1.", "0.").replace("0.bag.", "0."): value for name, value in made[key].items()}
    return made


def main() -> None:
    torch.manual_seed(5)
    cases = []
    for padding in (None, 2, -1):
        layer = {"type": "Embedding", "num_embeddings": 7, "embedding_dim": 5, "padding_idx": padding}
        table = nn.Embedding(7, 5, padding_idx=padding)
        cases.append(case(f"Embedding, padding_idx={padding}", nn.Sequential(Indices(), table), layer, [4], 7))
    layer = {"type": "Embedding", "num_embeddings": 40, "embedding_dim": 17}
    cases.append(case("Embedding of a matrix", nn.Sequential(Indices(), nn.Embedding(40, 17)), layer, [2, 3], 40))
    for mode in ("sum", "mean", "max"):
        for padding, shape in ((None, [6]), (1, [3]), (-2, [2, 2])):
            layer = {"type": "EmbeddingBag", "num_embeddings": 4, "embedding_dim": 9, "mode": mode,
                     "padding_idx": padding}  # fmt: skip
            bag = Bags(nn.EmbeddingBag(4, 9, mode=mode, padding_idx=padding))
            cases.append(case(f"EmbeddingBag, {mode}, padding_idx={padding}, {shape}", bag, layer, shape, 4))
    write("embedding", cases)


if __name__ == "__main__":
    main()
