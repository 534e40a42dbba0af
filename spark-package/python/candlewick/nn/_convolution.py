# Written by candlewick-codegen (`make generate`); do not edit.
"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from candlewick._document import Module, bind
from candlewick._domains import Domain, maybe, one_of, size, size_or_word, truth, whole


class Conv1d(Module):
    """Convolution (cross-correlation) of inputs of shape [channels, length]. Weights and bias start uniform
    in ±1/√(in_channels / groups · kernel_size).

    Args:
        in_channels: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        out_channels: Channels of the output. (whole number of at least 1)
        kernel_size: Size of the kernel. (whole number of at least 1)
        stride: Step of the kernel. (whole number of at least 1)
        padding: Zeros on each side of the input; "valid" is 0, "same" keeps the size and needs a stride of
            1. ("same", "valid", a whole number, or a list with one for every dimension, of at least 0)
        dilation: Distance of the elements of the kernel. (whole number of at least 1)
        groups: Groups of channels that do not see each other; divides both numbers of channels. (whole
            number of at least 1)
        bias: Add a learned bias to every channel. (true or false)
        padding_mode: What lies around the input. ("zeros")
    """

    _domains = {
        "in_channels": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "out_channels": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "kernel_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "stride": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "padding": Domain(
            size_or_word(1, whole(0, 2147483648)),
            '"same", "valid", a whole number, or a list with one for every dimension, of at least 0',
        ),
        "dilation": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "groups": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "bias": Domain(truth, "true or false"),
        "padding_mode": Domain(one_of("zeros"), '"zeros"'),
    }
    _full = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "bias",
        "padding_mode",
    )
    _short = ("out_channels", "kernel_size")
    _optional = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "padding_mode": "zeros"}

    @overload
    def __init__(
        self,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None: ...

    @overload
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class Conv2d(Module):
    """Convolution (cross-correlation) of inputs of shape [channels, height, width]. Weights and bias start
    uniform in ±1/√(in_channels / groups · kernel height · kernel width).

    Args:
        in_channels: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        out_channels: Channels of the output. (whole number of at least 1)
        kernel_size: Size of the kernel. (whole number, or a list with one for every dimension, of at least
            1)
        stride: Step of the kernel. (whole number, or a list with one for every dimension, of at least 1)
        padding: Zeros on each side of the input; "valid" is 0, "same" keeps the size and needs a stride of
            1. ("same", "valid", a whole number, or a list with one for every dimension, of at least 0)
        dilation: Distance of the elements of the kernel. (whole number, or a list with one for every
            dimension, of at least 1)
        groups: Groups of channels that do not see each other; divides both numbers of channels. (whole
            number of at least 1)
        bias: Add a learned bias to every channel. (true or false)
        padding_mode: What lies around the input. ("zeros")
    """

    _domains = {
        "in_channels": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "out_channels": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "kernel_size": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "stride": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "padding": Domain(
            size_or_word(2, whole(0, 2147483648)),
            '"same", "valid", a whole number, or a list with one for every dimension, of at least 0',
        ),
        "dilation": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "groups": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "bias": Domain(truth, "true or false"),
        "padding_mode": Domain(one_of("zeros"), '"zeros"'),
    }
    _full = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "bias",
        "padding_mode",
    )
    _short = ("out_channels", "kernel_size")
    _optional = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "padding_mode": "zeros"}

    @overload
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None: ...

    @overload
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class ConvTranspose1d(Module):
    """Transposed convolution of inputs of shape [channels, length]: the gradient of Conv1d as a layer,
    which enlarges its input by the stride. Weights and bias start uniform in ±1/√(out_channels / groups ·
    kernel_size).

    Args:
        in_channels: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        out_channels: Channels of the output. (whole number of at least 1)
        kernel_size: Size of the kernel. (whole number of at least 1)
        stride: Step of the kernel. (whole number of at least 1)
        padding: Elements cut off each side of the output: the padding of the convolution that this one
            turns round. (whole number of at least 0)
        output_padding: Elements added to the lower and right side of the output; less than the stride or
            the dilation. (whole number of at least 0)
        groups: Groups of channels that do not see each other; divides both numbers of channels. (whole
            number of at least 1)
        bias: Add a learned bias to every channel. (true or false)
        dilation: Distance of the elements of the kernel. (whole number of at least 1)
        padding_mode: What lies around the input. ("zeros")
    """

    _domains = {
        "in_channels": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "out_channels": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "kernel_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "stride": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "padding": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "output_padding": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "groups": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "bias": Domain(truth, "true or false"),
        "dilation": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "padding_mode": Domain(one_of("zeros"), '"zeros"'),
    }
    _full = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "output_padding",
        "groups",
        "bias",
        "dilation",
        "padding_mode",
    )
    _short = ("out_channels", "kernel_size")
    _optional = {
        "stride": 1,
        "padding": 0,
        "output_padding": 0,
        "groups": 1,
        "bias": True,
        "dilation": 1,
        "padding_mode": "zeros",
    }

    @overload
    def __init__(
        self,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        output_padding: int = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int = 1,
        padding_mode: str = "zeros",
    ) -> None: ...

    @overload
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        output_padding: int = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int = 1,
        padding_mode: str = "zeros",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class ConvTranspose2d(Module):
    """Transposed convolution of inputs of shape [channels, height, width]: the gradient of Conv2d as a
    layer, which enlarges its input by the stride. Weights and bias start uniform in ±1/√(out_channels /
    groups · kernel height · kernel width).

    Args:
        in_channels: Channels of the input: its first dimension after the batch. (whole number of at least
            1; may be left out)
        out_channels: Channels of the output. (whole number of at least 1)
        kernel_size: Size of the kernel. (whole number, or a list with one for every dimension, of at least
            1)
        stride: Step of the kernel. (whole number, or a list with one for every dimension, of at least 1)
        padding: Elements cut off each side of the output: the padding of the convolution that this one
            turns round. (whole number, or a list with one for every dimension, of at least 0)
        output_padding: Elements added to the lower and right side of the output; less than the stride or
            the dilation. (whole number, or a list with one for every dimension, of at least 0)
        groups: Groups of channels that do not see each other; divides both numbers of channels. (whole
            number of at least 1)
        bias: Add a learned bias to every channel. (true or false)
        dilation: Distance of the elements of the kernel. (whole number, or a list with one for every
            dimension, of at least 1)
        padding_mode: What lies around the input. ("zeros")
    """

    _domains = {
        "in_channels": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "out_channels": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "kernel_size": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "stride": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
        "output_padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
        "groups": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "bias": Domain(truth, "true or false"),
        "dilation": Domain(
            size(2, whole(1, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 1",
        ),
        "padding_mode": Domain(one_of("zeros"), '"zeros"'),
    }
    _full = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "output_padding",
        "groups",
        "bias",
        "dilation",
        "padding_mode",
    )
    _short = ("out_channels", "kernel_size")
    _optional = {
        "stride": 1,
        "padding": 0,
        "output_padding": 0,
        "groups": 1,
        "bias": True,
        "dilation": 1,
        "padding_mode": "zeros",
    }

    @overload
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
    ) -> None: ...

    @overload
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


__all__ = [
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
]
