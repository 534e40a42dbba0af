"""PyTorch's side of benchmarks/engine.py: ``torch_engine.py WORKLOAD THREADS RUNS [forward] [bf16]`` prints the milliseconds.

AdamW is PyTorch's fused one, the fastest there is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

WARM_UP = 5


class Last(nn.Module):
    """An LSTM's output after the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 128, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0][:, -1]


def workload(name: str) -> tuple[nn.Module, torch.Tensor]:
    """The network and its features."""
    if name == "mlp":
        body = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)]
        return nn.Sequential(*body), torch.rand(256, 784)
    if name == "cnn":
        convolutions = [
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        head = [nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10)]
        return nn.Sequential(*convolutions, *head), torch.rand(64, 1, 28, 28)
    if name == "lstm":
        return nn.Sequential(Last(), nn.Linear(128, 10)), torch.rand(64, 128, 64)
    if name == "transformer":
        layers = [nn.TransformerEncoderLayer(256, 8, 1024, dropout=0.0, batch_first=True) for _ in range(4)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 256, 10)), torch.rand(16, 128, 256)
    raise SystemExit(f"no workload {name!r}: mlp, cnn, lstm, transformer")


def timed(body: Callable[[], object], runs: int) -> list[float]:
    """Milliseconds of every run after the first few."""
    times = []
    for _ in range(runs + WARM_UP):
        start = time.perf_counter()
        body()
        times.append((time.perf_counter() - start) * 1e3)
    return times[WARM_UP:]


def main() -> None:
    name, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net, features = workload(name)
    labels = torch.arange(features.shape[0]) % 10
    criterion = nn.CrossEntropyLoss()
    autocast = torch.autocast("cpu", torch.bfloat16, enabled="bf16" in sys.argv[4:])
    if "forward" in sys.argv[4:]:
        net.eval()
        with torch.inference_mode(), autocast:
            times = timed(lambda: net(features), runs)
    else:
        optimizer = torch.optim.AdamW(net.parameters(), fused=True)

        def step() -> None:
            optimizer.zero_grad()
            with autocast:
                loss = criterion(net(features), labels)
            loss.backward()
            optimizer.step()

        times = timed(step, runs)
    print("RESULT " + json.dumps({"torch": torch.__version__, "ms": times}))


if __name__ == "__main__":
    main()
