# Written by candlewick-codegen (`make generate`); do not edit.
"""Embeddings."""

from __future__ import annotations

from candlewick._document import Module
from candlewick._domains import Domain, maybe, one_of, whole


class Embedding(Module):
    """Replaces every index by its row of a learned table: an input of whole numbers gains a last dimension
    of embedding_dim values. The table starts normal around 0 with deviation 1.

    Args:
        num_embeddings: Rows of the table: indices are whole numbers from 0 to num_embeddings - 1. (whole
            number from 1 to 16777216)
        embedding_dim: Size of a row of the table. (whole number of at least 1)
        padding_idx: Index whose row starts at 0 and gets no gradient, so that it stays there; negative
            counts from the end. (whole number of at least -16777216; or none)
    """

    _domains = {
        "num_embeddings": Domain(whole(1, 16777216), "a whole number from 1 to 16777216"),
        "embedding_dim": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "padding_idx": Domain(maybe(whole(-16777216, 2147483648)), "a whole number of at least -16777216, or null"),
    }

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__(
            {
                "num_embeddings": num_embeddings,
                "embedding_dim": embedding_dim,
                "padding_idx": padding_idx,
            }
        )


class EmbeddingBag(Module):
    """Replaces the indices along the last dimension, a bag, by the sum, mean or largest values of their
    rows of a learned table; a bag of nothing but padding_idx becomes 0. The table starts normal around 0
    with deviation 1. With input = "counts" the input is a vector of num_embeddings values, as HashingTF,
    CountVectorizer or IDF make it, dense or sparse: an index is in the bag where its value is not zero. sum
    adds up the rows of the table, each times its value (PyTorch's per_sample_weights), mean divides that by
    the sum of the values, which must be at least 0, and max does not look at how large a value is. Only
    what is not zero is computed, and of the table only rows that a step touches are exchanged.

    Args:
        num_embeddings: Rows of the table: indices are whole numbers from 0 to num_embeddings - 1. (whole
            number from 1 to 16777216)
        embedding_dim: Size of a row of the table. (whole number of at least 1)
        mode: How the rows of a bag become one. ("sum" or "mean" or "max")
        padding_idx: Index that counts as absent: bags leave it out; its row starts at 0; negative counts
            from the end. (whole number of at least -16777216; or none)
        input: What the input is: bags of indices, or a vector of num_embeddings values, each the count or
            weight of its index. PyTorch knows indices alone. ("indices" or "counts")
    """

    _domains = {
        "num_embeddings": Domain(whole(1, 16777216), "a whole number from 1 to 16777216"),
        "embedding_dim": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "mode": Domain(one_of("sum", "mean", "max"), '"sum" or "mean" or "max"'),
        "padding_idx": Domain(maybe(whole(-16777216, 2147483648)), "a whole number of at least -16777216, or null"),
        "input": Domain(one_of("indices", "counts"), '"indices" or "counts"'),
    }

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        mode: str = "mean",
        padding_idx: int | None = None,
        input: str = "indices",
    ) -> None:
        super().__init__(
            {
                "num_embeddings": num_embeddings,
                "embedding_dim": embedding_dim,
                "mode": mode,
                "padding_idx": padding_idx,
                "input": input,
            }
        )


__all__ = [
    "Embedding",
    "EmbeddingBag",
]
