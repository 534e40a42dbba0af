"""Pictures, texts, streams and validation rows: the code of the user guide runs, and does what the guide says."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import NeuralClassificationModel, NeuralClassifier, nn
from candlewick.errors import InvalidDataError, InvalidParameterError
from tools import dist

from .support import blobs, small_net

SIDE = 32


def code(title: str) -> list[str]:
    """The blocks of Python of a section of the guide."""
    guide = (dist.ROOT / "docs" / "user-guide.md").read_text()
    found = re.search(rf"^### {title}\n(.*?)^##", guide, re.DOTALL | re.MULTILINE)
    assert found, f"the user guide has no section {title}"
    return re.findall(r"^```python\n(.*?)^```", found[1], re.DOTALL | re.MULTILINE)


def run(block: str, names: dict[str, Any]) -> dict[str, Any]:
    """Runs a block as a script would; `names` are those that it finds and those that it makes."""
    names["__name__"] = "__main__"
    exec(compile(block, "user-guide.md", "exec", dont_inherit=True), names)
    return names


def png(height: int, width: int, pixels: bytes, channels: int = 3) -> bytes:
    """A PNG file of 8 bits for each channel."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour = {1: 0, 3: 2, 4: 6}[channels]
    row = width * channels
    lines = b"".join(b"\0" + pixels[at : at + row] for at in range(0, height * row, row))
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(lines)) + part(b"IEND", b"")
    )  # fmt: skip


def red_or_blue(kind: int, number: int, height: int = SIDE, width: int = SIDE) -> bytes:
    """Red, green, blue of each pixel: mostly red or mostly blue, and no two pictures alike."""
    rng = np.random.default_rng(1000 * kind + number)
    pixels = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    pixels[..., 2 * kind] += 150
    return pixels.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty pictures of either kind, and what else lies in such folders."""
    made = tmp_path / "pictures"
    for kind, name in enumerate(("red", "blue")):
        (made / name).mkdir(parents=True)
        for number in range(20):
            (made / name / f"{number}.png").write_bytes(png(SIDE, SIDE, red_or_blue(kind, number)))
    (made / "red" / "high.png").write_bytes(png(64, 16, red_or_blue(0, 99, 64, 16)))
    (made / "red" / "grey.png").write_bytes(png(SIDE, SIDE, bytes(SIDE * SIDE), channels=1))
    (made / "blue" / "clear.png").write_bytes(png(SIDE, SIDE, bytes([9, 9, 200, 7]) * SIDE * SIDE, channels=4))
    (made / "blue" / "broken.png").write_bytes(b"no picture")
    return made


def test_pictures(local2: SparkSession, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block, _ = code("Pictures")
    names = run(block, {"spark": local2, "folder": str(folder)})
    shown = capsys.readouterr().out
    assert shown.count("|    32|   32|") == 3 and "|    64|   16|" in shown and "-1" not in shown
    train, model = names["train"], names["model"]
    assert {row.kind: row["count"] for row in train.groupBy("kind").count().collect()} == {"red": 20, "blue": 20}
    # Blue first, row after row.
    first = train.where("kind = 'red'").orderBy("pixels").first()
    given = sorted(np.frombuffer(red_or_blue(0, at), np.uint8).reshape(-1, 3)[:, ::-1].tobytes() for at in range(20))
    assert bytes(first.pixels) == given[0]
    assert model.evaluate(train)["accuracy"] == 1.0
    # With a network that saw red first: the channels of its first convolution the other way round.
    weights = model.weights()
    seen = {**weights, "1.weight": np.ascontiguousarray(weights["1.weight"][:, ::-1])}
    red_first = F.udf(lambda data: np.frombuffer(data, np.uint8).reshape(-1, 3)[:, ::-1].tobytes(), "binary")
    other = NeuralClassifier(
        network=model.network, featuresCol="pixels", inputShape=[SIDE, SIDE, 3], scale=1 / 255, epochs=0,
        initialWeights=seen, predictionCol="again", probabilityCol="", rawPredictionCol="raw",
    ).fit(train)  # fmt: skip
    ours = [row.rawPrediction.toArray() for row in model.transform(train).orderBy("pixels").collect()]
    turned = other.transform(train.withColumn("kept", F.col("pixels")).withColumn("pixels", red_first("pixels")))
    theirs = [row.raw.toArray() for row in turned.orderBy("kept").collect()]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_pictures_that_are_made_equally_large(local2: SparkSession, folder: Path, tmp_path: Path) -> None:
    (folder / "blue" / "broken.png").unlink()
    first, second = code("Pictures")
    names = run("from pyspark.sql import functions as F\n", {"spark": local2, "folder": str(folder)})
    run(second, {**names, "path": str(tmp_path / "resized")})
    rows = local2.read.parquet(str(tmp_path / "resized")).collect()
    assert len(rows) == 43 and {len(row.pixels) for row in rows} == {SIDE * SIDE * 3}
    # Red first.
    assert bytes(red_or_blue(0, 5)) in {bytes(row.pixels) for row in rows if row.kind == "red"}
    assert "binaryFile" not in first


def test_what_a_picture_is_told_that_does_not_fit(local2: SparkSession, folder: Path) -> None:
    files = local2.read.format("image").load(f"{folder}/*").withColumn("label", F.lit(0)).coalesce(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(2))
    with pytest.raises(InvalidParameterError, match=r"column 'image' is struct<origin:string,.*; expected a Vector"):
        NeuralClassifier(network=net, featuresCol="image").fit(files)
    with pytest.raises(InvalidParameterError, match=r"a field of a struct has to be a column of its own: select col"):
        NeuralClassifier(network=net, featuresCol="image.data").fit(files)
    pixels = files.select(F.col("image.data").alias("pixels"), "label")
    with pytest.raises(InvalidDataError, match=r"column 'pixels' has \d+ values, expected 3072"):
        NeuralClassifier(network=net, featuresCol="pixels", inputShape=[SIDE, SIDE, 3]).fit(pixels)


def texts(spark: SparkSession) -> DataFrame:
    """Sixty texts of many lengths, one of them empty, in two languages."""
    rows = [("", "english")]
    for i in range(30):
        rows.append((("the quick brown fox, number " * (1 + i % 3)) + f"n{i}", "english"))
        rows.append((("schöne Füße; größer als " * (1 + i % 4)) + f"n{i}", "german"))
    return spark.createDataFrame(rows, ["text", "kind"]).coalesce(2).cache()


def test_texts(local2: SparkSession, tmp_path: Path) -> None:
    data = texts(local2)
    bag, sequence, vocabulary, stage = code("Texts")
    names = run(bag, {"spark": local2, "texts": data})
    scored = names["model"].transform(data)
    assert scored.where("prediction <> label").count() <= 1  # the empty one may be either
    assert "füße" in scored.where("kind = 'german'").first().words
    names["model"].write().save(str(tmp_path / "pipeline"))

    run(sequence, names)
    train, model = names["train"], names["model"]
    lengths = train.select(F.size("ids").alias("size"), F.array_position("ids", 0).alias("filled")).distinct().collect()
    assert {row.size for row in lengths} == {50} and len({row.filled for row in lengths}) > 3
    assert model.transform(train).where("prediction <> label").count() <= 1
    # What is filled up does not count: twenty more of it change nothing.
    assert max(row.filled for row in lengths) < 40
    longer = run(
        sequence.replace("length, table = 50,", "length, table = 70,").replace("epochs=10", "epochs=0"), dict(names)
    )
    initial = {"initialWeights": model.weights(), "epochs": 0}
    wide = NeuralClassifier(network=longer["model"].network, **initial).fit(longer["train"])
    both = [
        [row.rawPrediction[0] for row in m.transform(df).collect()]
        for m, df in ((model, train), (wide, longer["train"]))
    ]
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)

    names = run(vocabulary, names)
    known = names["words"].select(names["ids"].alias("ids")).collect()
    assert {number for row in known for number in row.ids} == set(range(1, len(names["vocabulary"]) + 1))
    assert min(len(row.ids) for row in known) == 0

    names = run(stage, names)
    again = names["stage"].transform(names["words"]).select("ids").collect()
    assert [row.ids for row in again] == [row.ids for row in train.select("ids").collect()]


def test_texts_that_are_not_filled_up(local2: SparkSession) -> None:
    rows = [([1, 2, 3], 0.0), ([1, 2], 1.0)]
    ragged = local2.createDataFrame(rows, "ids array<int>, label double").coalesce(1)
    net = nn.Sequential(nn.EmbeddingBag(5, 4), nn.Linear(2))
    with pytest.raises(InvalidDataError, match=r"column 'ids' has 2 values, expected 3"):
        NeuralClassifier(network=net, featuresCol="ids").fit(ragged)


def test_a_validation_dataframe(local2: SparkSession) -> None:
    train, validation = blobs(local2, rows=300), blobs(local2, rows=400).subtract(blobs(local2, rows=300))
    (block,) = code("A validation DataFrame")
    names = run(block, {"train": train, "validation": validation, "net": small_net()})
    summary = names["model"].summary
    assert (summary.ledger["validationRows"], summary.history[0]["rows"]) == (validation.count(), 300)
    best = summary.history[summary.bestEpoch]
    assert best["val_accuracy"] == names["model"].evaluate(validation)["accuracy"]


def test_training_on_a_stream(local2: SparkSession, tmp_path: Path) -> None:
    start, *parts = blobs(local2, rows=400).randomSplit([1.0] * 4, seed=3)
    for part in parts:
        part.coalesce(1).write.mode("append").parquet(str(tmp_path / "source"))
    stream = local2.readStream.schema(start.schema).option("maxFilesPerTrigger", 1).parquet(str(tmp_path / "source"))
    models = tmp_path / "models"
    given = {"net": small_net(), "history": start, "stream": stream, "models": str(models)}
    (block,) = code("Training on a stream")
    block = block.replace('processingTime="10 minutes"', "availableNow=True")
    names = run(block, {**given, "checkpoints": str(tmp_path / "checkpoints")})
    assert names["query"].awaitTermination(120) and names["query"].exception() is None

    def weights(number: int) -> str:
        return NeuralClassificationModel.load(str(models / str(number))).weightsHash

    hashes = [weights(number) for number in range(4)]
    assert len(set(hashes)) == 4 and not (models / "4").exists()
    # A batch that comes a second time, in another order, leaves the same model; one without rows leaves it as it is.
    (written,) = {
        part
        for part in range(3)
        if names["clf"].setInitialModel(NeuralClassificationModel.load(str(models / "0"))).fit(parts[part]).weightsHash
        == hashes[1]
    }
    names["learn"](parts[written].repartition(3), 0)
    assert weights(1) == hashes[1]
    # The query of another day goes on with the next number.
    parts[0].coalesce(1).write.mode("append").parquet(str(tmp_path / "source"))
    assert run(block.splitlines()[-1], names)["query"].awaitTermination(120)
    assert weights(4) not in hashes and weights(3) == hashes[3] and not (models / "5").exists()
    names["learn"](start.where("label > 100"), 4)
    assert weights(5) == weights(4)
