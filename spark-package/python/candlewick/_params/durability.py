# Written by candlewick-codegen (`make generate`); do not edit.
"""Checkpoints of the training, and models that it goes on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.ml.param import Param, Params, TypeConverters

from candlewick._convert import to_int, to_text
from candlewick._legal import Legal, Range

if TYPE_CHECKING:
    from typing_extensions import Self


class DurabilityParams(Params):
    """Parameters of estimators, which their models know. Checkpoints of the training, and models that it goes on from."""

    checkpointDir: Param[str] = Param(
        Params._dummy(),
        "checkpointDir",
        "Folder on any Hadoop filesystem for checkpoints of the training. A fit of the same data and parameters (others than epochs, trainers and timeouts) goes on from the newest one there, with the bits of a fit that nobody ended. Not set: no checkpoints. (text)",
        typeConverter=to_text,
    )

    checkpointInterval: Param[int] = Param(
        Params._dummy(),
        "checkpointInterval",
        "Epochs between checkpoints, where checkpointDir is set. -1: none at the end of epochs but the last one. (whole number of at least 1, or -1)",
        typeConverter=Legal(
            "checkpointInterval",
            to_int,
            "a whole number of at least 1, or -1",
            Range(1, 2147483647, also=-1),
        ),
    )

    checkpointSteps: Param[int] = Param(
        Params._dummy(),
        "checkpointSteps",
        "Steps between checkpoints, where checkpointDir is set, beside those of checkpointInterval. Not set: none within epochs. (whole number of at least 1)",
        typeConverter=Legal(
            "checkpointSteps",
            to_int,
            "a whole number of at least 1",
            Range(1, 2147483647),
        ),
    )

    keepCheckpoints: Param[int] = Param(
        Params._dummy(),
        "keepCheckpoints",
        "The newest checkpoints that are kept; older ones are deleted. With one there is none to go back to where it is damaged. (whole number of at least 1)",
        typeConverter=Legal(
            "keepCheckpoints",
            to_int,
            "a whole number of at least 1",
            Range(1, 2147483647),
        ),
    )

    saveOptimizer: Param[bool] = Param(
        Params._dummy(),
        "saveOptimizer",
        "Whether the model keeps the state that the training ended with, that of the optimiser too, so that a later fit can go on from it (resumeOptimizer). Saving the model writes it into the folder optimizer/. It has the size of the weights and of all that the optimiser keeps beside them: three times the weights with Adam. (true or false)",
        typeConverter=TypeConverters.toBoolean,
    )

    resumeOptimizer: Param[bool] = Param(
        Params._dummy(),
        "resumeOptimizer",
        "Whether training goes on where that of the initial model (setInitialModel) ended, with its optimiser, schedule and history, and not from its weights with a new optimiser. The model must have been fitted with saveOptimizer=true, from the same rows and parameters. epochs counts from the beginning: a model of 3 epochs and then epochs=6 give the bits of 6 epochs at once. (true or false)",
        typeConverter=TypeConverters.toBoolean,
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            checkpointInterval=1,
            keepCheckpoints=2,
            saveOptimizer=False,
            resumeOptimizer=False,
        )

    def getCheckpointDir(self) -> str:
        """Value of checkpointDir, or its default."""
        return self.getOrDefault(self.checkpointDir)

    def getCheckpointInterval(self) -> int:
        """Value of checkpointInterval, or its default."""
        return self.getOrDefault(self.checkpointInterval)

    def getCheckpointSteps(self) -> int:
        """Value of checkpointSteps, or its default."""
        return self.getOrDefault(self.checkpointSteps)

    def getKeepCheckpoints(self) -> int:
        """Value of keepCheckpoints, or its default."""
        return self.getOrDefault(self.keepCheckpoints)

    def getSaveOptimizer(self) -> bool:
        """Value of saveOptimizer, or its default."""
        return self.getOrDefault(self.saveOptimizer)

    def getResumeOptimizer(self) -> bool:
        """Value of resumeOptimizer, or its default."""
        return self.getOrDefault(self.resumeOptimizer)


class DurabilitySetters(DurabilityParams):
    """What estimators have beyond their models. Checkpoints of the training, and models that it goes on from."""

    def setCheckpointDir(self, value: str) -> Self:
        """Folder on any Hadoop filesystem for checkpoints of the training. A fit of the same data and
        parameters (others than epochs, trainers and timeouts) goes on from the newest one there, with the
        bits of a fit that nobody ended. Not set: no checkpoints. (text)
        """
        return self._set(checkpointDir=value)

    def setCheckpointInterval(self, value: int) -> Self:
        """Epochs between checkpoints, where checkpointDir is set. -1: none at the end of epochs but the
        last one. (whole number of at least 1, or -1)
        """
        return self._set(checkpointInterval=value)

    def setCheckpointSteps(self, value: int) -> Self:
        """Steps between checkpoints, where checkpointDir is set, beside those of checkpointInterval. Not
        set: none within epochs. (whole number of at least 1)
        """
        return self._set(checkpointSteps=value)

    def setKeepCheckpoints(self, value: int) -> Self:
        """The newest checkpoints that are kept; older ones are deleted. With one there is none to go back
        to where it is damaged. (whole number of at least 1)
        """
        return self._set(keepCheckpoints=value)

    def setSaveOptimizer(self, value: bool) -> Self:
        """Whether the model keeps the state that the training ended with, that of the optimiser too, so
        that a later fit can go on from it (resumeOptimizer). Saving the model writes it into the folder
        optimizer/. It has the size of the weights and of all that the optimiser keeps beside them: three
        times the weights with Adam. (true or false)
        """
        return self._set(saveOptimizer=value)

    def setResumeOptimizer(self, value: bool) -> Self:
        """Whether training goes on where that of the initial model (setInitialModel) ended, with its
        optimiser, schedule and history, and not from its weights with a new optimiser. The model must have
        been fitted with saveOptimizer=true, from the same rows and parameters. epochs counts from the
        beginning: a model of 3 epochs and then epochs=6 give the bits of 6 epochs at once. (true or false)
        """
        return self._set(resumeOptimizer=value)
