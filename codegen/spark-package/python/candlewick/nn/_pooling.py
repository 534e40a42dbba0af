# Written by candlewick-codegen (`make generate`); do not edit.
"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence

from candlewick._document import Module
from candlewick._domains import Domain, maybe, open_size, real, size, truth, whole


class MaxPool1d(Module):
    """Largest element of every window of inputs of shape [channels, length]. NaN counts as the largest; of
    equal elements the first gets the gradient.

    Args:
        kernel_size: Size of the window. (whole number of at least 1)
        stride: Step of the window; without it, kernel_size. (whole number of at least 1; or none)
        padding: Elements around the input that are never the largest; at most half of kernel_size. (whole
            number of at least 0)
        dilation: Distance of the elements of the window. (whole number of at least 1)
        ceil_mode: Also count windows that begin inside the input or its left padding and end outside. (true
            or false)
    """

    _domains = {
        "kernel_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "stride": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1, or null"),
        "padding": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "dilation": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "ceil_mode": Domain(truth, "true or false"),
    }

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        padding: int = 0,
        dilation: int = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(
            {
                "kernel_size": kernel_size,
                "stride": stride,
                "padding": padding,
                "dilation": dilation,
                "ceil_mode": ceil_mode,
            }
        )


class MaxPool2d(Module):
    """Largest element of every window of inputs of shape [channels, height, width]. NaN counts as the
    largest; of equal elements the first gets the gradient.

    Args:
        kernel_size: Size of the window. (whole number, or a list with one for every dimension, of at least
            1)
        stride: Step of the window; without it, kernel_size. (whole number, or a list with one for every
            dimension, of at least 1; or none)
        padding: Elements around the input that are never the largest; at most half of kernel_size. (whole
            number, or a list with one for every dimension, of at least 0)
        dilation: Distance of the elements of the window. (whole number, or a list with one for every
            dimension, of at least 1)
        ceil_mode: Also count windows that begin inside the input or its left padding and end outside. (true
            or false)
    """

    _domains = {
        "kernel_size": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "stride": Domain(
            maybe(size(2, whole(1, 2147483648))),
            "a whole number, or a list with one for every dimension, of at least 1, or null",
        ),
        "padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
        "dilation": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "ceil_mode": Domain(truth, "true or false"),
    }

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(
            {
                "kernel_size": kernel_size,
                "stride": stride,
                "padding": padding,
                "dilation": dilation,
                "ceil_mode": ceil_mode,
            }
        )


class AvgPool1d(Module):
    """Mean of every window of inputs of shape [channels, length].

    Args:
        kernel_size: Size of the window. (whole number of at least 1)
        stride: Step of the window; without it, kernel_size. (whole number of at least 1; or none)
        padding: Zeros around the input; at most half of kernel_size. (whole number of at least 0)
        ceil_mode: Also count windows that begin inside the input or its left padding and end outside. (true
            or false)
        count_include_pad: Count the zeros of the padding when dividing. (true or false)
    """

    _domains = {
        "kernel_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "stride": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1, or null"),
        "padding": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "ceil_mode": Domain(truth, "true or false"),
        "count_include_pad": Domain(truth, "true or false"),
    }

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        padding: int = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            {
                "kernel_size": kernel_size,
                "stride": stride,
                "padding": padding,
                "ceil_mode": ceil_mode,
                "count_include_pad": count_include_pad,
            }
        )


class AvgPool2d(Module):
    """Mean of every window of inputs of shape [channels, height, width].

    Args:
        kernel_size: Size of the window. (whole number, or a list with one for every dimension, of at least
            1)
        stride: Step of the window; without it, kernel_size. (whole number, or a list with one for every
            dimension, of at least 1; or none)
        padding: Zeros around the input; at most half of kernel_size. (whole number, or a list with one for
            every dimension, of at least 0)
        ceil_mode: Also count windows that begin inside the input or its left padding and end outside. (true
            or false)
        count_include_pad: Count the zeros of the padding when dividing. (true or false)
        divisor_override: What sums are divided by; without it, the number of elements. (whole number of at
            least 1; or none)
    """

    _domains = {
        "kernel_size": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "stride": Domain(
            maybe(size(2, whole(1, 2147483648))),
            "a whole number, or a list with one for every dimension, of at least 1, or null",
        ),
        "padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
        "ceil_mode": Domain(truth, "true or false"),
        "count_include_pad": Domain(truth, "true or false"),
        "divisor_override": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1, or null"),
    }

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(
            {
                "kernel_size": kernel_size,
                "stride": stride,
                "padding": padding,
                "ceil_mode": ceil_mode,
                "count_include_pad": count_include_pad,
                "divisor_override": divisor_override,
            }
        )


class AdaptiveMaxPool1d(Module):
    """Largest elements of inputs of shape [channels, length] cut into windows that give an output of a
    size.

    Args:
        output_size: Size of the output. (whole number of at least 1)
    """

    _domains = {
        "output_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
    }

    def __init__(self, output_size: int) -> None:
        super().__init__({"output_size": output_size})


class AdaptiveMaxPool2d(Module):
    """Largest elements of inputs of shape [channels, height, width] cut into windows that give an output of
    a size.

    Args:
        output_size: Size of the output; in a list none stands for the size of the input. (whole number, or
            a list with one, or null, for every dimension, of at least 1)
    """

    _domains = {
        "output_size": Domain(
            open_size(2, whole(1, 2147483648)),
            "a whole number, or a list with one, or null, for every dimension, of at least 1",
        ),
    }

    def __init__(self, output_size: int | Sequence[int | None]) -> None:
        super().__init__({"output_size": output_size})


class AdaptiveAvgPool1d(Module):
    """Means of inputs of shape [channels, length] cut into windows that give an output of a size;
    AdaptiveAvgPool1d(1) is the mean of every channel (global pooling).

    Args:
        output_size: Size of the output. (whole number of at least 1)
    """

    _domains = {
        "output_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
    }

    def __init__(self, output_size: int) -> None:
        super().__init__({"output_size": output_size})


class AdaptiveAvgPool2d(Module):
    """Means of inputs of shape [channels, height, width] cut into windows that give an output of a size;
    AdaptiveAvgPool2d(1) is the mean of every channel (global pooling).

    Args:
        output_size: Size of the output; in a list none stands for the size of the input. (whole number, or
            a list with one, or null, for every dimension, of at least 1)
    """

    _domains = {
        "output_size": Domain(
            open_size(2, whole(1, 2147483648)),
            "a whole number, or a list with one, or null, for every dimension, of at least 1",
        ),
    }

    def __init__(self, output_size: int | Sequence[int | None]) -> None:
        super().__init__({"output_size": output_size})


class LPPool1d(Module):
    """Power mean without its division of every window of inputs of shape [channels, length]: (Σ x^p)^(1/p).
    Where the sum is 0, its gradient is 0.

    Args:
        norm_type: The power p; above 0. 1 makes it a sum, a large number nearly a maximum. (number of at
            least 0)
        kernel_size: Size of the window. (whole number of at least 1)
        stride: Step of the window; without it, kernel_size. (whole number of at least 1; or none)
        ceil_mode: Also count windows that begin inside the input or its left padding and end outside. (true
            or false)
    """

    _domains = {
        "norm_type": Domain(real(0.0), "a finite number of at least 0"),
        "kernel_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "stride": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1, or null"),
        "ceil_mode": Domain(truth, "true or false"),
    }

    def __init__(
        self,
        norm_type: float,
        kernel_size: int,
        stride: int | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(
            {
                "norm_type": norm_type,
                "kernel_size": kernel_size,
                "stride": stride,
                "ceil_mode": ceil_mode,
            }
        )


class LPPool2d(Module):
    """Power mean without its division of every window of inputs of shape [channels, height, width]: (Σ
    x^p)^(1/p). Where the sum is 0, its gradient is 0.

    Args:
        norm_type: The power p; above 0. 1 makes it a sum, a large number nearly a maximum. (number of at
            least 0)
        kernel_size: Size of the window. (whole number, or a list with one for every dimension, of at least
            1)
        stride: Step of the window; without it, kernel_size. (whole number, or a list with one for every
            dimension, of at least 1; or none)
        ceil_mode: Also count windows that begin inside the input or its left padding and end outside. (true
            or false)
    """

    _domains = {
        "norm_type": Domain(real(0.0), "a finite number of at least 0"),
        "kernel_size": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "stride": Domain(
            maybe(size(2, whole(1, 2147483648))),
            "a whole number, or a list with one for every dimension, of at least 1, or null",
        ),
        "ceil_mode": Domain(truth, "true or false"),
    }

    def __init__(
        self,
        norm_type: float,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(
            {
                "norm_type": norm_type,
                "kernel_size": kernel_size,
                "stride": stride,
                "ceil_mode": ceil_mode,
            }
        )


__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "LPPool1d",
    "LPPool2d",
    "MaxPool1d",
    "MaxPool2d",
]
