# Written by candlewick-codegen (`make generate`); do not edit.
"""What trainers exchange, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.ml.param import Param, Params, TypeConverters

from candlewick._convert import to_int, to_text
from candlewick._legal import Legal, Range, matches, one_of

if TYPE_CHECKING:
    from typing_extensions import Self


class ExchangeParams(Params):
    """Parameters of estimators, which their models know. What trainers exchange, and when."""

    gradientCompression: Param[str] = Param(
        Params._dummy(),
        "gradientCompression",
        'What gradients become before trainers exchange them; part of what decides the bits of the weights, on one trainer too. "none": they stay f32. "auto": before the first step the trainers try steps, and by what these and the measured links take they decide for the whole fit, losses, growth and checkpoints included, between none and bf16 (summary.compression says what and why); another number of trainers or another network may decide otherwise, so that the same bits on any number of trainers are given up. "bf16", "fp16": 16 bits a value, half of the bytes. "topk:0.01": the largest hundredth of the values of each parameter (any share); "1bit": signs and two means for 128 values; "powersgd:4": two factors of rank 4 (any rank) for each matrix. Of these three a logical shard adds what it did not send to its next gradient. Gradients that go by rows (Embedding, sparse features) are not compressed. ("none", "auto", "bf16", "fp16", "1bit", "topk:" and the share of the values that is sent, above 0 and at most 1, such as "topk:0.01", or "powersgd:" and a rank from 1 to 9999, such as "powersgd:4")',
        typeConverter=Legal(
            "gradientCompression",
            to_text,
            '"none", "auto", "bf16", "fp16", "1bit", "topk:" and the share of the values that is sent, above 0 and at most 1, such as "topk:0.01", or "powersgd:" and a rank from 1 to 9999, such as "powersgd:4"',
            matches("(?-i:none|auto|bf16|fp16|1bit|topk:(0?\\.[0-9]{0,8}[1-9]|1(\\.0)?)|powersgd:[1-9][0-9]{0,3})"),
        ),
    )

    localSteps: Param[int] = Param(
        Params._dummy(),
        "localSteps",
        "Steps that every logical shard makes by itself, with weights and a state of the optimiser of its own on its part of each batch, before all meet and exchange; they also meet at the end of an epoch and before an evaluation. Part of what decides the bits of the weights, on one trainer too. 1: every step is one of all together. (whole number from 1 to 4096)",
        typeConverter=Legal(
            "localSteps",
            to_int,
            "a whole number from 1 to 4096",
            Range(1, 4096),
        ),
    )

    outerLearningRate: Param[float] = Param(
        Params._dummy(),
        "outerLearningRate",
        "With localSteps above 1: learning rate of the step at a meeting, which takes the mean over the shards of (weights at the last meeting - weights now) as its gradient. 0.7 as in DiLoCo (arXiv 2311.08105); with 1 and outerMomentum 0 the shards go on with the mean of their weights (local SGD). (number above 0)",
        typeConverter=Legal(
            "outerLearningRate",
            TypeConverters.toFloat,
            "a finite number above 0",
            Range(above=0.0),
        ),
    )

    outerMomentum: Param[float] = Param(
        Params._dummy(),
        "outerMomentum",
        "With localSteps above 1: Nesterov momentum of the step at a meeting. 0.9 as in DiLoCo (arXiv 2311.08105). (number of at least 0 and below 1)",
        typeConverter=Legal(
            "outerMomentum",
            TypeConverters.toFloat,
            "a finite number of at least 0 and below 1",
            Range(0.0, below=1.0),
        ),
    )

    asynchrony: Param[str] = Param(
        Params._dummy(),
        "asynchrony",
        'Whether trainers compute while they exchange, or wait for each other at all; part of what decides the bits of the weights. "none": a step begins when the gradient of the one before is applied. "delayed": it is computed while that gradient is exchanged, with the weights from before it, so that each gradient is applied one step late, on one trainer too; at every 64th step of an epoch and at its end what is under way is waited for. "stale": every trainer applies its own updates at once and those of others as they come, and waits only where its weights would lack more than the last `staleness` steps of another; at every 64th step of an epoch, before an evaluation and at the end of an epoch all agree. The same bits, on other runs too, are given up for it; one trainer alone computes what it does with "none". ("none" or "delayed" or "stale")',
        typeConverter=Legal(
            "asynchrony",
            to_text,
            '"none" or "delayed" or "stale"',
            one_of("none", "delayed", "stale"),
        ),
    )

    staleness: Param[int] = Param(
        Params._dummy(),
        "staleness",
        'With asynchrony="stale": of how many last steps a trainer may lack the updates of others when it begins a step, so that none is further ahead. More of it waits less, and trains with older weights. (whole number from 1 to 64)',
        typeConverter=Legal(
            "staleness",
            to_int,
            "a whole number from 1 to 64",
            Range(1, 64),
        ),
    )

    deterministicReduction: Param[bool] = Param(
        Params._dummy(),
        "deterministicReduction",
        "Whether gradients are added up in one order, so that the weights have the same bits on any number of trainers. false: the order may follow from the trainers, where that is faster (a ring); another number of trainers, a recovery or another network may give other bits then, all trainers of a fit still have the same. (true or false)",
        typeConverter=TypeConverters.toBoolean,
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            gradientCompression="none",
            localSteps=1,
            outerLearningRate=0.7,
            outerMomentum=0.9,
            asynchrony="none",
            staleness=4,
            deterministicReduction=True,
        )

    def getGradientCompression(self) -> str:
        """Value of gradientCompression, or its default."""
        return self.getOrDefault(self.gradientCompression)

    def getLocalSteps(self) -> int:
        """Value of localSteps, or its default."""
        return self.getOrDefault(self.localSteps)

    def getOuterLearningRate(self) -> float:
        """Value of outerLearningRate, or its default."""
        return self.getOrDefault(self.outerLearningRate)

    def getOuterMomentum(self) -> float:
        """Value of outerMomentum, or its default."""
        return self.getOrDefault(self.outerMomentum)

    def getAsynchrony(self) -> str:
        """Value of asynchrony, or its default."""
        return self.getOrDefault(self.asynchrony)

    def getStaleness(self) -> int:
        """Value of staleness, or its default."""
        return self.getOrDefault(self.staleness)

    def getDeterministicReduction(self) -> bool:
        """Value of deterministicReduction, or its default."""
        return self.getOrDefault(self.deterministicReduction)


class ExchangeSetters(ExchangeParams):
    """What estimators have beyond their models. What trainers exchange, and when."""

    def setGradientCompression(self, value: str) -> Self:
        """What gradients become before trainers exchange them; part of what decides the bits of the
        weights, on one trainer too. "none": they stay f32. "auto": before the first step the trainers try
        steps, and by what these and the measured links take they decide for the whole fit, losses, growth
        and checkpoints included, between none and bf16 (summary.compression says what and why); another
        number of trainers or another network may decide otherwise, so that the same bits on any number of
        trainers are given up. "bf16", "fp16": 16 bits a value, half of the bytes. "topk:0.01": the largest
        hundredth of the values of each parameter (any share); "1bit": signs and two means for 128 values;
        "powersgd:4": two factors of rank 4 (any rank) for each matrix. Of these three a logical shard adds
        what it did not send to its next gradient. Gradients that go by rows (Embedding, sparse features)
        are not compressed. ("none", "auto", "bf16", "fp16", "1bit", "topk:" and the share of the values
        that is sent, above 0 and at most 1, such as "topk:0.01", or "powersgd:" and a rank from 1 to 9999,
        such as "powersgd:4")
        """
        return self._set(gradientCompression=value)

    def setLocalSteps(self, value: int) -> Self:
        """Steps that every logical shard makes by itself, with weights and a state of the optimiser of its
        own on its part of each batch, before all meet and exchange; they also meet at the end of an epoch
        and before an evaluation. Part of what decides the bits of the weights, on one trainer too. 1: every
        step is one of all together. (whole number from 1 to 4096)
        """
        return self._set(localSteps=value)

    def setOuterLearningRate(self, value: float) -> Self:
        """With localSteps above 1: learning rate of the step at a meeting, which takes the mean over the
        shards of (weights at the last meeting - weights now) as its gradient. 0.7 as in DiLoCo (arXiv
        2311.08105); with 1 and outerMomentum 0 the shards go on with the mean of their weights (local SGD).
        (number above 0)
        """
        return self._set(outerLearningRate=value)

    def setOuterMomentum(self, value: float) -> Self:
        """With localSteps above 1: Nesterov momentum of the step at a meeting. 0.9 as in DiLoCo (arXiv
        2311.08105). (number of at least 0 and below 1)
        """
        return self._set(outerMomentum=value)

    def setAsynchrony(self, value: str) -> Self:
        """Whether trainers compute while they exchange, or wait for each other at all; part of what decides
        the bits of the weights. "none": a step begins when the gradient of the one before is applied.
        "delayed": it is computed while that gradient is exchanged, with the weights from before it, so that
        each gradient is applied one step late, on one trainer too; at every 64th step of an epoch and at
        its end what is under way is waited for. "stale": every trainer applies its own updates at once and
        those of others as they come, and waits only where its weights would lack more than the last
        `staleness` steps of another; at every 64th step of an epoch, before an evaluation and at the end of
        an epoch all agree. The same bits, on other runs too, are given up for it; one trainer alone
        computes what it does with "none". ("none" or "delayed" or "stale")
        """
        return self._set(asynchrony=value)

    def setStaleness(self, value: int) -> Self:
        """With asynchrony="stale": of how many last steps a trainer may lack the updates of others when it
        begins a step, so that none is further ahead. More of it waits less, and trains with older weights.
        (whole number from 1 to 64)
        """
        return self._set(staleness=value)

    def setDeterministicReduction(self, value: bool) -> Self:
        """Whether gradients are added up in one order, so that the weights have the same bits on any number
        of trainers. false: the order may follow from the trainers, where that is faster (a ring); another
        number of trainers, a recovery or another network may give other bits then, all trainers of a fit
        still have the same. (true or false)
        """
        return self._set(deterministicReduction=value)
