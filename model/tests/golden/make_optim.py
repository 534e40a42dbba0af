"""Writes optim.json: updates, schedules and averages as PyTorch computes them; run it with torch 2.13.0.

LAMB, LARS and Lion are not in PyTorch. Their references below are written from the papers, in double precision, with
the settings that timm has: You et al. 2019 (arXiv 1904.00962), You et al. 2017 (1708.03888), Chen et al. 2023
(2302.06675).
"""

import json
import math
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import nn
from torch.optim import lr_scheduler, swa_utils

HERE = Path(__file__).parent
STEPS = 10


def numbers(tensor: torch.Tensor) -> list[float]:
    return tensor.detach().double().flatten().tolist()


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))


class Reference:
    """An optimiser in double precision over a list of groups like PyTorch's."""

    def __init__(self, groups: list[dict], defaults: dict, chosen: dict) -> None:
        self.defaults = {**defaults, **chosen}
        self.param_groups = [{**self.defaults, **group} for group in groups]
        self.state: dict = {}
        self.count = 0

    def step(self) -> None:
        self.count += 1
        for group in self.param_groups:
            for parameter in group["params"]:
                values = parameter.detach().double()
                own = self.state.setdefault(parameter, {"weights": values})
                gradient = parameter.grad.double() * self.scale()
                own["weights"] = self.updated(own["weights"], gradient, own, group)
                parameter.data.copy_(own["weights"])

    def scale(self) -> float:
        return 1.0


class LAMB(Reference):
    """Algorithm 2 of the paper; the ratio's function is the identity."""

    def __init__(self, groups: list[dict], **chosen) -> None:
        defaults = {
            "lr": 1e-3, "bias_correction": True, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.01,
            "grad_averaging": True, "max_grad_norm": 1.0, "trust_clip": False, "always_adapt": False,
            "decoupled_decay": False,
        }  # fmt: skip
        super().__init__(groups, defaults, chosen)

    def scale(self) -> float:
        longest = self.defaults["max_grad_norm"]
        if not longest:
            return 1.0
        grads = [p.grad.double() for group in self.param_groups for p in group["params"]]
        norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads))
        return min(1.0, longest / norm)

    def updated(self, x: torch.Tensor, g: torch.Tensor, own: dict, group: dict) -> torch.Tensor:
        beta1, beta2 = group["betas"]
        weight = (1 - beta1) if group["grad_averaging"] else 1.0
        own["m"] = beta1 * own.get("m", 0.0) + weight * g
        own["v"] = beta2 * own.get("v", 0.0) + (1 - beta2) * g * g
        m, v = own["m"], own["v"]
        if group["bias_correction"]:
            m, v = m / (1 - beta1**self.count), v / (1 - beta2**self.count)
        r = m / (v.sqrt() + group["eps"])
        decay = group["weight_decay"]
        if group["decoupled_decay"]:
            x = x - group["lr"] * decay * x
        else:
            r = r + decay * x
        ratio = 1.0
        if (decay != 0 or group["always_adapt"]) and float(x.norm()) > 0 and float(r.norm()) > 0:
            ratio = float(x.norm() / r.norm())
        if group["trust_clip"] and (decay != 0 or group["always_adapt"]):
            ratio = min(ratio, 1.0)
        return x - group["lr"] * ratio * r


class LARS(Reference):
    """Algorithm 1 of the paper, with SGD's momentum around it."""

    def __init__(self, groups: list[dict], **chosen) -> None:
        defaults = {
            "lr": 1.0, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False,
            "trust_coeff": 0.001, "eps": 1e-8, "trust_clip": False, "always_adapt": False,
        }  # fmt: skip
        super().__init__(groups, defaults, chosen)

    def updated(self, w: torch.Tensor, g: torch.Tensor, own: dict, group: dict) -> torch.Tensor:
        decay = group["weight_decay"]
        if decay != 0 or group["always_adapt"]:
            length, slope = float(w.norm()), float(g.norm())
            ratio = 1.0
            if length > 0 and slope > 0:
                ratio = group["trust_coeff"] * length / (slope + decay * length + group["eps"])
            if group["trust_clip"]:
                ratio = min(ratio / group["lr"], 1.0)
            g = ratio * (g + decay * w)
        if group["momentum"] != 0:
            old = own.get("buffer")
            own["buffer"] = g if old is None else group["momentum"] * old + (1 - group["dampening"]) * g
            g = g + group["momentum"] * own["buffer"] if group["nesterov"] else own["buffer"]
        return w - group["lr"] * g


class Lion(Reference):
    """Algorithm 2 of the paper."""

    def __init__(self, groups: list[dict], **chosen) -> None:
        defaults = {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0, "maximize": False}
        super().__init__(groups, defaults, chosen)

    def updated(self, w: torch.Tensor, g: torch.Tensor, own: dict, group: dict) -> torch.Tensor:
        beta1, beta2 = group["betas"]
        g = -g if group["maximize"] else g
        m = own.get("m", torch.zeros_like(g))
        own["m"] = beta2 * m + (1 - beta2) * g
        return w - group["lr"] * ((beta1 * m + (1 - beta1) * g).sign() + group["weight_decay"] * w)


OWN = {"LAMB": LAMB, "LARS": LARS, "Lion": Lion}


def tupled(settings: dict) -> dict:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}


def optimizer_of(net: nn.Module, document: dict):
    """PyTorch's optimiser of a document, groups included."""
    chosen = {key: value for key, value in document.items() if key not in ("type", "groups")}
    listed = document.get("groups", [])
    groups = [
        {"params": [], **tupled({k: v for k, v in group.items() if k not in ("params", "frozen")})} for group in listed
    ]
    rest = {"params": []}
    for name, parameter in net.named_parameters():
        own = rest
        for group, description in zip(groups, listed, strict=True):
            patterns = description["params"]
            patterns = [patterns] if isinstance(patterns, str) else patterns
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                own = group
                parameter.requires_grad_(not description.get("frozen", False))
                break
        if parameter.requires_grad:
            own["params"].append(parameter)
    used = [group for group in [*groups, rest] if group["params"]]
    kind = OWN.get(document["type"]) or getattr(torch.optim, document["type"])
    optimizer = kind(used, **tupled(chosen))
    if document["type"] == "Adagrad":
        # PyTorch takes no notice of a group's own value.
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                optimizer.state[parameter]["sum"].fill_(group["initial_accumulator_value"])
    return optimizer


OPTIONS = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": [0.4, 0.6], "eps": 1e-6, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.2, "amsgrad": True, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.01, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 0.1, "momentum_decay": 0.02}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.01, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-3}),
    ("Adagrad", {"maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.4, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"momentum": 0.8}),
    ("RMSprop", {"centered": True, "alpha": 0.9, "eps": 1e-2}),
    ("RMSprop", {"centered": True, "alpha": 0.9, "eps": 1e-2, "momentum": 0.7, "weight_decay": 0.1}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.01, "betas": [0.7, 0.9], "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("LAMB", {}),
    ("LAMB", {"lr": 0.01, "bias_correction": False, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.1}),
    ("LAMB", {"lr": 0.01, "grad_averaging": False, "max_grad_norm": None, "trust_clip": True}),
    ("LAMB", {"lr": 0.01, "weight_decay": 0.0, "max_grad_norm": 0.0}),
    ("LAMB", {"lr": 0.01, "weight_decay": 0.0, "always_adapt": True, "max_grad_norm": 0.1}),
    ("LAMB", {"lr": 0.01, "weight_decay": 0.3, "decoupled_decay": True}),
    ("LARS", {}),
    ("LARS", {"lr": 2.0, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01, "trust_coeff": 0.02}),
    ("LARS", {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True, "trust_coeff": 0.01, "eps": 1e-3}),
    ("LARS", {"lr": 0.02, "always_adapt": True, "trust_clip": True, "trust_coeff": 0.05}),
    ("Lion", {}),
    ("Lion", {"lr": 0.01, "betas": [0.8, 0.95], "weight_decay": 0.1, "maximize": True}),
    # Groups: other settings, frozen parameters, the first that matches counts.
    ("SGD", {"lr": 0.1, "groups": [{"params": "0.*", "frozen": True}, {"params": "*", "momentum": 0.9}]}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "groups": [{"params": ["*.bias"], "momentum": 0.0, "lr": 0.5}]}),
    ("AdamW", {"lr": 0.01, "groups": [{"params": ["?.bias", "2.w*"], "weight_decay": 0.0, "betas": [0.5, 0.9]}]}),
    ("NAdam", {"groups": [{"params": "2.*", "betas": [0.7, 0.9], "momentum_decay": 0.1}]}),
    ("Adagrad", {"groups": [{"params": "*.bias", "initial_accumulator_value": 0.5}, {"params": "*", "lr": 0.05}]}),
    ("LAMB", {"lr": 0.01, "groups": [{"params": "*.bias", "weight_decay": 0.0}, {"params": "0.*", "frozen": True}]}),
    ("LARS", {"weight_decay": 0.1, "groups": [{"params": "*.bias", "weight_decay": 0.0, "lr": 0.01}]}),
    ("Lion", {"lr": 0.01, "groups": [{"params": "0.weight", "lr": 0.03, "weight_decay": 0.5}]}),
]

CLIPS = [
    ("SGD", {"lr": 0.5}, {"norm": 0.4}),
    ("SGD", {"lr": 0.5}, {"value": 0.1}),
    ("Adam", {"lr": 0.05}, {"norm": 1.0, "value": 0.2}),
    ("SGD", {"lr": 0.5, "groups": [{"params": "2.*", "frozen": True}]}, {"norm": 0.3}),
    ("LAMB", {"lr": 0.01, "max_grad_norm": 0.3}, {"norm": 0.5}),
]


def update_cases(start: list, gradients: list) -> list[dict]:
    cases = []
    for name, chosen, clip in [(name, chosen, {}) for name, chosen in OPTIONS] + CLIPS:
        net = network()
        for parameter, values in zip(net.parameters(), start, strict=True):
            parameter.data.copy_(values)
        document = {"type": name, **chosen}
        optimizer = optimizer_of(net, document)
        trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
        for step in gradients:
            for parameter, gradient in zip(net.parameters(), step, strict=True):
                parameter.grad = gradient.clone() if parameter.requires_grad else None
            if "norm" in clip:
                nn.utils.clip_grad_norm_(trained, clip["norm"])
            if "value" in clip:
                nn.utils.clip_grad_value_(trained, clip["value"])
            optimizer.step()
        end = [number for parameter in net.parameters() for number in numbers(parameter)]
        cases.append({"optimizer": document, "clip": clip, "end": end})
    return cases


FOLLOWED = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.2, "momentum": 0.9, "nesterov": True, "groups": [{"params": "*.bias", "lr": 0.05}]}),
    ("RMSprop", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "groups": [{"params": "0.*", "lr": 0.03, "betas": [0.8, 0.9]}]}),
    ("NAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01}),
]


def followed_cases(start: list, gradients: list) -> list[dict]:
    """Updates under OneCycleLR; groups keep the proportion of their learning rates."""
    cases = []
    for name, chosen in FOLLOWED:
        net = network()
        for parameter, values in zip(net.parameters(), start, strict=True):
            parameter.data.copy_(values)
        document = {"type": name, **chosen}
        optimizer = optimizer_of(net, document)
        largest = [0.3 * group["lr"] / chosen["lr"] for group in optimizer.param_groups]
        scheduler = lr_scheduler.OneCycleLR(optimizer, largest, total_steps=STEPS)
        for step in gradients:
            for parameter, gradient in zip(net.parameters(), step, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
            scheduler.step()
        end = [number for parameter in net.parameters() for number in numbers(parameter)]
        cases.append({"optimizer": document, "schedule": {"type": "OneCycleLR", "max_lr": 0.3}, "end": end})
    return cases


SCHEDULES = [
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 40}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.9, "end_factor": 0.05, "total_iters": 70}),
    ("StepLR", {"step_size": 7}),
    ("StepLR", {"step_size": 1, "gamma": 0.97}),
    ("MultiStepLR", {"milestones": [60, 10, 30, 30], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.95}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 90, "power": 2.5}),
    ("CosineAnnealingLR", {"T_max": 100}),
    ("CosineAnnealingLR", {"T_max": 30, "eta_min": 0.001}),
    ("CosineAnnealingWarmRestarts", {"T_0": 15}),
    ("CosineAnnealingWarmRestarts", {"T_0": 7, "T_mult": 2, "eta_min": 0.002}),
    ("OneCycleLR", {"max_lr": 0.5}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 120, "pct_start": 0.2, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.5, "epochs": 11, "steps_per_epoch": 10, "three_phase": True, "div_factor": 10.0}),
    ("OneCycleLR", {"max_lr": 0.2, "cycle_momentum": False, "final_div_factor": 50.0}),
    ("OneCycleLR", {"max_lr": 0.2, "base_momentum": 0.5, "max_momentum": 0.9, "three_phase": True}),
]

WARM = [
    ("StepLR", {"step_size": 7}, 10, 0.25),
    ("ExponentialLR", {"gamma": 0.95}, 15, 1 / 3),
    ("CosineAnnealingLR", {"T_max": 85}, 15, 0.1),
]

PLATEAUS = [
    {},
    {"mode": "max", "factor": 0.5, "patience": 2, "cooldown": 3, "min_lr": 0.01},
    {"patience": 0, "threshold": 0.02, "threshold_mode": "abs", "factor": 0.8, "eps": 1e-3},
    {"mode": "max", "patience": 1, "threshold": 0.1, "threshold_mode": "abs", "factor": 0.7},
]


def one(kind: str, lr: float):
    weights = nn.Parameter(torch.zeros(1))
    weights.grad = torch.zeros(1)
    return getattr(torch.optim, kind)([weights], lr=lr)


def watched(optimizer, scheduler, metrics=None) -> tuple[list[float], list[float]]:
    rates, momenta = [], []
    for step in range(100):
        group = optimizer.param_groups[0]
        rates.append(group["lr"])
        momenta.append(group["betas"][0] if "betas" in group else group["momentum"])
        optimizer.step()
        if metrics is not None:
            scheduler.step(metrics[step])
        else:
            scheduler.step()
    return rates, momenta


def schedule_cases() -> list[dict]:
    cases = []
    for index, (name, chosen) in enumerate(SCHEDULES):
        kind, lr = [("SGD", 0.1), ("AdamW", 0.03)][index % 2]
        optimizer = one(kind, lr)
        given = dict(chosen)
        if name == "OneCycleLR" and not {"total_steps", "epochs"} & set(chosen):
            given["total_steps"] = 100
        rates, momenta = watched(optimizer, getattr(lr_scheduler, name)(optimizer, **given))
        if name != "OneCycleLR" or chosen.get("cycle_momentum") is False:
            momenta = None
        document = {"type": name, **chosen, "interval": "step"}
        cases.append({"optimizer": {"type": kind, "lr": lr}, "schedule": document, "rates": rates, "momenta": momenta})
    for name, chosen, steps, start in WARM:
        optimizer = one("SGD", 0.1)
        warm = lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=steps)
        main = getattr(lr_scheduler, name)(optimizer, **chosen)
        rates, _ = watched(optimizer, lr_scheduler.SequentialLR(optimizer, [warm, main], [steps]))
        document = {"type": name, **chosen, "interval": "step", "warmup_steps": steps, "warmup_start_factor": start}
        cases.append({"optimizer": {"type": "SGD", "lr": 0.1}, "schedule": document, "rates": rates, "momenta": None})
    return cases


def plateau_cases() -> list[dict]:
    cases = []
    for chosen in PLATEAUS:
        metrics = [round(math.exp(-step / 15) + 0.1 * float(torch.rand(())), 3) for step in range(100)]
        optimizer = one("SGD", 0.1)
        rates, _ = watched(optimizer, lr_scheduler.ReduceLROnPlateau(optimizer, **chosen), metrics)
        cases.append({"schedule": {"type": "ReduceLROnPlateau", **chosen}, "metrics": metrics, "rates": rates})
    return cases


def ema_cases(start: list, gradients: list) -> list[dict]:
    cases = []
    for decay in [0.9, 0.3]:
        net = network()
        average = swa_utils.AveragedModel(net, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(decay))
        for step in gradients:
            for parameter, values, change in zip(net.parameters(), start, step, strict=True):
                parameter.data.copy_(values + change)
            average.update_parameters(net)
        end = [number for parameter in average.module.parameters() for number in numbers(parameter)]
        cases.append({"decay": decay, "end": end})
    return cases


def flat(tensors: list[torch.Tensor]) -> list[float]:
    return [number for tensor in tensors for number in numbers(tensor)]


def main() -> None:
    torch.manual_seed(2)
    torch.set_num_threads(1)
    shapes = [parameter.shape for parameter in network().parameters()]
    start = [torch.randn(shape) for shape in shapes]
    gradients = [[torch.randn(shape) * 0.3 for shape in shapes] for _ in range(STEPS)]
    content = {
        "start": flat(start),
        "gradients": [flat(step) for step in gradients],
        "updates": update_cases(start, gradients),
        "followed": followed_cases(start, gradients),
        "schedules": schedule_cases(),
        "plateaus": plateau_cases(),
        "averages": ema_cases(start, gradients),
    }
    made = {"torch": torch.__version__.split("+")[0], "content": content}
    (HERE / "optim.json").write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
