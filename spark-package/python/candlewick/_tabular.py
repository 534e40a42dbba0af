"""Networks over tables: numbers and categories by the names of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
        """
        if not layers:
            raise ValueError("head needs at least one layer, such as nn.Linear(2)")
        reached = self.features
        for layer in layers:
            reached = layer(reached)
        return Graph(self.inputs, {"out": reached})

    def __repr__(self) -> str:
        return f"Tabular({', '.join(one.name for one in self.inputs)})"


def tabular(
    numeric: Sequence[str] = (),
    categorical: Mapping[str, int] | None = None,
    embedding_dim: Mapping[str, int] | None = None,
) -> Tabular:
    """The columns of a table as what a network begins with.

    A category is a whole number from 0, as StringIndexer makes it (with ``handleInvalid="keep"`` there is one more of them,
    for what is new), and gets an `nn.Embedding` of its own, the node ``<column>_embedding``. An estimator reads the columns by
    their names: featuresCol and featuresCols stay unset.

    Example:
        >>> from candlewick import nn, tabular
        >>> table = tabular(["age", "income"], categorical={"city": 1200, "plan": 5}, embedding_dim={"plan": 3})
        >>> net = table.head(nn.Linear(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(2))

    Args:
        numeric: Columns of numbers, which are taken as they are: scale them before (StandardScaler).
        categorical: Columns of categories, with the number of these.
        embedding_dim: How many numbers stand for a category of a column; of columns that are left out `embedding_size` says.

    Raises:
        TypeError: numeric is one name, and no list.
        ValueError: There is no column, or embedding_dim names one that is not categorical.
        InvalidParameterError: A number is no whole number of at least 1.
    """
    if isinstance(numeric, str):
        raise TypeError(f"numeric must be a list of columns, such as [{numeric!r}]")
    categorical, widths = categorical or {}, embedding_dim or {}
    if not numeric and not categorical:
        raise ValueError("a table needs at least one column, numeric or categorical")
    unknown = next((name for name in widths if name not in categorical), None)
    if unknown is not None:
        raise ValueError(
            f"embedding_dim names {unknown!r}, which is not among the categorical columns {list(categorical)}"
        )
    inputs = [Input(name) for name in numeric]
    parts: list[Tensor] = list(inputs)
    for name, categories in categorical.items():
        known = max(categories, 1) if is_whole(categories) else 1
        width = widths[name] if name in widths else embedding_size(known)
        column = Input(name)
        inputs.append(column)
        parts.append(Flatten()(Embedding(categories, width)(column, name=f"{name}_embedding")))
    return Tabular(inputs, parts[0] if len(parts) == 1 else Concat()(*parts))
