"""Steps that shards make by themselves (`localSteps`), by a plain PyTorch loop.

    python flight-server/src/train/session/tests/golden/make_local.py     (torch 2.13)

Two of the logical shards have one row each, many times: any order of the rows gives the same slices. The rows of the second weigh three
times as much. A shard's optimiser is one of torch.optim; at a meeting the state of both becomes the mean over the shards, by what
their rows weigh, and the outer step is torch.optim.SGD(nesterov=True) over what the weights moved by (DiLoCo).
"""

import json
from pathlib import Path

import torch
from torch import nn

EPOCHS, COPIES, BATCH, CLIP = 3, 14, 4, 2.0
STEPS = 2 * COPIES // BATCH
LAYERS = [{"type": "Linear", "out_features": 4}, {"type": "Tanh"}, {"type": "Linear", "out_features": 1}]
FEATURES, LABELS, WEIGHTS = [[0.5, -1.25, 2.0], [-1.0, 0.75, 0.25]], [3.0, -1.5], [1.0, 3.0]
CASES = [
    ("the mean of weights", {"type": "SGD", "lr": 0.05, "momentum": 0.9}, 2, 1.0, 0.0),
    ("block momentum", {"type": "SGD", "lr": 0.05}, 3, 0.7, 0.9),
    ("DiLoCo", {"type": "AdamW", "lr": 0.02, "weight_decay": 0.1}, 3, 0.7, 0.9),
]


def net_of(values: list[torch.Tensor]) -> nn.Module:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(value)
    return net


def start() -> list[torch.Tensor]:
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    return [parameter.detach().double() for parameter in net.parameters()]


def mean(tensors: list[torch.Tensor]) -> torch.Tensor:
    return sum(weight * tensor for weight, tensor in zip(WEIGHTS, tensors, strict=True)) / sum(WEIGHTS)


def meet(outer: torch.optim.Optimizer, weights: list[torch.Tensor], shards: list) -> None:
    for at, weight in enumerate(weights):
        weight.grad = mean([weight.detach() - list(net.parameters())[at].detach() for net, _ in shards])
    outer.step()
    for at, weight in enumerate(weights):
        own = [list(net.parameters())[at] for net, _ in shards]
        states = [optimizer.state[parameter] for (_, optimizer), parameter in zip(shards, own, strict=True)]
        for name, value in states[0].items():
            if isinstance(value, torch.Tensor) and value.dim() > 0:
                together = mean([state[name] for state in states])
                for state in states:
                    state[name] = together.clone()
        with torch.no_grad():
            for parameter in own:
                parameter.copy_(weight)


def train(document: dict, every: int, lr: float, momentum: float) -> tuple[list[float], list[float]]:
    weights = [value.clone().requires_grad_() for value in start()]
    outer = torch.optim.SGD(weights, lr=lr, momentum=momentum, nesterov=momentum > 0)
    arguments = {key: value for key, value in document.items() if key != "type"}
    shards = []
    for _ in WEIGHTS:
        net = net_of(weights)
        shards.append((net, getattr(torch.optim, document["type"])(net.parameters(), **arguments)))
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for step in range(STEPS):
            for (net, optimizer), features, label, weight in zip(shards, FEATURES, LABELS, WEIGHTS, strict=True):
                optimizer.zero_grad()
                loss = ((net(torch.tensor(features, dtype=torch.float64)) - label) ** 2).mean()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                optimizer.step()
                total += weight * loss.item()
            if (step + 1) % every == 0 or step + 1 == STEPS:
                meet(outer, weights, shards)
        losses.append(total / STEPS / sum(WEIGHTS))
    return [value for weight in weights for value in weight.detach().flatten().tolist()], losses


def main() -> None:
    cases = []
    for name, document, every, lr, momentum in CASES:
        weights, losses = train(document, every, lr, momentum)
        params = {"localSteps": every, "outerLearningRate": lr, "outerMomentum": momentum, "optimizer": document}
        cases.append({"name": name, "params": params, "weights": weights, "losses": losses})
    golden = {
        "copies": COPIES,
        "batch": BATCH,
        "epochs": EPOCHS,
        "clip": CLIP,
        "layers": LAYERS,
        "features": FEATURES,
        "labels": LABELS,
        "rowWeights": WEIGHTS,
        "start": [value for tensor in start() for value in tensor.flatten().tolist()],
        "cases": cases,
    }
    Path(__file__).with_name("local.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
