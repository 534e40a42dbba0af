# Written by candlewick-codegen (`make generate`); do not edit.
"""Optimisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from candlewick._document import Optimizer
from candlewick._domains import Domain, list_of, mapping, maybe, pair_of, real, truth


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum where asked for.

    Args:
        lr: Learning rate. (number of at least 0)
        momentum: Factor of the momentum. (number of at least 0)
        dampening: Dampening of the momentum. (number)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        nesterov: Nesterov's momentum: needs a momentum above 0 and no dampening. (true or false)
        maximize: Maximise the loss instead of minimising it. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "momentum": Domain(real(0.0), "a finite number of at least 0"),
        "dampening": Domain(real(), "a finite number"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "nesterov": Domain(truth, "true or false"),
        "maximize": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.001,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "groups": groups,
            }
        )


class Adagrad(Optimizer):
    """Steps scaled by the sum of all squared gradients (Duchi et al. 2011).

    Args:
        lr: Learning rate. (number of at least 0)
        lr_decay: Decay of the learning rate: at step t it is lr / (1 + (t - 1) lr_decay). (number of at
            least 0)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        initial_accumulator_value: What the sum of squares starts from. (number of at least 0)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        maximize: Maximise the loss instead of minimising it. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "lr_decay": Domain(real(0.0), "a finite number of at least 0"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "initial_accumulator_value": Domain(real(0.0), "a finite number of at least 0"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "maximize": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.01,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
                "maximize": maximize,
                "groups": groups,
            }
        )


class Adadelta(Optimizer):
    """Steps scaled by the ratio of the running means of squared steps and gradients (Zeiler 2012).

    Args:
        lr: Learning rate. (number of at least 0)
        rho: Coefficient of the running means of squares. (number from 0 to 1)
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
        "rho": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
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
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "groups": groups,
            }
        )


class RMSprop(Optimizer):
    """Steps scaled by the running root mean square of the gradient (Hinton 2012).

    Args:
        lr: Learning rate. (number of at least 0)
        alpha: Coefficient of the running mean of squared gradients. (number of at least 0)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        momentum: Factor of the momentum. (number of at least 0)
        centered: Divide by the standard deviation of the gradient instead of its root mean square. (true or
            false)
        maximize: Maximise the loss instead of minimising it. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "alpha": Domain(real(0.0), "a finite number of at least 0"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "momentum": Domain(real(0.0), "a finite number of at least 0"),
        "centered": Domain(truth, "true or false"),
        "maximize": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
                "groups": groups,
            }
        )


class LARS(Optimizer):
    """SGD with a learning rate for each parameter from the norms of its weights and gradient: for large
    batches (You et al. 2017). Not in PyTorch; arguments and defaults are timm's, so without weight_decay or
    always_adapt it is SGD.

    Args:
        lr: Learning rate. (number of at least 0)
        momentum: Factor of the momentum. (number of at least 0)
        dampening: Dampening of the momentum. (number)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        nesterov: Nesterov's momentum: needs a momentum above 0 and no dampening. (true or false)
        trust_coeff: Length of a step relative to that of a parameter's weights. (number of at least 0)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        trust_clip: Bound the learning rate of each parameter by lr (LARC). (true or false)
        always_adapt: Adapt the learning rate also of parameters without weight decay. (true or false)
        groups: Settings of some parameters: a list of {"params": pattern or patterns, ...}. Patterns match
            parameter names such as 0.weight; * stands for any characters, ? for one. A group may set any
            number among the arguments, such as lr or weight_decay, or "frozen": true, which leaves its
            parameters as they are. The first group that matches counts. (list of at least one object such
            as {"params": "0.*", "lr": 0.001}; or none)
    """

    _domains = {
        "lr": Domain(real(0.0), "a finite number of at least 0"),
        "momentum": Domain(real(0.0), "a finite number of at least 0"),
        "dampening": Domain(real(), "a finite number"),
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "nesterov": Domain(truth, "true or false"),
        "trust_coeff": Domain(real(0.0), "a finite number of at least 0"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "trust_clip": Domain(truth, "true or false"),
        "always_adapt": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 1.0,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        trust_coeff: float = 0.001,
        eps: float = 1e-8,
        trust_clip: bool = False,
        always_adapt: bool = False,
        *,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "trust_coeff": trust_coeff,
                "eps": eps,
                "trust_clip": trust_clip,
                "always_adapt": always_adapt,
                "groups": groups,
            }
        )


class Lion(Optimizer):
    """Steps of equal size in the sign of the running mean of the gradient (Chen et al. 2023). Not in
    PyTorch; arguments and defaults are timm's.

    Args:
        lr: Learning rate. (number of at least 0)
        betas: Coefficients of the running mean of the gradient: in the step, and in what is kept. (list of
            two numbers, each of at least 0 and below 1)
        weight_decay: Decay: weights shrink by lr times this a step. (number of at least 0)
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
        "weight_decay": Domain(real(0.0), "a finite number of at least 0"),
        "maximize": Domain(truth, "true or false"),
        "groups": Domain(
            maybe(list_of(mapping)),
            'a list of at least one object such as {"params": "0.*", "lr": 0.001}, or null',
        ),
    }

    def __init__(
        self,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "betas": betas,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "groups": groups,
            }
        )


__all__ = [
    "Adadelta",
    "Adagrad",
    "LARS",
    "Lion",
    "RMSprop",
    "SGD",
]
