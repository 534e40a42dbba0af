"""Trainings with a schedule, accumulated gradients, clipping and a moving average of the weights, by PyTorch.

    python model/tests/golden/make_updates.py     (torch 2.13)

Three epochs of five steps of 4 rows; an update after every second step and after an epoch's last, by the gradient of the
weighted mean over all its rows. Schedulers are stepped after every update, those by epoch after every epoch.
"""

import torch
from golden import FORMAT, named, numbers, write
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

EPOCHS, STEPS, ROWS, EVERY = 3, 5, 4, 2
LAYERS = [
    {"type": "Linear", "out_features": 4},
    {"type": "Tanh"},
    {"type": "Linear", "out_features": 2},
]
CLIP, DECAY = 0.5, 0.8


def train(optimizer_of, scheduler_of, by_epoch: bool, observes: bool = False) -> dict:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    start = {key: value.clone() for key, value in net.state_dict().items()}
    for value in start.values():
        value.copy_(value.float().double())
    net.load_state_dict(start)
    features = torch.randn(STEPS * ROWS, 3).float().double()
    labels = torch.randn(STEPS * ROWS, 2).float().double()
    weights = (torch.rand(STEPS * ROWS) + 0.5).float().double()
    optimizer = optimizer_of(net.parameters())
    scheduler = scheduler_of(optimizer)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    rates, losses = [], []
    for _ in range(EPOCHS):
        waiting, loss_sum, denominator_sum = [], 0.0, 0.0
        for step in range(STEPS):
            waiting.append(step)
            rows = slice(step * ROWS, (step + 1) * ROWS)
            each = ((net(features[rows]) - labels[rows]) ** 2).mean(1)
            loss_sum += (each * weights[rows]).sum().item()
            denominator_sum += weights[rows].sum().item()
            if len(waiting) < EVERY and step + 1 < STEPS:
                continue
            rows = slice(waiting[0] * ROWS, (step + 1) * ROWS)
            each = ((net(features[rows]) - labels[rows]) ** 2).mean(1)
            optimizer.zero_grad()
            ((each * weights[rows]).sum() / weights[rows].sum()).backward()
            nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            average.update_parameters(net)
            waiting = []
            # OneCycleLR refuses to be stepped after the last update.
            if not by_epoch and len(rates) < EPOCHS * -(-STEPS // EVERY):
                scheduler.step()
        losses.append(loss_sum / denominator_sum)
        if observes:
            scheduler.step(losses[-1])
        elif by_epoch:
            scheduler.step()
    return {
        "parameters": named(start),
        "features": numbers(features),
        "labels": numbers(labels),
        "weights": numbers(weights),
        "rates": rates,
        "losses": losses,
        "end": named(net.state_dict()),
        "average": named(average.module.state_dict()),
    }


def case(name, optimizer, optimizer_of, scheduler, scheduler_of, **kinds) -> dict:
    settings = {
        "network": {"format": FORMAT, "layers": LAYERS},
        "loss": {"type": "MSELoss"},
        "optimizer": optimizer,
        "lrScheduler": scheduler,
        "gradientAccumulationSteps": EVERY,
        "emaDecay": DECAY,
        "epochs": EPOCHS,
        "batchSize": ROWS,
        "dropLast": False,
        "seed": 0,
        "logicalShards": 1,
        "clipNorm": CLIP,
        "clipValue": None,
    }
    return {"name": name, "train": settings, "stepsPerEpoch": STEPS, **train(optimizer_of, scheduler_of, **kinds)}


def main() -> None:
    warm = lr_scheduler.LinearLR
    write(
        "updates",
        [
            case(
                "SGD with OneCycleLR, momentum cycled",
                {"type": "SGD", "lr": 0.1, "momentum": 0.9},
                lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
                {"type": "OneCycleLR", "max_lr": 0.2},
                lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.2, total_steps=9),
                by_epoch=False,
            ),
            case(
                "AdamW with warm-up and ExponentialLR by step",
                {"type": "AdamW", "lr": 0.05},
                lambda p: torch.optim.AdamW(p, lr=0.05),
                {
                    "type": "ExponentialLR",
                    "gamma": 0.7,
                    "interval": "step",
                    "warmup_steps": 3,
                    "warmup_start_factor": 0.25,
                },
                lambda o: lr_scheduler.SequentialLR(
                    o,
                    [warm(o, start_factor=0.25, total_iters=3), lr_scheduler.ExponentialLR(o, gamma=0.7)],
                    milestones=[3],
                ),
                by_epoch=False,
            ),
            case(
                "Adam with ReduceLROnPlateau",
                {"type": "Adam", "lr": 0.2},
                lambda p: torch.optim.Adam(p, lr=0.2),
                {"type": "ReduceLROnPlateau", "factor": 0.5, "patience": 0, "threshold": 0.5, "metric": "loss"},
                lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0.5),
                by_epoch=True,
                observes=True,
            ),
        ],
    )


if __name__ == "__main__":
    main()
