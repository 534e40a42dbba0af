"""Checks candlewick-trainer-gpu on a machine that has a GPU and little else; tools/gpu-check.sh starts it (docs/gpu.md).

It needs Python 3.11 or newer with torch, numpy and pyarrow, and runs from the folder that `make gpu-pack` fills: no network, no
Rust, no Java, no Spark. It prints one table and writes it as JSON. Ends with status 0 where everything that ran was good.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import lzma
import os
import platform
import re
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import flight

HERE = Path(__file__).resolve().parent
CLASSES = 10
#: Steps whose losses are compared with PyTorch's, and how near they have to be: both compute in f32, in another order.
COMPARED, NEAR = 6, 2e-3
#: What products may be computed in beside f32, and how near to its losses those of whole epochs have to be.
PRECISIONS: dict[str, dict[str, Any]] = {
    "f32": {},
    "tf32": {"allowTF32": True},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
}
NEAR_F32 = 2e-2
#: Learning rates of those steps: a rate at which the loss falls.
RATES = {"mlp": 0.05, "cnn": 0.05, "lstm": 0.05, "transformer": 1e-4}
#: Steps of an epoch when time is measured.
STEPS = 10
#: How near outputs have to be, of the largest, and how often rows are scored when that is timed.
NEAR_OUTPUTS, SCORED = 1e-4, 10
#: How far outputs in bf16 may be from those in f32, of the largest.
NEAR_SHORT_OUTPUTS = 0.05

LINEAR, RELU, FLATTEN = {"type": "Linear", "out_features": CLASSES}, {"type": "ReLU"}, {"type": "Flatten"}


def wide(size: int) -> dict[str, Any]:
    """A linear layer."""
    return {"type": "Linear", "out_features": size}


def conv(channels: int) -> list[dict[str, Any]]:
    """A convolution of 3 x 3 with ReLU and pooling."""
    pool = {"type": "MaxPool2d", "kernel_size": 2}
    return [{"type": "Conv2d", "out_channels": channels, "kernel_size": 3}, RELU, pool]


ENCODER = {"type": "TransformerEncoderLayer", "nhead": 8, "dim_feedforward": 1024, "dropout": 0.0}
#: The four networks of benchmarks/, as benchmarks/torch_engine.py has them: layers, shape of a row, rows of a batch.
NETWORKS: dict[str, tuple[list[dict[str, Any]], list[int], int]] = {
    "mlp": ([wide(512), RELU, wide(256), RELU, LINEAR], [784], 256),
    "cnn": ([*conv(32), *conv(64), FLATTEN, wide(128), RELU, LINEAR], [1, 28, 28], 64),
    "lstm": ([{"type": "LSTM", "hidden_size": 128, "output": "last"}, LINEAR], [128, 64], 64),
    "transformer": ([ENCODER] * 4 + [FLATTEN, LINEAR], [128, 256], 16),
}


class CheckError(Exception):
    """A check failed; the message says how."""


@dataclass
class Row:
    """One line of the table."""

    check: str
    outcome: str
    detail: str
    seconds: float
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bench:
    """What is checked, where, and how much time is left."""

    device: str
    programs: Path
    threads: int
    repeats: int
    end: float
    rows: list[Row] = field(default_factory=list)

    @property
    def on_gpu(self) -> bool:
        """True where networks are computed on a GPU."""
        return self.device.startswith("cuda")

    @property
    def trainer(self) -> str:
        """The program under test."""
        # On the CPU either one trains: a pack made for GPUs can be rehearsed where there is none.
        for_gpus = self.programs / "candlewick-trainer-gpu"
        return str(for_gpus if self.on_gpu or for_gpus.is_file() else self.programs / "candlewick-trainer")

    @property
    def library(self) -> str:
        """The library that scores, or the one that rehearses it."""
        kind = "gpu" if self.on_gpu else "rehearsal"
        return str(self.programs / f"libcandlewick_score_{kind}.so")

    def left(self) -> float:
        """Seconds that are left."""
        return self.end - time.monotonic()

    def check(self, name: str, body: Callable[[], tuple[str, dict[str, Any]]]) -> None:
        """Runs one check and adds its line; nothing is begun when the time is over."""
        began = time.monotonic()
        if self.left() < 1:
            row = Row(name, "not run", "the time was over", 0.0)
        else:
            try:
                detail, numbers = body()
                row = Row(name, "ok", detail, time.monotonic() - began, numbers)
            except Exception as error:  # every fault belongs into the table, and the checks after it run
                text = str(error) or type(error).__name__
                row = Row(name, "FAILED", text.strip()[-1500:], time.monotonic() - began)
        self.rows.append(row)
        print(line(row), flush=True)


def line(row: Row) -> str:
    """A row as text; what is longer than a line follows below it."""
    first, *rest = row.detail.splitlines() or [""]
    return "\n".join(
        [f"{row.check:26} {row.outcome:8} {row.seconds:6.1f} s  {first}", *("    " + text for text in rest)]
    )


def output_of(command: list[str], seconds: float, **environment: str) -> str:
    """What a program prints; it must end well within the time, else it and what it started are killed."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        text, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        text, _ = child.communicate()
        raise CheckError(f"{Path(command[0]).name} did not end within {seconds:.0f} s:\n{text[-1200:]}") from None
    if child.returncode != 0:
        raise CheckError(f"{Path(command[0]).name} ended with {child.returncode}:\n{text[-1200:]}")
    return text


def tests(bench: Bench, program: str, arguments: list[str], seconds: float) -> tuple[str, dict[str, Any]]:
    """Runs a test program of Rust."""
    # candle's own device, not the CPU engine, stands in for a GPU in the tests of devices.
    device = bench.device if bench.on_gpu else "candle" if program == "device-tests" else "cpu"
    text = output_of(
        [str(bench.programs / program), *arguments],
        min(seconds, bench.left()),
        CANDLEWICK_TEST_DEVICE=device,
        CANDLEWICK_TEST_TRAINER=bench.trainer,
        CANDLEWICK_TEST_TRAINER_FAILPOINTS=str(bench.programs / "candlewick-trainer-failpoints"),
    )
    found = re.search(r"test result: ok\. (\d+) passed; 0 failed; (\d+) ignored", text)
    if found is None or int(found[1]) == 0:
        raise CheckError(f"{program} ran no test:\n{text[-1200:]}")
    return f"{found[1]} tests passed on {device}", {"passed": int(found[1])}


@contextmanager
def server(bench: Bench) -> Iterator[Trainer]:
    """A trainer process that serves on loopback."""
    token = secrets.token_hex(16)
    command = [bench.trainer, "serve", "--token-stdin", "--threads", str(bench.threads), "--device", bench.device]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdin is not None and process.stdout is not None
        try:
            # A trainer that ended before it read its token says why in its log.
            with suppress(BrokenPipeError):
                process.stdin.write(token + "\n")
                process.stdin.flush()
            first = process.stdout.readline()
            if "grpc://" not in first:
                process.wait(timeout=30)
                log.seek(0)
                raise CheckError(f"{Path(bench.trainer).name} did not start: {log.read()[-1200:]}")
            yield Trainer(first.split()[-1].replace("grpc://", "grpc+tcp://"), token)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Trainer:
    """The calls of docs/flight.md that a fit needs."""

    def __init__(self, address: str, token: str) -> None:
        self._client = flight.connect(address)
        self._options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])

    def act(self, name: str, **body: Any) -> list[bytes]:
        """The answers of an action."""
        action = flight.Action(name, json.dumps(body).encode() if body else b"")
        return [result.body.to_pybytes() for result in self._client.do_action(action, self._options)]

    def feed(self, features: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> None:
        """Sends rows."""
        flat = np.ascontiguousarray(features.reshape(len(features), -1))
        columns = {
            "features": pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1]),
            "label": pa.array(labels),
        }
        table = pa.table(columns)
        writer, reader = self._client.do_put(flight.FlightDescriptor.for_path("rows"), table.schema, self._options)
        with writer:
            writer.write_table(table, max_chunksize=64)
            writer.done_writing()
            total = json.loads(reader.read().to_pybytes())["total"]
        if total != len(features):
            raise CheckError(f"{len(features)} rows were sent and {total} are held")

    def train(self) -> list[dict[str, Any]]:
        """One record for each epoch."""
        return [json.loads(record) for record in self.act("train")]

    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """The weights by PyTorch's names, out of the safetensors file."""
        data = b"".join(self.act("weights.safetensors"))
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        found = {}
        for name, about in header.items():
            if name != "__metadata__":
                begin, end = about["data_offsets"]
                if about["dtype"] != "F32":
                    raise CheckError(f"{name} has the type {about['dtype']}, expected F32")
                part = np.frombuffer(data[8 + length + begin : 8 + length + end], np.dtype("<f4"))
                found[name] = part.reshape(about["shape"])
        return found

    def hash(self) -> str:
        """The hash of the trained weights."""
        return str(json.loads(self.act("status")[0])["weightsHash"])


def data(name: str, batches: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rows for that many batches, the same on every machine."""
    _, shape, rows = NETWORKS[name]
    random = np.random.default_rng(7)
    features = random.random((rows * batches, *shape), dtype=np.float32)
    return features, np.arange(rows * batches) % CLASSES


def request(name: str, epochs: int, **more: Any) -> dict[str, Any]:
    """The body of `configure`."""
    layers, shape, rows = NETWORKS[name]
    return {
        "task": "classifier",
        "inputShape": shape,
        "network": {"format": "candlewick.network/1", "layers": layers},
        "loss": {"type": "CrossEntropyLoss"},
        "batchSize": rows,
        "logicalShards": 1,
        "epochs": epochs,
        "seed": 7,
        **more,
    }


def torch_network(name: str, bench: Bench) -> tuple[Any, Any]:
    """PyTorch and the network of benchmarks/torch_engine.py, on the device."""
    sys.path[:0] = [str(HERE), str(HERE.parent / "benchmarks")]
    torch = importlib.import_module("torch")
    engine = importlib.import_module("torch_engine")
    torch.set_num_threads(bench.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    return torch, engine.workload(name)[0].to(bench.device)


def losses_of_both(bench: Bench, name: str) -> tuple[str, dict[str, Any]]:
    """Trains one batch for a few steps here and with PyTorch, from the same weights; the losses must be near."""
    features, labels = data(name, 1)
    optimizer = {"type": "SGD", "lr": RATES[name]}
    with server(bench) as trainer:
        trainer.act("configure", **request(name, 0, optimizer=optimizer))
        trainer.feed(features, labels)
        trainer.train()
        initial = trainer.weights()
        trainer.act("configure", **request(name, COMPARED, optimizer=optimizer))
        ours = [record["loss"] for record in trainer.train()]
    torch, network = torch_network(name, bench)
    inner = "lstm." if name == "lstm" else ""
    state = {
        key.replace("0.", f"0.{inner}", 1) if key.startswith("0.") else key: torch.tensor(value)
        for key, value in initial.items()
    }
    network.load_state_dict(state)
    x, y = torch.tensor(features, device=bench.device), torch.tensor(labels, device=bench.device)
    sgd = torch.optim.SGD(network.parameters(), lr=RATES[name])
    theirs = []
    for _ in range(COMPARED):
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), y)
        loss.backward()
        sgd.step()
        theirs.append(float(loss.detach()))
    worst = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True))
    if not ours[-1] < ours[0]:
        raise CheckError(f"the loss does not fall: {ours}")
    if not worst <= NEAR:
        raise CheckError(f"losses differ by {worst:.1e}, allowed are {NEAR:g}\nours    {ours}\nPyTorch {theirs}")
    detail = f"{COMPARED} losses within {worst:.1e} of PyTorch's, the last {ours[-1]:.5f}"
    return detail, {"ours": ours, "torch": theirs}


def times_of_both(bench: Bench, name: str) -> tuple[str, dict[str, Any]]:
    """Milliseconds of a step of AdamW: ours with its rows from the host's memory, PyTorch's with its rows on the device."""
    features, labels = data(name, STEPS)
    with server(bench) as trainer:
        trainer.act("configure", **request(name, 1 + bench.repeats, optimizer={"type": "AdamW"}))
        trainer.feed(features, labels)
        records = trainer.train()
    ours = [record["seconds"] * 1e3 / STEPS for record in records[1:]]
    torch, network = torch_network(name, bench)
    rows = NETWORKS[name][2]
    x = torch.tensor(features[:rows], device=bench.device)
    y = torch.tensor(labels[:rows], device=bench.device)
    adam = torch.optim.AdamW(network.parameters(), fused=True)
    theirs = []
    for _ in range(1 + bench.repeats):
        began = time.perf_counter()
        for _ in range(STEPS):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(network(x), y).backward()
            adam.step()
        if bench.on_gpu:
            torch.cuda.synchronize()
        theirs.append((time.perf_counter() - began) * 1e3 / STEPS)
    mine, other = statistics.median(ours), statistics.median(theirs[1:])
    detail = f"{mine:.2f} ms a step, PyTorch {other:.2f} ms, ratio {mine / other:.2f}"
    return detail, {"ours_ms": ours, "torch_ms": theirs[1:], "ratio": mine / other}


def precisions(bench: Bench, name: str) -> tuple[str, dict[str, Any]]:
    """The same epochs in every precision: losses near those of f32; milliseconds of a step are told."""
    features, labels = data(name, STEPS)
    found: dict[str, dict[str, list[float]]] = {}
    for what, more in PRECISIONS.items():
        if what == "fp16" and not bench.on_gpu:
            continue
        with server(bench) as trainer:
            optimizer = {"type": "SGD", "lr": RATES[name]}
            trainer.act("configure", **request(name, 1 + bench.repeats, optimizer=optimizer, **more))
            trainer.feed(features, labels)
            records = trainer.train()
        losses = [record["loss"] for record in records]
        found[what] = {"losses": losses, "ms": [record["seconds"] * 1e3 / STEPS for record in records[1:]]}
    exact = found["f32"]["losses"]
    for what, one in found.items():
        worst = max(abs(a - b) / abs(b) for a, b in zip(one["losses"], exact, strict=True))
        if not worst <= NEAR_F32:
            raise CheckError(f"losses in {what} differ by {worst:.1e} from f32, allowed are {NEAR_F32:g}\n{found}")
    times = ", ".join(f"{what} {statistics.median(one['ms']):.2f}" for what, one in found.items())
    return f"ms a step: {times}", found


class Batch(ctypes.Structure):
    """Rows for the library: protocol/src/score_abi.rs."""

    _fields_ = (
        ("rows", ctypes.c_size_t),
        ("features", ctypes.c_void_p),
        ("features_len", ctypes.c_size_t),
        ("asked", ctypes.c_char_p),
        ("asked_len", ctypes.c_size_t),
        ("outputs", ctypes.c_void_p),
        ("outputs_len", ctypes.c_size_t),
        ("inner_outputs", ctypes.c_void_p),
        ("inner_outputs_len", ctypes.c_size_t),
    )


class Scorer:
    """A model in the library, on the first GPU."""

    def __init__(self, path: str, name: str, weights: np.ndarray[Any, Any]) -> None:
        self._library = ctypes.CDLL(path)
        self._library.candlewick_score_last_error.restype = ctypes.c_size_t
        self._library.candlewick_score_close.restype = None
        layers, shape, _ = NETWORKS[name]
        network = {"format": "candlewick.network/1", "layers": layers}
        text = json.dumps({"network": network, "inputShape": shape, "address": "0"}).encode()
        self._model = ctypes.c_void_p()
        flat = weights.ctypes.data_as(ctypes.c_void_p)
        count = ctypes.c_size_t(weights.size)
        size = ctypes.c_size_t(len(text))
        self._done(self._library.candlewick_score_open(text, size, flat, count, ctypes.byref(self._model)))

    def _done(self, answer: int) -> None:
        if answer != 0:
            room = ctypes.create_string_buffer(1 << 16)
            self._library.candlewick_score_last_error(room, ctypes.c_size_t(len(room) - 1))
            raise CheckError(f"the library failed: {room.value.decode()}")

    def score(self, features: np.ndarray[Any, Any], precision: str = "f32") -> np.ndarray[Any, Any]:
        """The outputs of rows."""
        asked = json.dumps({"precision": precision}).encode()
        outputs = np.empty((len(features), CLASSES), dtype=np.float32)
        there = (features.ctypes.data, features.size, asked, len(asked), outputs.ctypes.data, outputs.size, None, 0)
        self._done(self._library.candlewick_score_run(self._model, ctypes.byref(Batch(len(features), *there))))
        return outputs

    def close(self) -> None:
        """Takes the model from the GPU."""
        self._library.candlewick_score_close(self._model)


#: Parts of an encoder layer in the order in which they compute, which ours has: PyTorch's has the norms last.
ENCODER_PARTS = ("self_attn", "norm1", "linear1", "linear2", "norm2")


def computed(state: dict[str, Any]) -> list[Any]:
    """The parameters of a network of PyTorch in the order of ours."""
    layers = list(dict.fromkeys(key.split(".")[0] for key in state))

    def place(key: str) -> tuple[int, int]:
        layer, part = key.split(".")[:2]
        return layers.index(layer), ENCODER_PARTS.index(part) if part in ENCODER_PARTS else 0

    return [state[key] for key in sorted(state, key=place)]


def scores_of_both(bench: Bench, name: str) -> tuple[str, dict[str, Any]]:
    """Scores one batch with the library and with PyTorch, by the same weights; the outputs must be near."""
    torch, network = torch_network(name, bench)
    network.eval()
    state = [value.detach().cpu().numpy().ravel() for value in computed(network.state_dict())]
    weights = np.ascontiguousarray(np.concatenate(state), dtype=np.float32)
    features, _ = data(name, 1)
    features = np.ascontiguousarray(features)
    x = torch.tensor(features, device=bench.device)
    times: list[list[float]] = [[], [], []]
    scorer = Scorer(bench.library, name, weights)
    try:
        with torch.no_grad():
            for _ in range(1 + SCORED):
                began = time.perf_counter()
                ours = scorer.score(features)
                between = time.perf_counter()
                theirs = network(x).cpu().numpy()
                after = time.perf_counter()
                short = scorer.score(features, "bf16")
                times[0].append((between - began) * 1e3)
                times[1].append((after - between) * 1e3)
                times[2].append((time.perf_counter() - after) * 1e3)
    finally:
        scorer.close()
    far = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if not far <= NEAR_OUTPUTS:
        raise CheckError(f"outputs differ by {far:.1e} of the largest, allowed are {NEAR_OUTPUTS:g}")
    rounded = float(np.abs(short - ours).max() / np.abs(ours).max())
    if not 0 < rounded <= NEAR_SHORT_OUTPUTS:
        raise CheckError(
            f"outputs in bf16 differ by {rounded:.1e} of the largest, allowed are {NEAR_SHORT_OUTPUTS:g}, and 0 is f32's"
        )
    mine, other, in_bf16 = (statistics.median(one[1:]) for one in times)
    detail = (
        f"{len(features)} rows within {far:.1e} of PyTorch's; {mine:.2f} ms, bf16 {in_bf16:.2f}, PyTorch {other:.2f} ms"
    )
    found = {"far": far, "rounded": rounded, "ours_ms": times[0][1:], "torch_ms": times[1][1:], "bf16_ms": times[2][1:]}
    return detail, found


def same_bits(bench: Bench, name: str) -> tuple[str, dict[str, Any]]:
    """A process of four threads and one of one train with dropout, 200 steps; the hashes of their weights must be equal."""
    layers, shape, _ = NETWORKS[name]
    features, labels = data(name, 4)
    network = {"format": "candlewick.network/1", "layers": [*layers[:-1], {"type": "Dropout", "p": 0.2}, layers[-1]]}
    hashes = []
    for threads in (4, 1):
        with server(replace(bench, threads=threads)) as trainer:
            trainer.act("configure", **request(name, 50, network=network, optimizer={"type": "AdamW"}, logicalShards=4))
            trainer.feed(features, labels)
            trainer.train()
            hashes.append(trainer.hash())
    if hashes[0] != hashes[1]:
        raise CheckError(f"four threads and one gave other weights: {hashes[0]} and {hashes[1]}")
    return f"four threads and one, {name} {shape}: {hashes[0]}", {"hash": hashes[0]}


def machine(bench: Bench) -> dict[str, Any]:
    """Where this ran."""
    about: dict[str, Any] = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), "device": bench.device}
    about["versions"] = {"python": platform.python_version(), "numpy": np.__version__, "pyarrow": pa.__version__}
    with suppress(ImportError):
        about["versions"]["torch"] = importlib.import_module("torch").__version__
    about["trainer"] = output_of([bench.trainer, "--version"], 60).strip()
    if bench.on_gpu:
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        with suppress(OSError, CheckError):
            about["gpu"] = output_of(query, 60).strip()
        about.setdefault("gpu", "unknown: nvidia-smi gave no answer")
    else:
        about["gpu"] = "none: networks were computed on the CPU"
    return about


def unpack(packed: Path, into: Path) -> None:
    """Writes the programs of the pack, which are compressed, into a folder."""
    for path in sorted(packed.glob("*.xz")):
        program = into / path.stem
        program.write_bytes(lzma.decompress(path.read_bytes()))
        program.chmod(0o755)
    if not any(into.iterdir()):
        raise SystemExit(f"gpu-check: {packed} holds no programs: fill it with `make gpu-pack`")


def require_trainer(bench: Bench) -> None:
    """Ends the check where the pack was made for another device."""
    if not Path(bench.trainer).is_file():
        raise SystemExit(
            f"gpu-check: the pack has no {Path(bench.trainer).name}: fill it with `make gpu-pack`, or use --device cpu"
        )


def main() -> int:
    """Runs all checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0", help="cuda:0, or cpu for a rehearsal without a GPU")
    parser.add_argument("--pack", type=Path, default=HERE, help="the folder that `make gpu-pack` filled")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"), help="where the table goes as JSON")
    parser.add_argument("--budget", type=float, default=460, help="seconds after which no check is begun")
    parser.add_argument("--repeats", type=int, default=5, help="timed epochs of each network")
    parser.add_argument("--threads", type=int, default=2, help="threads of the host")
    parser.add_argument("--only", default="", help="checks whose name has this word")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="candlewick-gpu-") as folder:
        unpack(given.pack, Path(folder))
        end = time.monotonic() + given.budget
        bench = Bench(given.device, Path(folder), given.threads, given.repeats, end)
        require_trainer(bench)
        about = machine(bench)
        print(json.dumps(about), flush=True)
        checks: dict[str, Callable[[], tuple[str, dict[str, Any]]]] = {}
        for name in NETWORKS:
            checks[f"losses of {name}"] = partial(losses_of_both, bench, name)
            checks[f"scores of {name}"] = partial(scores_of_both, bench, name)
        checks["same bits, mlp"] = partial(same_bits, bench, "mlp")
        checks["same bits, cnn"] = partial(same_bits, bench, "cnn")
        for name in NETWORKS:
            checks[f"time of {name}"] = partial(times_of_both, bench, name)
        for name in ("mlp", "transformer"):
            checks[f"precisions of {name}"] = partial(precisions, bench, name)
        # The long ones last: they may take what is left.
        gangs = ["--test-threads", "2", "--skip", "resident_memory"]
        checks["gangs of 1 to 3 trainers"] = partial(tests, bench, "gang-tests", gangs, 180)
        checks["tests of devices"] = partial(tests, bench, "device-tests", ["device"], 240)
        for name, body in checks.items():
            if given.only in name:
                bench.check(name, body)
    bad = [row.check for row in bench.rows if row.outcome != "ok"]
    given.out.write_text(json.dumps({**about, "rows": [asdict(row) for row in bench.rows]}, indent=1) + "\n")
    print(
        f"{len(bench.rows) - len(bad)} of {len(bench.rows)} checks are good; {given.out}"
        + (f"; bad: {bad}" if bad else "")
    )
    return 1 if bad or not bench.rows else 0


if __name__ == "__main__":
    sys.exit(main())
