"""Writes multitask.json: one trunk under two heads, a class and a value, by a weighted sum of losses. `make golden` runs it."""

import torch
from golden import FORMAT, named, numbers, write
from torch import nn

ROWS = 13


class TwoHeads(nn.Module):
    """A class and a value."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(5, 6)
        self.kind = nn.Linear(6, 3)
        self.width = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.tanh(self.trunk(x))
        return self.kind(hidden), self.width(hidden)


def node(name: str, source: str, layer: dict) -> dict:
    return {"name": name, "inputs": [source], "layer": layer}


def linear(size: int) -> dict:
    return {"type": "Linear", "out_features": size}


DOCUMENT = {
    "format": FORMAT,
    "inputs": [{"name": "x", "shape": [5]}],
    "nodes": [
        node("trunk", "x", linear(6)),
        node("hidden", "trunk", {"type": "Tanh"}),
        node("kind", "hidden", linear(3)),
        node("width", "hidden", linear(2)),
    ],
    "outputs": ["kind", "width"],
}
LOSS = {
    "type": "MultiLoss",
    "losses": [
        {"type": "LossTerm", "loss": {"type": "CrossEntropyLoss", "label_smoothing": 0.1}, "output": "kind"},
        {"type": "LossTerm", "loss": {"type": "HuberLoss"}, "weight": 0.3, "output": "width", "label": ["w", "h"]},
    ],
}


def main() -> None:
    torch.manual_seed(31)
    net = TwoHeads().float().double()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    features = (torch.randn(ROWS, 5) * 1.2).float().double()
    kinds = torch.randint(0, 3, (ROWS,))
    sizes = torch.randn(ROWS, 2).float().double()
    weights = (torch.rand(ROWS) + 0.5).float().double()
    kind, width = net(features)
    by_row = nn.functional.cross_entropy(kind, kinds, label_smoothing=0.1, reduction="none")
    by_row = by_row + 0.3 * nn.functional.huber_loss(width, sizes, reduction="none").mean(dim=1)
    value = (by_row * weights).sum() / weights.sum()
    value.backward()
    case = {
        "name": "a class and a value",
        "network": DOCUMENT,
        "loss": LOSS,
        "columns": [{"name": "kind", "width": 1}, {"name": "w", "width": 1}, {"name": "h", "width": 1}],
        "inputShape": [5],
        "parameters": named(state),
        "shapes": {key: list(value.shape) for key, value in state.items()},
        "features": numbers(features),
        "labels": numbers(torch.cat([kinds.double().unsqueeze(1), sizes], dim=1)),
        "weights": numbers(weights),
        "evaluated": numbers(torch.cat([kind, width], dim=1)),
        "value": value.item(),
        "gradients": {key: numbers(value.grad) for key, value in net.named_parameters()},
    }
    write("multitask", [case])


if __name__ == "__main__":
    main()
