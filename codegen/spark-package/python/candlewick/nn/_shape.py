# Written by candlewick-codegen (`make generate`); do not edit.
"""Layers of shape."""

from __future__ import annotations

from collections.abc import Sequence

from candlewick._document import Module
from candlewick._domains import Domain, list_of, maybe, one_of, size, whole


class Flatten(Module):
    """Merges dimensions into one. The batch dimension stays.

    Args:
        start_dim: First dimension to flatten; 0 is the batch. (whole number from -64 to 64)
        end_dim: Last dimension to flatten; -1 is the last. (whole number from -64 to 64)
    """

    _domains = {
        "start_dim": Domain(whole(-64, 64), "a whole number from -64 to 64"),
        "end_dim": Domain(whole(-64, 64), "a whole number from -64 to 64"),
    }

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__({"start_dim": start_dim, "end_dim": end_dim})


class Unflatten(Module):
    """Cuts a dimension up into several, such as 784 values into [1, 28, 28].

    Args:
        dim: Dimension to cut up; 0 is the batch, which cannot be. (whole number from -64 to 64)
        unflattened_size: Sizes it becomes; one may be -1 and takes what is left. (list of at least one
            whole number, each of at least -1)
    """

    _domains = {
        "dim": Domain(whole(-64, 64), "a whole number from -64 to 64"),
        "unflattened_size": Domain(
            list_of(whole(-1, 2147483648)),
            "a list of at least one whole number, each of at least -1",
        ),
    }

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__({"dim": dim, "unflattened_size": unflattened_size})


class Reshape(Module):
    """Gives the input another shape; the elements keep their order. As torch.reshape, whose batch dimension
    stays.

    Args:
        shape: The shape without the batch; one size may be -1 and takes what is left. (list of at least one
            whole number, each of at least -1)
    """

    _domains = {
        "shape": Domain(list_of(whole(-1, 2147483648)), "a list of at least one whole number, each of at least -1"),
    }

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__({"shape": shape})


class Permute(Module):
    """Exchanges dimensions, as torch.permute; every one is named once.

    Args:
        dims: The dimensions in their new order, the batch, 0, in the first place: [0, 3, 1, 2] moves the
            last of an image to the front. (list of at least one whole number, each from -64 to 64)
    """

    _domains = {
        "dims": Domain(list_of(whole(-64, 64)), "a list of at least one whole number, each from -64 to 64"),
    }

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__({"dims": dims})


class Upsample(Module):
    """Enlarges inputs of shape [channels, height, width] by repeating elements.

    Args:
        size: Height and width of the output; this or scale_factor is given. (whole number, or a list with
            one for every dimension, of at least 1; or none)
        scale_factor: By how much height and width grow. (whole number, or a list with one for every
            dimension, of at least 1; or none)
        mode: How elements between those of the input are found. ("nearest")
    """

    _domains = {
        "size": Domain(
            maybe(size(2, whole(1, 2147483648))),
            "a whole number, or a list with one for every dimension, of at least 1, or null",
        ),
        "scale_factor": Domain(
            maybe(size(2, whole(1, 2147483648))),
            "a whole number, or a list with one for every dimension, of at least 1, or null",
        ),
        "mode": Domain(one_of("nearest"), '"nearest"'),
    }

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: int | Sequence[int] | None = None,
        mode: str = "nearest",
    ) -> None:
        super().__init__({"size": size, "scale_factor": scale_factor, "mode": mode})


__all__ = [
    "Flatten",
    "Permute",
    "Reshape",
    "Unflatten",
    "Upsample",
]
