# Written by candlewick-codegen (`make generate`); do not edit.
"""What is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.ml.param import Param, Params, TypeConverters

from candlewick._document import Loss, LossLike, NetworkLike, Sequential, to_network
from candlewick._losses import to_loss
from candlewick._reading import as_loss, as_network
from candlewick._weights import WeightsLike, to_weights

if TYPE_CHECKING:
    from typing_extensions import Self


class NetworkParams(Params):
    """Parameters of estimators, which their models know. What is trained."""

    loss: Param[str] = Param(
        Params._dummy(),
        "loss",
        "The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, its JSON document, or its name where nothing else is to be said. A NeuralEstimator also takes a loss for each output by its name. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor; a NeuralEstimator needs one. (object of its builder, or its JSON document)",
        typeConverter=to_loss,
    )

    def __init__(self) -> None:
        super().__init__()

    def getLoss(self) -> Loss:
        """Value of loss, or its default."""
        return as_loss(self.getOrDefault(self.loss))


class NetworkSetters(NetworkParams):
    """What estimators have beyond their models. What is trained."""

    network: Param[str] = Param(
        Params._dummy(),
        "network",
        "The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (object of its builder, or its JSON document)",
        typeConverter=to_network,
    )

    initialWeights: Param[str] = Param(
        Params._dummy(),
        "initialWeights",
        "Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's names on any file system that Hadoop reads, or its bytes. In Python also a state_dict, a module of PyTorch, or a trained model. Not set: random by the seed. (path, or the bytes of a file)",
        typeConverter=to_weights,
    )

    strictWeights: Param[bool] = Param(
        Params._dummy(),
        "strictWeights",
        "Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded, the rest starts random by the seed, and the summary says which. (true or false)",
        typeConverter=TypeConverters.toBoolean,
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            strictWeights=True,
        )

    def getNetwork(self) -> Sequential | Any:
        """Value of network, or its default."""
        return as_network(self.getOrDefault(self.network))

    def setNetwork(self, value: NetworkLike) -> Self:
        """The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (object of its builder, or
        its JSON document)
        """
        return self._set(network=value)

    def getInitialWeights(self) -> str:
        """Value of initialWeights, or its default."""
        return self.getOrDefault(self.initialWeights)

    def setInitialWeights(self, value: WeightsLike) -> Self:
        """Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's names
        on any file system that Hadoop reads, or its bytes. In Python also a state_dict, a module of
        PyTorch, or a trained model. Not set: random by the seed. (path, or the bytes of a file)
        """
        return self._set(initialWeights=value)

    def getStrictWeights(self) -> bool:
        """Value of strictWeights, or its default."""
        return self.getOrDefault(self.strictWeights)

    def setStrictWeights(self, value: bool) -> Self:
        """Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded,
        the rest starts random by the seed, and the summary says which. (true or false)
        """
        return self._set(strictWeights=value)

    def setLoss(self, value: LossLike) -> Self:
        """The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, its JSON
        document, or its name where nothing else is to be said. A NeuralEstimator also takes a loss for each
        output by its name. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network
        has one output), MSELoss for a regressor; a NeuralEstimator needs one. (object of its builder, or
        its JSON document)
        """
        return self._set(loss=value)
