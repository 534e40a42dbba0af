# Written by candlewick-codegen (`make generate`); do not edit.
"""Optimisers."""

from __future__ import annotations

from candlewick._document import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum where asked for.

    Args:
        lr: Learning rate. (number of at least 0)
        momentum: Factor of the momentum. (number of at least 0)
        dampening: Dampening of the momentum. (number)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        nesterov: Nesterov's momentum: needs a momentum above 0 and no dampening. (true or false)
        maximize: Maximise the loss instead of minimising it. (true or false)
    """

    def __init__(
        self,
        lr: float = 0.001,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            }
        )


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    Args:
        lr: Learning rate. (number of at least 0)
        betas: Coefficients of the running means of the gradient and of its square. (two numbers of at least
            0 and below 1)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: L2 penalty: added to the gradient. (number of at least 0)
        amsgrad: Use the AMSGrad variant: the largest running mean of squares so far. (true or false)
        maximize: Maximise the loss instead of minimising it. (true or false)
    """

    def __init__(
        self,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            }
        )


class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Args:
        lr: Learning rate. (number of at least 0)
        betas: Coefficients of the running means of the gradient and of its square. (two numbers of at least
            0 and below 1)
        eps: Added to the denominator for numerical stability. (number of at least 0)
        weight_decay: Decay: weights shrink by lr times this a step. (number of at least 0)
        amsgrad: Use the AMSGrad variant: the largest running mean of squares so far. (true or false)
        maximize: Maximise the loss instead of minimising it. (true or false)
    """

    def __init__(
        self,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            }
        )


__all__ = [
    "Adam",
    "AdamW",
    "SGD",
]
