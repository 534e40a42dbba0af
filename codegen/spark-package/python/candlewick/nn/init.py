# Written by candlewick-codegen (`make generate`); do not edit.
"""How parameters start, by the names of torch.nn.init, for ``Module.with_init``."""

from __future__ import annotations

from candlewick._document import Initializer
from candlewick._domains import Domain, one_of, real


class uniform_(Initializer):
    """Uniform between a and b.

    Args:
        a: Lower bound. (number)
        b: Upper bound. (number)
    """

    _domains = {
        "a": Domain(real(), "a finite number"),
        "b": Domain(real(), "a finite number"),
    }

    def __init__(self, a: float = 0.0, b: float = 1.0) -> None:
        super().__init__({"a": a, "b": b})


class normal_(Initializer):
    """Normal.

    Args:
        mean: Mean. (number)
        std: Standard deviation. (number of at least 0)
    """

    _domains = {
        "mean": Domain(real(), "a finite number"),
        "std": Domain(real(0.0), "a finite number of at least 0"),
    }

    def __init__(self, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__({"mean": mean, "std": std})


class trunc_normal_(Initializer):
    """Normal, but between a and b only.

    Args:
        mean: Mean. (number)
        std: Standard deviation. (number of at least 0)
        a: Smallest value. (number)
        b: Largest value. (number)
    """

    _domains = {
        "mean": Domain(real(), "a finite number"),
        "std": Domain(real(0.0), "a finite number of at least 0"),
        "a": Domain(real(), "a finite number"),
        "b": Domain(real(), "a finite number"),
    }

    def __init__(self, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> None:
        super().__init__({"mean": mean, "std": std, "a": a, "b": b})


class constant_(Initializer):
    """One value everywhere.

    Args:
        val: The value. (number)
    """

    _domains = {
        "val": Domain(real(), "a finite number"),
    }

    def __init__(self, val: float) -> None:
        super().__init__({"val": val})


class ones_(Initializer):
    """1 everywhere."""

    def __init__(self) -> None:
        super().__init__({})


class zeros_(Initializer):
    """0 everywhere."""

    def __init__(self) -> None:
        super().__init__({})


class xavier_uniform_(Initializer):
    """Uniform in ±gain √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010). For parameters of two and more
    dimensions.

    Args:
        gain: Factor. (number)
    """

    _domains = {
        "gain": Domain(real(), "a finite number"),
    }

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__({"gain": gain})


class xavier_normal_(Initializer):
    """Normal of deviation gain √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010). For parameters of two
    and more dimensions.

    Args:
        gain: Factor. (number)
    """

    _domains = {
        "gain": Domain(real(), "a finite number"),
    }

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__({"gain": gain})


class kaiming_uniform_(Initializer):
    """Uniform in ±gain √(3 / fan) (He et al. 2015). For parameters of two and more dimensions.

    Args:
        a: Negative slope of the LeakyReLU that follows; only with nonlinearity "leaky_relu". (number)
        mode: "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass. ("fan_in" or
            "fan_out")
        nonlinearity: What follows the layer; the factor is torch.nn.init.calculate_gain of it. ("linear" or
            "sigmoid" or "tanh" or "relu" or "leaky_relu" or "selu")
    """

    _domains = {
        "a": Domain(real(), "a finite number"),
        "mode": Domain(one_of("fan_in", "fan_out"), '"fan_in" or "fan_out"'),
        "nonlinearity": Domain(
            one_of("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"),
            '"linear" or "sigmoid" or "tanh" or "relu" or "leaky_relu" or "selu"',
        ),
    }

    def __init__(self, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> None:
        super().__init__({"a": a, "mode": mode, "nonlinearity": nonlinearity})


class kaiming_normal_(Initializer):
    """Normal of deviation gain / √fan (He et al. 2015). For parameters of two and more dimensions.

    Args:
        a: Negative slope of the LeakyReLU that follows; only with nonlinearity "leaky_relu". (number)
        mode: "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass. ("fan_in" or
            "fan_out")
        nonlinearity: What follows the layer; the factor is torch.nn.init.calculate_gain of it. ("linear" or
            "sigmoid" or "tanh" or "relu" or "leaky_relu" or "selu")
    """

    _domains = {
        "a": Domain(real(), "a finite number"),
        "mode": Domain(one_of("fan_in", "fan_out"), '"fan_in" or "fan_out"'),
        "nonlinearity": Domain(
            one_of("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"),
            '"linear" or "sigmoid" or "tanh" or "relu" or "leaky_relu" or "selu"',
        ),
    }

    def __init__(self, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> None:
        super().__init__({"a": a, "mode": mode, "nonlinearity": nonlinearity})


class orthogonal_(Initializer):
    """Orthogonal rows or columns, whichever are fewer, times gain; all dimensions but the first are one
    (Saxe et al. 2013). For parameters of two and more dimensions.

    Args:
        gain: Factor. (number)
    """

    _domains = {
        "gain": Domain(real(), "a finite number"),
    }

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__({"gain": gain})


__all__ = [
    "Initializer",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
