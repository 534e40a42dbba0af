"""What gradients that come a step late cost in PyTorch: loss of a small CNN after each epoch, with gradients in time and late.

`python benchmarks/torch_delayed.py` in an environment with PyTorch (`.cache/bench-venv`); 2 minutes. Network and rows are of the
kind of flight-server/benches/slow_link.rs, and late gradients are those of `asynchrony="delayed"`: each is of the weights before
the last update, and the last one of an epoch is waited for. It says whether a loss that falls more slowly is that of the method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

BATCH, STEPS, EPOCHS, CLASSES, PIXELS = 256, 64, 5, 10, 784


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    """A pattern for each class, and noise; mean 0 and deviation 1."""
    generator = torch.Generator().manual_seed(3)
    patterns = torch.rand(CLASSES, PIXELS, generator=generator)
    labels = torch.arange(BATCH * STEPS) % CLASSES
    features = 0.2 * patterns[labels] + torch.rand(BATCH * STEPS, PIXELS, generator=generator)
    return ((features - features.mean()) / features.std()).view(-1, 1, 28, 28), labels


def network() -> nn.Module:
    """Two convolutions and two linear layers, as they start with one seed."""
    torch.manual_seed(1)
    convolutions = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, CLASSES))


def losses(make: Callable[[Iterable[nn.Parameter]], Any], late: bool) -> list[float]:
    """Mean loss of each epoch's steps."""
    (features, labels), model = rows(), network()
    weights = list(model.parameters())
    optimizer = make(weights)
    order, told = torch.Generator().manual_seed(5), []

    def apply(gradients: tuple[torch.Tensor, ...]) -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        optimizer.step()

    for _ in range(EPOCHS):
        total, under_way = 0.0, None
        for batch in torch.randperm(len(labels), generator=order).split(BATCH):
            loss = functional.cross_entropy(model(features[batch]), labels[batch])
            total += loss.item()
            gradients = torch.autograd.grad(loss, weights)
            if late:
                gradients, under_way = under_way, gradients
            if gradients is not None:
                apply(gradients)
        if under_way is not None:
            apply(under_way)
        told.append(round(total / STEPS, 4))
    return told


def main() -> None:
    """Prints the losses."""
    optimizers: dict[str, Callable[[Iterable[nn.Parameter]], Any]] = {
        "SGD, lr 0.02, momentum 0.9": lambda weights: torch.optim.SGD(weights, lr=0.02, momentum=0.9),
        "AdamW, lr 0.001": lambda weights: torch.optim.AdamW(weights, lr=0.001),
    }
    for name, make in optimizers.items():
        for late in (False, True):
            print(f"{name}, {'a step late' if late else 'in time'}: {losses(make, late)}", flush=True)


if __name__ == "__main__":
    main()
