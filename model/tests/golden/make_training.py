"""Writes curves.json: the losses of 100 steps of training, by PyTorch in single precision, as users run it.

Weights and batches are not in the file: both sides compute them with :func:`values` (``values`` of ``training.rs``),
whose numbers are exact in single precision.
"""

from collections.abc import Callable

import torch
from golden import FORMAT, numbers, write
from torch import nn

STEPS = 100
ROWS = 32
CLASSES = 4
MASK = 0xFFFFFFFF


def values(seed: int, count: int) -> list[float]:
    """Numbers in [-1, 1) of 24 bits, by a hash of seed and place."""
    made = []
    for at in range(count):
        x = (at * 2654435761 + seed * 40503 + 1) & MASK
        x = ((x ^ (x >> 15)) * 2246822519) & MASK
        x = ((x ^ (x >> 13)) * 3266489917) & MASK
        made.append(((x ^ (x >> 16)) >> 8) / 2**23 - 1.0)
    return made


def scale(fan: int) -> float:
    """The largest power of two that is at most 2 / sqrt(fan) and at most 1."""
    made = 1.0
    while made * made * fan > 4:
        made /= 2
    return made


def start(net: nn.Module) -> None:
    """Sets every trained parameter: matrices by their fan, weights of one dimension around 1, biases small."""
    with torch.no_grad():
        for index, (name, parameter) in enumerate(net.named_parameters()):
            shape = parameter.shape
            one = len(shape) == 1
            factor = 0.125 if one else scale(shape[1:].numel())
            shift = 1.0 if one and name.endswith("weight") else 0.0
            made = torch.tensor(values(1000 + index, parameter.numel()), dtype=torch.float64)
            parameter.copy_((made * factor + shift).reshape(shape))


class Last(nn.Module):
    """An LSTM of which the output at the last place counts."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.lstm(features)[0][:, -1]


def linear(size: int) -> dict:
    return {"type": "Linear", "out_features": size}


# Network, its layers as a document has them, shape of the features, places of the features that make the label.
Net = tuple[Callable[[], nn.Module], list[dict], list[int], list[int]]
PLACES = [0, 3, 5, 9]
NETS: dict[str, Net] = {
    "tanh": (
        lambda: nn.Sequential(nn.Linear(12, 24), nn.Tanh(), nn.Linear(24, CLASSES)),
        [linear(24), {"type": "Tanh"}, linear(CLASSES)],
        [12],
        PLACES,
    ),
    "relu": (
        lambda: nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, CLASSES)),
        [linear(24), {"type": "ReLU"}, linear(CLASSES)],
        [12],
        PLACES,
    ),
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(54, CLASSES),
        ),
        [
            {"type": "Conv2d", "out_channels": 6, "kernel_size": 3, "padding": 1},
            {"type": "BatchNorm2d"},
            {"type": "ReLU"},
            {"type": "MaxPool2d", "kernel_size": 2},
            {"type": "Flatten"},
            linear(CLASSES),
        ],
        [2, 6, 6],
        [7, 22, 43, 64],
    ),
    "lstm": (
        lambda: nn.Sequential(Last(5, 12), nn.Linear(12, CLASSES)),
        [{"type": "LSTM", "hidden_size": 12, "output": "last"}, linear(CLASSES)],
        [7, 5],
        [25, 28, 31, 34],
    ),
}
OPTIMIZERS: list[dict] = [
    {"type": "SGD", "lr": 0.05, "momentum": 0.9},
    {"type": "Adam", "lr": 0.01},
    {"type": "AdamW", "lr": 0.01},
]
CASES = [(net, "CrossEntropyLoss") for net in NETS] + [("tanh", "MSELoss"), ("relu", "MSELoss")]


def curve(net: nn.Module, loss: str, optimizer: dict, shape: list[int], places: list[int]) -> torch.Tensor:
    """The loss at every step, on batches that are new at every step."""
    start(net)
    chosen = {key: value for key, value in optimizer.items() if key != "type"}
    update = getattr(torch.optim, optimizer["type"])(net.parameters(), **chosen)
    width = torch.Size(shape).numel()
    losses = []
    for step in range(STEPS):
        rows = torch.tensor(values(step, ROWS * width), dtype=torch.float64).reshape(ROWS, width)
        seen = rows[:, places]
        if loss == "MSELoss":
            first, second = seen[:, :1], seen[:, 1:2]
            labels = (first * second + seen).float()
        else:
            labels = seen.argmax(dim=1)
        value = getattr(nn, loss)()(net(rows.float().reshape(ROWS, *shape)), labels)
        update.zero_grad()
        value.backward()
        update.step()
        losses.append(value.item())
    return torch.tensor(losses, dtype=torch.float64)


def main() -> None:
    torch.set_num_threads(1)
    content = []
    for name, loss in CASES:
        make, layers, shape, places = NETS[name]
        for optimizer in OPTIMIZERS:
            content.append(
                {
                    "name": f"{name}, {loss}, {optimizer['type']}",
                    "network": {"format": FORMAT, "layers": layers},
                    "inputShape": shape,
                    "places": places,
                    "loss": loss,
                    "optimizer": optimizer,
                    "rows": ROWS,
                    "losses": numbers(curve(make(), loss, optimizer, shape, places)),
                }
            )
    write("curves", content)


if __name__ == "__main__":
    main()
