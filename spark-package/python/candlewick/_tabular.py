"""Networks over tables: numbers and categories by the names of their columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from candlewick._document import Module
from candlewick._graph import Graph
from candlewick._tensor import Input, Tensor, is_whole
from candlewick.nn import Concat, Embedding, Flatten

#: The most numbers that stand for a category where nobody says how many, and the rule below it: fastai's (Howard and
#: Gugger, Information 11(2), 2020).
_MOST = 600


def embedding_size(categories: int) -> int:
    """Numbers that stand for one of so many categories: round(1.6 * categories**0.56), at most 600, as in fastai.

    Example:
        >>> embedding_size(1200)
        85
    """
    return min(_MOST, round(1.6 * categories**0.56))


class Tabular:
    """The columns of a table as what a network begins with; `candlewick.tabular` makes it.

    Attributes:
        inputs: An input for each column, the numeric ones first.
        features: All of a row: the numbers, then what stands for each category.
    """

    def __init__(self, inputs: list[Input], features: Tensor) -> None:
        self.inputs, self.features = inputs, features

    def head(self, *layers: Module) -> Graph:
        """The network: these layers over the columns, as in ``nn.Sequential``.

        Example:
            >>> from candlewick import nn, tabular
            >>> net = tabular(["age"], {"city": 1200}).head(nn.Linear(64), nn.ReLU(), nn.Linear(2))

        Args:
            layers: The layers, of which the last one's outputs are the network's.

        Raises:
            TypeError: One of them is no layer.
        """
        if not layers:
            raise ValueError("head needs at least one layer, such as nn.Linear(2)")
        reached = self.features
        for layer in layers:
            if not isinstance(layer, Module):
                raise TypeError(f"head takes layers one by one, such as head(nn.ReLU(), nn.Linear(2)), not {layer!r}")
            reached = layer(reached)
        return Graph(self.inputs, {_free("out", [one.name for one in self.inputs]): reached})

    def __repr__(self) -> str:
        return f"Tabular({', '.join(one.name for one in self.inputs)})"


def tabular(
    numeric: Sequence[str] = (),
    categorical: Mapping[str, int] | None = None,
    embedding_dim: Mapping[str, int] | None = None,
    widths: Mapping[str, int] | None = None,
) -> Tabular:
    """The columns of a table as what a network begins with.

    A category is a whole number from 0, as StringIndexer makes it (with ``handleInvalid="keep"`` there is one more of them,
    for what is new), and gets an `nn.Embedding` of its own, the node ``<column>_embedding``. An estimator reads the columns by
    their names: featuresCol and featuresCols stay unset.

    Example:
        >>> from candlewick import nn, tabular
        >>> table = tabular(["age", "scaled"], {"city": 1200, "plan": 5}, embedding_dim={"plan": 3}, widths={"scaled": 6})
        >>> net = table.head(nn.BatchNorm1d(), nn.Linear(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(2))

    Args:
        numeric: Columns of numbers, Vectors or arrays, which are taken as they are: scale them before (StandardScaler), or
            begin the head with `nn.BatchNorm1d`.
        categorical: Columns of categories, with the number of these.
        embedding_dim: How many numbers stand for a category of a column; of columns that are left out `embedding_size` says.
        widths: How many numbers a numeric column has in a row; 1 where it is left out.

    Raises:
        TypeError: An argument is not of its kind, such as numeric one name and no list.
        ValueError: There is no column, a name cannot be that of an input, or embedding_dim or widths name another column.
        InvalidParameterError: A number is no whole number of at least 1.
    """
    if isinstance(numeric, str):
        raise TypeError(f"numeric must be a list of columns, such as [{numeric!r}]")
    numbers, codes = list(numeric), _mapping("categorical", categorical)
    sizes = _mapping("embedding_dim", embedding_dim, codes, "categorical")
    lengths = _mapping("widths", widths, numbers, "numeric")
    if not numbers and not codes:
        raise ValueError("a table needs at least one column, numeric or categorical")
    inputs = [_input(name, lengths.get(name, 1)) for name in numbers]
    parts: list[Tensor] = list(inputs)
    taken = [*numbers, *codes]
    for name, categories in codes.items():
        known = max(categories, 1) if is_whole(categories) else 1
        width = sizes[name] if name in sizes else embedding_size(known)
        column = _input(name, 1)
        inputs.append(column)
        taken.append(_free(f"{name}_embedding", taken))
        parts.append(Flatten()(Embedding(categories, width)(column, name=taken[-1])))
    return Tabular(inputs, parts[0] if len(parts) == 1 else Concat()(*parts))


def _mapping(what: str, given: object, of: Collection[str] | None = None, among: str = "") -> dict[str, int]:
    """The numbers of columns, which are all among the given ones."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f'{what} must be a number for each column, such as {{"city": 12}}, not {given!r}')
    unknown = next((name for name in given if of is not None and name not in of), None)
    if unknown is not None:
        raise ValueError(f"{what} names {unknown!r}, which is not among the {among} columns {list(of or ())}")
    return dict(given)


def _input(name: str, width: int) -> Input:
    try:
        return Input(name, [width])
    except ValueError as wrong:
        hint = "; rename the column before (withColumnRenamed)" if is_whole(width) and width > 0 else ""
        raise ValueError(f"{wrong}{hint}") from None


def _free(name: str, taken: Collection[str]) -> str:
    """The name, or a longer one that no column has."""
    return name if name not in taken else _free(f"{name}_", taken)
