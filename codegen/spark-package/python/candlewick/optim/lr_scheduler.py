# Written by candlewick-codegen (`make generate`); do not edit.
"""Schedules of the learning rate by PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence

from candlewick._document import LRScheduler
from candlewick._domains import Domain, any_text, list_of, maybe, one_of, real, truth, whole


class ConstantLR(LRScheduler):
    """A smaller learning rate for the first intervals, then the optimiser's.

    Args:
        factor: Factor of the learning rate for the first total_iters intervals. (number from 0 to 1)
        total_iters: Number of intervals until the last factor is reached. (whole number of at least 1)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "total_iters": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        factor: float = 0.3333333333333333,
        total_iters: int = 5,
        *,
        interval: str = "epoch",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "factor": factor,
                "total_iters": total_iters,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class LinearLR(LRScheduler):
    """A factor that moves linearly from start_factor to end_factor.

    Args:
        start_factor: First factor; above 0. (number from 0 to 1)
        end_factor: Last factor. (number from 0 to 1)
        total_iters: Number of intervals until the last factor is reached. (whole number of at least 1)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "end_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "total_iters": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        start_factor: float = 0.3333333333333333,
        end_factor: float = 1.0,
        total_iters: int = 5,
        *,
        interval: str = "epoch",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "start_factor": start_factor,
                "end_factor": end_factor,
                "total_iters": total_iters,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class StepLR(LRScheduler):
    """A decay by gamma after every step_size intervals.

    Args:
        step_size: Intervals between two decays. (whole number of at least 1)
        gamma: Factor of each decay. (number of at least 0)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "step_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "gamma": Domain(real(0.0), "a finite number of at least 0"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        step_size: int,
        gamma: float = 0.1,
        *,
        interval: str = "epoch",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "step_size": step_size,
                "gamma": gamma,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class MultiStepLR(LRScheduler):
    """A decay by gamma at every milestone.

    Args:
        milestones: Intervals at which to decay. (list of at least one whole number, each of at least 0)
        gamma: Factor of each decay. (number of at least 0)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "milestones": Domain(list_of(whole(0, 2147483648)), "a list of at least one whole number, each of at least 0"),
        "gamma": Domain(real(0.0), "a finite number of at least 0"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        milestones: Sequence[int],
        gamma: float = 0.1,
        *,
        interval: str = "epoch",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "milestones": milestones,
                "gamma": gamma,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class ExponentialLR(LRScheduler):
    """A decay by gamma after every interval.

    Args:
        gamma: Factor of each decay. (number of at least 0)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "gamma": Domain(real(0.0), "a finite number of at least 0"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        gamma: float,
        *,
        interval: str = "epoch",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "gamma": gamma,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class PolynomialLR(LRScheduler):
    """A polynomial decay to 0 over total_iters intervals.

    Args:
        total_iters: Number of intervals until the last factor is reached. (whole number of at least 1)
        power: Power of the polynomial. (number of at least 0)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "total_iters": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "power": Domain(real(0.0), "a finite number of at least 0"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        total_iters: int = 5,
        power: float = 1.0,
        *,
        interval: str = "epoch",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "total_iters": total_iters,
                "power": power,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the optimiser's learning rate to eta_min, and back (Loshchilov and Hutter 2017).

    Args:
        T_max: Intervals from the largest learning rate to the smallest. (whole number of at least 1)
        eta_min: Smallest learning rate. (number of at least 0)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "T_max": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "eta_min": Domain(real(0.0), "a finite number of at least 0"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        T_max: int,
        eta_min: float = 0.0,
        *,
        interval: str = "epoch",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "T_max": T_max,
                "eta_min": eta_min,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine down to eta_min, again and again (Loshchilov and Hutter 2017).

    Args:
        T_0: Intervals until the first restart. (whole number of at least 1)
        T_mult: How many times longer each cycle is than the one before. (whole number of at least 1)
        eta_min: Smallest learning rate. (number of at least 0)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "T_0": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "T_mult": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "eta_min": Domain(real(0.0), "a finite number of at least 0"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        *,
        interval: str = "epoch",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "T_0": T_0,
                "T_mult": T_mult,
                "eta_min": eta_min,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class OneCycleLR(LRScheduler):
    """One rise of the learning rate to max_lr and one fall far below the start (Smith and Topin 2018).

    Args:
        max_lr: Largest learning rate; above 0. (number of at least 0)
        total_steps: Intervals of the cycle; null: those of the whole training after the warm-up. (whole
            number of at least 1; or none)
        epochs: Without total_steps: the cycle has epochs times steps_per_epoch intervals. (whole number of
            at least 1; or none)
        steps_per_epoch: Steps of an epoch; null: those of the training. (whole number of at least 1; or
            none)
        pct_start: Share of the cycle in which the learning rate rises. (number from 0 to 1)
        anneal_strategy: Shape of rise and fall: "cos" or "linear". ("cos" or "linear")
        cycle_momentum: Move the momentum (of Adam and its kin: betas[0]) against the learning rate. (true
            or false)
        base_momentum: Smallest momentum, at max_lr. (number of at least 0 and below 1)
        max_momentum: Largest momentum, at start and end. (number of at least 0 and below 1)
        div_factor: The first learning rate is max_lr / div_factor; above 0. (number of at least 0)
        final_div_factor: The last learning rate is the first / final_div_factor; above 0. (number of at
            least 0)
        three_phase: Fall to the first learning rate as long as it rose, then to the last one. (true or
            false)
        interval: What the schedule counts: "epoch" changes the learning rate at the start of an epoch,
            "step" at every update of the weights. ("epoch" or "step")
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "max_lr": Domain(real(0.0), "a finite number of at least 0"),
        "total_steps": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1, or null"),
        "epochs": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1, or null"),
        "steps_per_epoch": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1, or null"),
        "pct_start": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "anneal_strategy": Domain(one_of("cos", "linear"), '"cos" or "linear"'),
        "cycle_momentum": Domain(truth, "true or false"),
        "base_momentum": Domain(real(0.0, below=1.0), "a finite number of at least 0 and below 1"),
        "max_momentum": Domain(real(0.0, below=1.0), "a finite number of at least 0 and below 1"),
        "div_factor": Domain(real(0.0), "a finite number of at least 0"),
        "final_div_factor": Domain(real(0.0), "a finite number of at least 0"),
        "three_phase": Domain(truth, "true or false"),
        "interval": Domain(one_of("epoch", "step"), '"epoch" or "step"'),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        max_lr: float,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 10000.0,
        three_phase: bool = False,
        *,
        interval: str = "step",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "max_lr": max_lr,
                "total_steps": total_steps,
                "epochs": epochs,
                "steps_per_epoch": steps_per_epoch,
                "pct_start": pct_start,
                "anneal_strategy": anneal_strategy,
                "cycle_momentum": cycle_momentum,
                "base_momentum": base_momentum,
                "max_momentum": max_momentum,
                "div_factor": div_factor,
                "final_div_factor": final_div_factor,
                "three_phase": three_phase,
                "interval": interval,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


class ReduceLROnPlateau(LRScheduler):
    """A smaller learning rate when the metric has stopped to improve.

    Args:
        mode: Whether the metric is better when it is smaller ("min") or larger ("max"). ("min" or "max")
        factor: Factor of each reduction. (number of at least 0 and below 1)
        patience: Epochs without improvement that are borne with. (whole number of at least 0)
        threshold: What counts as an improvement. (number of at least 0)
        threshold_mode: Whether the threshold is relative to the best value ("rel") or a difference ("abs").
            ("rel" or "abs")
        cooldown: Epochs after a reduction in which none is counted as bad. (whole number of at least 0)
        min_lr: Smallest learning rate. (number of at least 0)
        eps: A reduction by no more than this is not made. (number of at least 0)
        interval: What the schedule counts: the metric is looked at after every epoch. ("epoch")
        metric: Name in the history of the metric to look at, such as "val_loss" or "accuracy"; not set:
            "val_loss" where there are validation rows, else "loss". (text; or none)
        warmup_steps: Updates of a linear warm-up before the schedule, which starts to count after it (by
            epoch: with the first epoch that begins after it). (whole number of at least 0)
        warmup_start_factor: What the first learning rate of the warm-up is, relative to the schedule's
            first; the default is LinearLR's. (number from 0 to 1)
    """

    _domains = {
        "mode": Domain(one_of("min", "max"), '"min" or "max"'),
        "factor": Domain(real(0.0, below=1.0), "a finite number of at least 0 and below 1"),
        "patience": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "threshold": Domain(real(0.0), "a finite number of at least 0"),
        "threshold_mode": Domain(one_of("rel", "abs"), '"rel" or "abs"'),
        "cooldown": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "min_lr": Domain(real(0.0), "a finite number of at least 0"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "interval": Domain(one_of("epoch"), '"epoch"'),
        "metric": Domain(maybe(any_text), "a text, or null"),
        "warmup_steps": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "warmup_start_factor": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 0.0001,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0,
        eps: float = 1e-8,
        *,
        interval: str = "epoch",
        metric: str | None = None,
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.3333333333333333,
    ) -> None:
        super().__init__(
            {
                "mode": mode,
                "factor": factor,
                "patience": patience,
                "threshold": threshold,
                "threshold_mode": threshold_mode,
                "cooldown": cooldown,
                "min_lr": min_lr,
                "eps": eps,
                "interval": interval,
                "metric": metric,
                "warmup_steps": warmup_steps,
                "warmup_start_factor": warmup_start_factor,
            }
        )


__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "StepLR",
]
