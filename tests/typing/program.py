"""What a user writes, once through the whole interface: type checkers have to be content with it. It is not run."""

import pandas as pd
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.linalg import Vector, Vectors
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame

import candlewick
from candlewick import NeuralClassificationModel, NeuralClassifier, NeuralRegressor, nn, optim
from candlewick.callbacks import MLflowCallback, TensorBoardCallback

spark = candlewick.session()
train: DataFrame = spark.read.parquet("train")
row: Vector = Vectors.dense([1.0, 2.0])

net = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256), nn.Linear(256, 10))
clf = NeuralClassifier(
    network=net,
    featuresCol="features",
    inputShape=[1, 28, 28],
    optimizer=optim.AdamW(lr=1e-3),
    lrScheduler=optim.lr_scheduler.StepLR(step_size=3),
    classWeight="balanced",
    metrics=["accuracy"],
    seed=7,
)
clf = clf.setEpochs(3).setLearningRate(1e-3)
clf = clf.setCallbacks([MLflowCallback(), TensorBoardCallback("logs"), lambda epoch: epoch.loss < 0.01])

model = clf.fit(train)
scored: DataFrame = model.setOutputCols({"1": "inner"}).transform(train)
label: float = model.predict(row)
probability: Vector = model.predictProbability([1.0, 2.0])
area: float = model.evaluate(train)["roc_auc"]
losses: list[float] = [loss for loss in model.summary.history_dict["val_loss"] if loss is not None]
table: pd.DataFrame = model.summary.to_pandas()
model.summary.plot()

trained = model.network
longer = nn.Sequential(*trained[:-1], nn.Linear(5))
again = nn.from_json(longer.to_json())
print(longer[0], len(again), again + nn.Sequential(nn.ReLU()))

model.write().overwrite().save("model")
loaded: NeuralClassificationModel = NeuralClassificationModel.load("model")
candlewick.register(spark, "digits", loaded)

grid = ParamGridBuilder().addGrid(clf.learningRate, [1e-3, 3e-3]).addGrid(clf.network, [net, longer]).build()
search = CrossValidator(estimator=clf, estimatorParamMaps=grid, evaluator=MulticlassClassificationEvaluator())
best = search.fit(train).bestModel

age, city = nn.Input("age"), nn.Input("city")
both = nn.Concat()(age, nn.Flatten()(nn.Embedding(7, 3)(city)))
graph = nn.Graph([age, city], [nn.Linear(1)(both)])
price = NeuralRegressor(network=graph, loss=nn.HuberLoss(delta=2.0), featuresCols=["age", "city"]).fit(train)
chain = Pipeline(stages=[clf, price]).fit(train)
