# Written by candlewick-codegen (`make generate`); do not edit.
"""Activations."""

from __future__ import annotations

from candlewick._document import Module
from candlewick._domains import Domain, one_of, real


class ReLU(Module):
    """Rectified linear unit: max(x, 0), element by element.

    Args:
        inplace: PyTorch's, without effect here.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__({})


class Tanh(Module):
    """Hyperbolic tangent, element by element."""

    def __init__(self) -> None:
        super().__init__({})


class Sigmoid(Module):
    """Logistic function 1 / (1 + exp(-x)), element by element."""

    def __init__(self) -> None:
        super().__init__({})


class GELU(Module):
    """Gaussian error linear unit: x Φ(x), element by element.

    Args:
        approximate: "none" for the exact function, "tanh" for the approximation by tanh. ("none" or "tanh")
    """

    _domains = {
        "approximate": Domain(one_of("none", "tanh"), '"none" or "tanh"'),
    }

    def __init__(self, approximate: str = "none") -> None:
        super().__init__({"approximate": approximate})


class LeakyReLU(Module):
    """x above 0, negative_slope times x below, element by element.

    Args:
        negative_slope: Slope below 0. (number)
        inplace: PyTorch's, without effect here.
    """

    _domains = {
        "negative_slope": Domain(real(), "a finite number"),
    }

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__({"negative_slope": negative_slope})


class ELU(Module):
    """Exponential linear unit: x above 0, alpha (exp(x) - 1) below, element by element.

    Args:
        alpha: The function tends to -alpha far below 0. (number of at least 0)
        inplace: PyTorch's, without effect here.
    """

    _domains = {
        "alpha": Domain(real(0.0), "a finite number of at least 0"),
    }

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__({"alpha": alpha})


class SELU(Module):
    """ELU scaled so that activations keep mean 0 and variance 1 from layer to layer, element by element.

    Args:
        inplace: PyTorch's, without effect here.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__({})


class CELU(Module):
    """ELU with a slope of 1 at 0: x above 0, alpha (exp(x / alpha) - 1) below, element by element.

    Args:
        alpha: The function tends to -alpha far below 0; above 0. (number of at least 0)
        inplace: PyTorch's, without effect here.
    """

    _domains = {
        "alpha": Domain(real(0.0), "a finite number of at least 0"),
    }

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__({"alpha": alpha})


class SiLU(Module):
    """Sigmoid linear unit, also called swish: x / (1 + exp(-x)), element by element.

    Args:
        inplace: PyTorch's, without effect here.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__({})


class Mish(Module):
    """x tanh(softplus(x)), element by element.

    Args:
        inplace: PyTorch's, without effect here.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__({})


class Softplus(Module):
    """Smooth ReLU, always above 0: log(1 + exp(beta x)) / beta, element by element.

    Args:
        beta: Sharpness of the bend; above 0. (number of at least 0)
        threshold: Where beta x is above it, the function is x. (number)
    """

    _domains = {
        "beta": Domain(real(0.0), "a finite number of at least 0"),
        "threshold": Domain(real(), "a finite number"),
    }

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__({"beta": beta, "threshold": threshold})


class Softsign(Module):
    """x / (1 + |x|), element by element."""

    def __init__(self) -> None:
        super().__init__({})


class LogSigmoid(Module):
    """Logarithm of the logistic function, element by element."""

    def __init__(self) -> None:
        super().__init__({})


class ReLU6(Module):
    """ReLU bounded by 6: min(max(x, 0), 6), element by element.

    Args:
        inplace: PyTorch's, without effect here.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__({})


class Hardtanh(Module):
    """x bounded by min_val and max_val, element by element.

    Args:
        min_val: Smallest output. (number)
        max_val: Largest output, above min_val. (number)
        inplace: PyTorch's, without effect here.
    """

    _domains = {
        "min_val": Domain(real(), "a finite number"),
        "max_val": Domain(real(), "a finite number"),
    }

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__({"min_val": min_val, "max_val": max_val})


class Hardsigmoid(Module):
    """Sigmoid of straight lines: (x + 3) / 6 bounded by 0 and 1, element by element.

    Args:
        inplace: PyTorch's, without effect here.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__({})


class Hardswish(Module):
    """x times Hardsigmoid, a cheap SiLU, element by element.

    Args:
        inplace: PyTorch's, without effect here.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__({})


class Hardshrink(Module):
    """0 between -lambd and lambd, x elsewhere, element by element.

    Args:
        lambd: Half the width of what becomes 0. (number)
    """

    _domains = {
        "lambd": Domain(real(), "a finite number"),
    }

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__({"lambd": lambd})


class Softshrink(Module):
    """x - lambd above lambd, x + lambd below -lambd, 0 between, element by element.

    Args:
        lambd: By how much x comes nearer to 0. (number of at least 0)
    """

    _domains = {
        "lambd": Domain(real(0.0), "a finite number of at least 0"),
    }

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__({"lambd": lambd})


class Eq(Module):
    """1 where x equals other, 0 elsewhere, as torch.eq; its gradient is 0. In a graph `Eq(0)` of the words
    is the padding mask of sequences that are filled up with 0.

    Args:
        other: The number to compare with. (number)
    """

    _domains = {
        "other": Domain(real(), "a finite number"),
    }

    def __init__(self, other: float = 0.0) -> None:
        super().__init__({"other": other})


class Tanhshrink(Module):
    """x - tanh(x), element by element."""

    def __init__(self) -> None:
        super().__init__({})


class Threshold(Module):
    """x above threshold, value elsewhere, element by element.

    Args:
        threshold: What x has to be above. (number)
        value: What comes out where it is not. (number)
        inplace: PyTorch's, without effect here.
    """

    _domains = {
        "threshold": Domain(real(), "a finite number"),
        "value": Domain(real(), "a finite number"),
    }

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__({"threshold": threshold, "value": value})


class Identity(Module):
    """Leaves its input as it is."""

    def __init__(self) -> None:
        super().__init__({})


__all__ = [
    "CELU",
    "ELU",
    "Eq",
    "GELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]
