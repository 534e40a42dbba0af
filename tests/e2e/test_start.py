"""How parameters start, the table of a network, and networks that an estimator cannot take."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from candlewick import nn
from candlewick.errors import InvalidParameterError

from .support import blobs, classifier


def test_parameters_start_as_the_rules_say(local3: SparkSession) -> None:
    data = blobs(local3).cache()
    net = nn.Sequential(nn.Linear(50), nn.ReLU(), nn.Linear(3))
    rules = {"0.weight": nn.init.orthogonal_(gain=2.0), "*.bias": nn.init.constant_(0.25)}
    fit = {
        trainers: classifier(network=net.with_init(rules), epochs=0, numTrainers=trainers).fit(data)
        for trainers in (1, 2)
    }
    assert fit[1].weightsHash == fit[2].weightsHash
    weights, plain = fit[1].weights(), classifier(network=net, epochs=0).fit(data).weights()
    first = weights["0.weight"]
    np.testing.assert_allclose(first.T @ first, 4 * np.eye(first.shape[1]), atol=1e-5)
    assert np.all(weights["0.bias"] == 0.25) and np.all(weights["2.bias"] == 0.25)
    np.testing.assert_array_equal(weights["2.weight"], plain["2.weight"])
    with pytest.raises(InvalidParameterError, match=r"init\[0\].*matches no parameter"):
        classifier(network=net.with_init({"7.*": nn.init.zeros_()})).fit(data)


def test_a_graph_has_a_table_too(local3: SparkSession) -> None:
    user, item = nn.Input("user", 8), nn.Input("item", [4])
    net = nn.Graph([user, item], {"score": nn.Linear(1)(nn.Concat()(user, item))})
    assert "13 parameters" in net.summary()
    assert "13 parameters" in net.with_init({"*": nn.init.zeros_()}).summary()


def test_a_classifier_reads_one_output(local3: SparkSession) -> None:
    features = nn.Input("features", 4)
    net = nn.Graph([features], {"x": nn.Linear(3)(features), "y": nn.Linear(2)(features)})
    with pytest.raises(InvalidParameterError, match="the network has the outputs x, y, but a classifier reads one"):
        classifier(network=net, epochs=1).fit(blobs(local3))


def test_a_state_dict_with_batch_norm_loads_strictly(local3: SparkSession) -> None:
    data = blobs(local3).cache()
    net = nn.Sequential(nn.Linear(5), nn.BatchNorm1d(), nn.Linear(3))
    model = classifier(network=net, epochs=1).fit(data)
    again = classifier(network=net, epochs=0, initialWeights=model.weights()).fit(data)
    assert again.weightsHash == model.weightsHash
