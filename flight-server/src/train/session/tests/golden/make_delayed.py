"""Training with gradients that are applied a step late, by a plain PyTorch loop.

    python flight-server/src/train/session/tests/golden/make_delayed.py     (torch 2.13)

Every row is the same one, so a batch is the same whatever the order of the rows; the weights, and with them the gradients, are
others in every step. The gradient of a step is computed while that of the step before is under way: with the weights that do not
have it. After every third step of an epoch, and at its end, nothing is under way.
"""

import json
from pathlib import Path

import torch
from torch import nn

EPOCHS, ROWS, BATCH, INTERVAL, CLIP = 3, 76, 10, 3, 2.0
STEPS = -(-ROWS // BATCH)
LAYERS = [{"type": "Linear", "out_features": 4}, {"type": "Tanh"}, {"type": "Linear", "out_features": 1}]
FEATURES, LABEL = [0.5, -1.25, 2.0], 3.0
CASES = [
    ("sgd", {"type": "SGD", "lr": 0.05, "momentum": 0.9}, "delayed"),
    ("adam", {"type": "Adam", "lr": 0.05}, "delayed"),
    ("sgd at once", {"type": "SGD", "lr": 0.05, "momentum": 0.9}, "none"),
]


def optimizer_of(document: dict, parameters) -> torch.optim.Optimizer:
    arguments = {key: value for key, value in document.items() if key != "type"}
    return getattr(torch.optim, document["type"])(parameters, **arguments)


def flat(net: nn.Module) -> list[float]:
    return [value for parameter in net.parameters() for value in parameter.detach().flatten().tolist()]


def train(document: dict, asynchrony: str) -> tuple[list[float], list[float], list[float]]:
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(parameter.float().double())
    start = flat(net)
    optimizer = optimizer_of(document, net.parameters())
    features, label = torch.tensor([FEATURES], dtype=torch.float64), torch.tensor([[LABEL]], dtype=torch.float64)

    def computed() -> tuple[float, list[torch.Tensor]]:
        loss = ((net(features) - label) ** 2).mean()
        return loss.item(), list(torch.autograd.grad(loss, net.parameters()))

    def apply(gradients: list[torch.Tensor]) -> None:
        for parameter, gradient in zip(net.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()

    losses = []
    for _ in range(EPOCHS):
        total, under_way = 0.0, None
        for step in range(STEPS):
            rows = min(BATCH, ROWS - step * BATCH)
            loss, gradients = computed()
            total += loss * rows
            if under_way is not None:
                apply(under_way)
            under_way = gradients
            if asynchrony == "none" or (step + 1) % INTERVAL == 0 or step + 1 == STEPS:
                apply(under_way)
                under_way = None
        losses.append(total / ROWS)
    return start, flat(net), losses


def main() -> None:
    cases = []
    start: list[float] = []
    for name, document, asynchrony in CASES:
        start, weights, losses = train(document, asynchrony)
        cases.append(
            {"name": name, "optimizer": document, "asynchrony": asynchrony, "weights": weights, "losses": losses}
        )
    golden = {
        "rows": ROWS,
        "batch": BATCH,
        "epochs": EPOCHS,
        "interval": INTERVAL,
        "clip": CLIP,
        "layers": LAYERS,
        "features": FEATURES,
        "label": LABEL,
        "weights": start,
        "cases": cases,
    }
    Path(__file__).with_name("delayed.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
