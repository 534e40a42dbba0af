# Written by candlewick-codegen (`make generate`); do not edit.
"""Adam and its relatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from candlewick._document import Optimizer
from candlewick._domains import Domain, list_of, mapping, maybe, pair_of, real, truth


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    Args:
        lr: Learning rate. (number of at least 0)
        betas: Coefficients of the running means of the gradient and of its square. (list of two numbers,
            each of at least 0 and below 1)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        amsgrad: Use the AMSGrad variant: the largest running mean of squares so far. (true or false)
        maximize: Maximise the loss instead of minimising it. (true or false)
        decoupled_weight_decay: Decay the weights themselves by lr times weight_decay, as AdamW does,
            instead of adding to the gradient. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "betas": Domain(pair_of(real(0.0, below=1.0)), "a list of two numbers, each of at least 0 and below 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "amsgrad": Domain(truth, "true or false"),
        "maximize": Domain(truth, "true or false"),
        "decoupled_weight_decay": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
                "groups": groups,
            }
        )


class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Args:
        lr: Learning rate. (number of at least 0)
        betas: Coefficients of the running means of the gradient and of its square. (list of two numbers,
            each of at least 0 and below 1)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: Decay: weights shrink by lr times this a step. (number of at least 0)
        amsgrad: Use the AMSGrad variant: the largest running mean of squares so far. (true or false)
        maximize: Maximise the loss instead of minimising it. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "betas": Domain(pair_of(real(0.0, below=1.0)), "a list of two numbers, each of at least 0 and below 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "amsgrad": Domain(truth, "true or false"),
        "maximize": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "groups": groups,
            }
        )


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016).

    Args:
        lr: Learning rate. (number of at least 0)
        betas: Coefficients of the running means of the gradient and of its square. (list of two numbers,
            each of at least 0 and below 1)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        momentum_decay: How fast the momentum grows to betas[0]: it is betas[0] (1 - 0.96^(step
            momentum_decay) / 2). (number of at least 0)
        decoupled_weight_decay: Decay the weights themselves by lr times weight_decay, as AdamW does,
            instead of adding to the gradient. (true or false)
        maximize: Maximise the loss instead of minimising it. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "betas": Domain(pair_of(real(0.0, below=1.0)), "a list of two numbers, each of at least 0 and below 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "momentum_decay": Domain(real(0.0), "a finite number of at least 0"),
        "decoupled_weight_decay": Domain(truth, "true or false"),
        "maximize": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 0.004,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "groups": groups,
            }
        )


class RAdam(Optimizer):
    """Adam with a rectified variance of its first steps (Liu et al. 2019).

    Args:
        lr: Learning rate. (number of at least 0)
        betas: Coefficients of the running means of the gradient and of its square. (list of two numbers,
            each of at least 0 and below 1)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        decoupled_weight_decay: Decay the weights themselves by lr times weight_decay, as AdamW does,
            instead of adding to the gradient. (true or false)
        maximize: Maximise the loss instead of minimising it. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "betas": Domain(pair_of(real(0.0, below=1.0)), "a list of two numbers, each of at least 0 and below 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "decoupled_weight_decay": Domain(truth, "true or false"),
        "maximize": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "groups": groups,
            }
        )


class Adamax(Optimizer):
    """Adam with the infinity norm in place of squares (Kingma and Ba 2015).

    Args:
        lr: Learning rate. (number of at least 0)
        betas: Coefficients of the running mean of the gradient and of its largest absolute value. (list of
            two numbers, each of at least 0 and below 1)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        maximize: Maximise the loss instead of minimising it. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "betas": Domain(pair_of(real(0.0, below=1.0)), "a list of two numbers, each of at least 0 and below 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "maximize": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "groups": groups,
            }
        )


class LAMB(Optimizer):
    """Adam whose step on each parameter is as long as its weights: for large batches (You et al. 2019). Not
    in PyTorch; arguments and defaults are timm's, max_grad_norm = 1 included: 0 switches it off.

    Args:
        lr: Learning rate. (number of at least 0)
        bias_correction: Divide the running means by 1 - beta^step. (true or false)
        betas: Coefficients of the running means of the gradient and of its square. (list of two numbers,
            each of at least 0 and below 1)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: Decay: this times the weights is added to the step. (number of at least 0)
        grad_averaging: Take the gradient into its running mean by 1 - betas[0]; without, by 1. (true or
            false)
        max_grad_norm: Largest Euclidean norm of the whole gradient: beyond it the gradient is scaled down.
            0 or none: no bound. (number of at least 0; or none)
        trust_clip: Bound the ratio of norms by 1 (LAMBC). (true or false)
        always_adapt: Adapt the learning rate also of parameters without weight decay. (true or false)
        decoupled_decay: Decay the weights themselves by lr times weight_decay, as AdamW does. (true or
            false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "bias_correction": Domain(truth, "true or false"),
        "betas": Domain(pair_of(real(0.0, below=1.0)), "a list of two numbers, each of at least 0 and below 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "grad_averaging": Domain(truth, "true or false"),
        "max_grad_norm": Domain(maybe(real(0.0)), "a finite number of at least 0, or null"),
        "trust_clip": Domain(truth, "true or false"),
        "always_adapt": Domain(truth, "true or false"),
        "decoupled_decay": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.001,
        bias_correction: bool = True,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        grad_averaging: bool = True,
        max_grad_norm: float | None = 1.0,
        trust_clip: bool = False,
        always_adapt: bool = False,
        *,
        decoupled_decay: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "bias_correction": bias_correction,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "grad_averaging": grad_averaging,
                "max_grad_norm": max_grad_norm,
                "trust_clip": trust_clip,
                "always_adapt": always_adapt,
                "decoupled_decay": decoupled_decay,
                "groups": groups,
            }
        )


__all__ = [
    "Adam",
    "AdamW",
    "Adamax",
    "LAMB",
    "NAdam",
    "RAdam",
]
