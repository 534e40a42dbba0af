# Written by candlewick-codegen (`make generate`); do not edit.
"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from candlewick._document import Module, bind
from candlewick._domains import Domain, maybe, one_of, real, size, truth, whole


class BatchNorm1d(Module):
    """Normalises every channel of inputs of shape [C] or [C, L] over the rows of the step and the positions
    (Ioffe and Szegedy 2015, arXiv:1502.03167). Rows of all trainers are normalised together, whatever their
    number; row weights do not count. Scoring uses the running statistics, and so does a step with a single
    value per channel, which leaves them as they are.

    Args:
        num_features: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        eps: Added to the variance before the root is taken. (number of at least 0)
        momentum: Weight of a step's statistics in the running ones; null for the average of all steps.
            (number from 0 to 1; or none)
        affine: Learn a factor and a summand for every channel; they start at 1 and 0. (true or false)
        track_running_stats: Keep running statistics, which scoring normalises by. Only true is legal:
            without them what comes out for a row would depend on the rows it is scored with. (true or
            false)
        bias: Learn the summand; without affine there is none. (true or false)
        scope: What is normalised together while training: "step" for all rows of the step, which is what
            PyTorch does in one process and takes two small exchanges between the trainers; "slice" for the
            rows of every logical shard by themselves, which takes one exchange, for the running statistics,
            and normalises by fewer rows. ("step" or "slice")
    """

    _domains = {
        "num_features": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "momentum": Domain(maybe(real(0.0, 1.0)), "a finite number from 0 to 1, or null"),
        "affine": Domain(truth, "true or false"),
        "track_running_stats": Domain(truth, "true or false"),
        "bias": Domain(truth, "true or false"),
        "scope": Domain(one_of("step", "slice"), '"step" or "slice"'),
    }
    _full = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    _short = ()
    _optional = {
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "scope": "step",
    }

    @overload
    def __init__(
        self,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        bias: bool = True,
        scope: str = "step",
    ) -> None: ...

    @overload
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        scope: str = "step",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class BatchNorm2d(Module):
    """Normalises every channel of inputs of shape [C, H, W] over the rows of the step and the positions;
    see BatchNorm1d.

    Args:
        num_features: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        eps: Added to the variance before the root is taken. (number of at least 0)
        momentum: Weight of a step's statistics in the running ones; null for the average of all steps.
            (number from 0 to 1; or none)
        affine: Learn a factor and a summand for every channel; they start at 1 and 0. (true or false)
        track_running_stats: Keep running statistics, which scoring normalises by. Only true is legal:
            without them what comes out for a row would depend on the rows it is scored with. (true or
            false)
        bias: Learn the summand; without affine there is none. (true or false)
        scope: What is normalised together while training: "step" for all rows of the step, which is what
            PyTorch does in one process and takes two small exchanges between the trainers; "slice" for the
            rows of every logical shard by themselves, which takes one exchange, for the running statistics,
            and normalises by fewer rows. ("step" or "slice")
    """

    _domains = {
        "num_features": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "momentum": Domain(maybe(real(0.0, 1.0)), "a finite number from 0 to 1, or null"),
        "affine": Domain(truth, "true or false"),
        "track_running_stats": Domain(truth, "true or false"),
        "bias": Domain(truth, "true or false"),
        "scope": Domain(one_of("step", "slice"), '"step" or "slice"'),
    }
    _full = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    _short = ()
    _optional = {
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "scope": "step",
    }

    @overload
    def __init__(
        self,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        bias: bool = True,
        scope: str = "step",
    ) -> None: ...

    @overload
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        scope: str = "step",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class LayerNorm(Module):
    """Normalises the last dimensions of every row to mean 0 and variance 1 (Ba et al. 2016,
    arXiv:1607.06450).

    Args:
        normalized_shape: The last dimensions of the input, over which it is normalised together; a number
            for one. Left out, it is the last dimension. (whole number, or a list with one for every
            dimension, of at least 1; may be left out)
        eps: Added to the variance before the root is taken. (number of at least 0)
        elementwise_affine: Learn a factor and a summand for every element of normalized_shape; they start
            at 1 and 0. (true or false)
        bias: Learn the summand; without elementwise_affine there is none. (true or false)
    """

    _domains = {
        "normalized_shape": Domain(
            maybe(size(0, whole(1, 2147483648))),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "elementwise_affine": Domain(truth, "true or false"),
        "bias": Domain(truth, "true or false"),
    }
    _full = ("normalized_shape", "eps", "elementwise_affine", "bias")
    _short = ()
    _optional = {"eps": 1e-5, "elementwise_affine": True, "bias": True}

    @overload
    def __init__(self, *, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True) -> None: ...

    @overload
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class RMSNorm(Module):
    """Divides the last dimensions of every row by the root of their mean square (Zhang and Sennrich 2019,
    arXiv:1910.07467).

    Args:
        normalized_shape: The last dimensions of the input, over which it is normalised together; a number
            for one. Left out, it is the last dimension. (whole number, or a list with one for every
            dimension, of at least 1; may be left out)
        eps: Added to the mean square before the root is taken; null for the spacing of f32 at 1, 1.19e-7.
            (number of at least 0; or none)
        elementwise_affine: Learn a factor for every element of normalized_shape; they start at 1. (true or
            false)
    """

    _domains = {
        "normalized_shape": Domain(
            maybe(size(0, whole(1, 2147483648))),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "eps": Domain(maybe(real(0.0)), "a finite number of at least 0, or null"),
        "elementwise_affine": Domain(truth, "true or false"),
    }
    _full = ("normalized_shape", "eps", "elementwise_affine")
    _short = ()
    _optional = {"eps": None, "elementwise_affine": True}

    @overload
    def __init__(self, *, eps: float | None = None, elementwise_affine: bool = True) -> None: ...

    @overload
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class GroupNorm(Module):
    """Normalises groups of channels of every row, with all their positions, to mean 0 and variance 1 (Wu
    and He 2018, arXiv:1803.08494).

    Args:
        num_groups: Groups that the channels are cut into; a divisor of their number. (whole number of at
            least 1)
        num_channels: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        eps: Added to the variance before the root is taken. (number of at least 0)
        affine: Learn a factor and a summand for every channel; they start at 1 and 0. (true or false)
        bias: Learn the summand; without affine there is none. (true or false)
    """

    _domains = {
        "num_groups": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "num_channels": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "affine": Domain(truth, "true or false"),
        "bias": Domain(truth, "true or false"),
    }
    _full = ("num_groups", "num_channels", "eps", "affine")
    _short = ("num_groups",)
    _optional = {"eps": 1e-5, "affine": True, "bias": True}

    @overload
    def __init__(
        self,
        num_groups: int,
        *,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
    ) -> None: ...

    @overload
    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class InstanceNorm1d(Module):
    """Normalises every channel of every row of inputs of shape [C, L] over its positions; see
    InstanceNorm2d.

    Args:
        num_features: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        eps: Added to the variance before the root is taken. (number of at least 0)
        momentum: Of no effect, since there are no running statistics. (number from 0 to 1; or none)
        affine: Learn a factor and a summand for every channel; they start at 1 and 0. (true or false)
        track_running_stats: Only false is legal: every row is normalised by its own statistics, also when
            scoring. (true or false)
        bias: Learn the summand; without affine there is none. (true or false)
    """

    _domains = {
        "num_features": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "momentum": Domain(maybe(real(0.0, 1.0)), "a finite number from 0 to 1, or null"),
        "affine": Domain(truth, "true or false"),
        "track_running_stats": Domain(truth, "true or false"),
        "bias": Domain(truth, "true or false"),
    }
    _full = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    _short = ()
    _optional = {"eps": 1e-5, "momentum": 0.1, "affine": False, "track_running_stats": False, "bias": True}

    @overload
    def __init__(
        self,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        bias: bool = True,
    ) -> None: ...

    @overload
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class InstanceNorm2d(Module):
    """Normalises every channel of every row of inputs of shape [C, H, W] over its positions (Ulyanov et al.
    2016, arXiv:1607.08022).

    Args:
        num_features: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        eps: Added to the variance before the root is taken. (number of at least 0)
        momentum: Of no effect, since there are no running statistics. (number from 0 to 1; or none)
        affine: Learn a factor and a summand for every channel; they start at 1 and 0. (true or false)
        track_running_stats: Only false is legal: every row is normalised by its own statistics, also when
            scoring. (true or false)
        bias: Learn the summand; without affine there is none. (true or false)
    """

    _domains = {
        "num_features": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "momentum": Domain(maybe(real(0.0, 1.0)), "a finite number from 0 to 1, or null"),
        "affine": Domain(truth, "true or false"),
        "track_running_stats": Domain(truth, "true or false"),
        "bias": Domain(truth, "true or false"),
    }
    _full = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    _short = ()
    _optional = {"eps": 1e-5, "momentum": 0.1, "affine": False, "track_running_stats": False, "bias": True}

    @overload
    def __init__(
        self,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        bias: bool = True,
    ) -> None: ...

    @overload
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class LocalResponseNorm(Module):
    """Divides every element of inputs of shape [C, ...] by (k + alpha m)^beta, where m is the mean square
    of the channels around it (Krizhevsky et al. 2012); channels that there are not count as 0.

    Args:
        size: Neighbouring channels whose squares are added up, the channel itself in the middle. (whole
            number of at least 1)
        alpha: Factor of the mean square. (number)
        beta: Power of the divisor. (number)
        k: Added to the mean square times alpha. (number)
    """

    _domains = {
        "size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "alpha": Domain(real(), "a finite number"),
        "beta": Domain(real(), "a finite number"),
        "k": Domain(real(), "a finite number"),
    }

    def __init__(self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__({"size": size, "alpha": alpha, "beta": beta, "k": k})


__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]
