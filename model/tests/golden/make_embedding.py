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


class Counts(nn.Module):
    """EmbeddingBag of the indices whose value is not zero: each so often, or with so much weight."""

    def __init__(self, bag: nn.EmbeddingBag) -> None:
        super().__init__()
        self.bag = bag

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        counted = x != 0
        if self.bag.padding_idx is not None:
            counted[:, self.bag.padding_idx] = False
        _, indices = counted.nonzero(as_tuple=True)
        values, sizes = x[counted], counted.sum(1)
        weights = None
        whole = bool((values == values.round()).all())
        if self.bag.mode == "mean" and whole:
            # PyTorch's own mean, of indices that come again.
            times = values.detach().long()
            sizes = torch.where(counted, x, 0).sum(1).long()
            indices = indices.repeat_interleave(times)
        elif self.bag.mode != "max":
            weights = values
        offsets = sizes.cumsum(0) - sizes
        mode = "sum" if weights is not None else self.bag.mode
        out = nn.functional.embedding_bag(
            indices, self.bag.weight, offsets, mode=mode, per_sample_weights=weights, padding_idx=self.bag.padding_idx
        )
        if self.bag.mode == "mean" and not whole:
            total = torch.where(counted, x, 0).sum(1, keepdim=True)
            out = out / torch.where(total == 0, 1, total)
        return out


def named_as_ours(made: dict, names: dict[str, str]) -> dict:
    """The same without the level that a wrapper adds to PyTorch's names."""
    for key in ("parameters", "gradients", "shapes"):
        for theirs, ours in names.items():
            made[key] = {name.replace(theirs, ours): value for name, value in made[key].items()}
    return made


def case(name: str, module: nn.Module, layer: dict, shape: list[int], entries: int) -> dict:
    features = torch.randint(0, entries, (ROWS, *shape)).double()
    width = layer["embedding_dim"]
    made = layer_case(name, nn.Sequential(module, nn.Linear(width, 3)),
                      [layer, {"type": "Linear", "out_features": 3}], shape, features)  # fmt: skip
    return named_as_ours(made, {"0.1.": "0.", "0.bag.": "0."})


def counts_case(mode: str, padding: int | None, weighted: bool) -> dict:
    """A vector of counts, or of weights (of any sign, but for a mean)."""
    features = torch.randint(0, 4, (ROWS, 12)).double() * (torch.rand(ROWS, 12) < 0.4)
    if weighted:
        values = torch.rand(ROWS, 12) if mode == "mean" else torch.randn(ROWS, 12)
        features = torch.where(features != 0, values.float().double(), 0)
    # A bag of nothing, and one of nothing but what may be padding.
    features[3] = 0
    features[4] = 0
    features[4, 2] = 3
    layer = {"type": "EmbeddingBag", "num_embeddings": 12, "embedding_dim": 9, "mode": mode, "padding_idx": padding,
             "input": "counts"}  # fmt: skip
    bag = Counts(nn.EmbeddingBag(12, 9, mode=mode, padding_idx=padding))
    made = layer_case(f"EmbeddingBag of {'weights' if weighted else 'counts'}, {mode}, padding_idx={padding}",
                      nn.Sequential(bag, nn.Linear(9, 3)),
                      [layer, {"type": "Linear", "out_features": 3}], [12], features)  # fmt: skip
    return named_as_ours(made, {"0.bag.": "0."})


def inner_case(mode: str) -> dict:
    """Behind other layers, which need the gradient of the values."""
    layer = {"type": "EmbeddingBag", "num_embeddings": 12, "embedding_dim": 5, "mode": mode, "padding_idx": 4,
             "input": "counts"}  # fmt: skip
    bag = Counts(nn.EmbeddingBag(12, 5, mode=mode, padding_idx=4))
    made = layer_case(f"EmbeddingBag of computed weights, {mode}", nn.Sequential(nn.Linear(7, 12), nn.ReLU(), bag),
                      [{"type": "Linear", "out_features": 12}, {"type": "ReLU"}, layer], [7])  # fmt: skip
    return named_as_ours(made, {"2.bag.": "2."})


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
    for mode in ("sum", "mean", "max"):
        for padding in (None, 2, -1):
            cases.extend(counts_case(mode, padding, weighted) for weighted in (False, True))
    cases.extend(inner_case(mode) for mode in ("sum", "mean", "max"))
    write("embedding", cases)


if __name__ == "__main__":
    main()
