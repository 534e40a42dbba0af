"""The model of the allreduce next to real trainers on slow networks, and drawn on: ``make bench-scaling``, as root.

Every host is a network namespace of its own with one wire to a switch, of a bandwidth that is set (tbf). This kernel cannot delay packets
(it has no netem), so where a delay is set a program passes all bytes on that much later. Trainers measure their links when they connect, as
in a fit, and the model with those numbers is compared with what allreduces take. ``--again FILE`` draws an earlier run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: Bytes, and how often.
SIZES = [(10_000, 21), (1_000_000, 5), (4_000_000, 3)]
ALGORITHMS = ["direct", "two-level", "halving", "host-halving", "ring"]


@dataclass(frozen=True)
class Network:
    """Trainers of each host, and the wires between hosts."""

    hosts: list[int]
    delay_ms: float = 0.0
    #: Logical shards.
    shards: int = 8
    #: Slow, since all trainers and the kernel's part of the switch run on the cores of one machine.
    mbit: int = 50

    @property
    def name(self) -> str:
        """For people."""
        each = " + ".join(str(count) for count in self.hosts)
        return f"{each} at {self.mbit} Mbit/s" + (f", {self.delay_ms:g} ms" if self.delay_ms else "")


NETWORKS = [
    *(Network([1] * ranks) for ranks in (2, 3, 4, 8)),
    *(Network([1] * ranks, 2.0) for ranks in (2, 3, 4, 8)),
    Network([2, 2]),
    Network([4, 4]),
    Network([2, 2, 2, 2]),
    Network([2] * 6, shards=16),
]

#: Parameters of networks, to draw.
MODELS = {"MLP, 0.5 M": 535_818, "ResNet-50, 25.6 M": 25_557_032, "BERT base, 110 M": 109_482_240}
PER_HOST = 8
DRAWN = [8, 16, 32, 64, 128, 256, 512, 1024]


@dataclass
class Found:
    """What one network gave."""

    network: dict[str, Any]
    speeds: dict[str, Any]
    #: By algorithm, seconds by size.
    measured: dict[str, list[float]]
    predicted: dict[str, list[float]] = field(default_factory=dict)


def sh(*command: str) -> None:
    """Runs what must work."""
    subprocess.run(command, check=True)


@contextlib.contextmanager
def wired(network: Network) -> Iterator[list[tuple[str, str]]]:
    """Namespace and address of every host."""
    tag = f"cw{os.getpid()}"
    hub = f"{tag}hub"
    names = [f"{tag}h{at}" for at in range(len(network.hosts))]
    made = []
    try:
        sh("ip", "netns", "add", hub)
        made.append(hub)
        sh("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        sh("ip", "-n", hub, "link", "set", "br0", "up")
        for at, name in enumerate(names):
            sh("ip", "netns", "add", name)
            made.append(name)
            sh("ip", "-n", hub, "link", "add", f"p{at}", "type", "veth", "peer", "name", "eth0", "netns", name)
            sh("ip", "-n", hub, "link", "set", f"p{at}", "master", "br0", "up")
            sh("ip", "-n", name, "addr", "add", f"10.77.0.{at + 1}/24", "dev", "eth0")
            sh("ip", "-n", name, "link", "set", "eth0", "up")
            sh("ip", "-n", name, "link", "set", "lo", "up")
            # A burst of two packets: what is longer waits for the wire, as it does on one that is as slow.
            rate = ("rate", f"{network.mbit}mbit", "burst", "3200", "limit", "32mb")
            sh("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", *rate)
        yield [(name, f"10.77.0.{at + 1}") for at, name in enumerate(names)]
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)


def start(bench: Path, namespace: str, *words: str) -> subprocess.Popen[str]:
    """A process in a host."""
    command = ["ip", "netns", "exec", namespace, str(bench), *words, "--bench"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    """The next line that it prints."""
    assert process.stdout
    said = process.stdout.readline()
    if not said:
        raise RuntimeError("a trainer ended")
    return said


def measure(bench: Path, network: Network) -> Found:
    """Real trainers in a network."""
    with wired(network) as hosts, contextlib.ExitStack() as stack:
        members, relays, addresses = [], [], []
        placed = [hosts[at] for at, count in enumerate(network.hosts) for _ in range(count)]
        for rank, (namespace, address) in enumerate(placed):
            bound = "127.0.0.1" if network.delay_ms else address
            member = start(bench, namespace, "scale", str(rank), bound)
            stack.callback(member.wait)
            stack.callback(member.kill)
            members.append(member)
            port = int(line(member))
            if network.delay_ms:
                # Each way passes one of them.
                micros = str(int(network.delay_ms * 1000))
                relay = start(bench, namespace, "relay", address, f"127.0.0.1:{port}", micros)
                stack.callback(relay.wait)
                stack.callback(relay.kill)
                relays.append(relay)
                port = int(line(relay))
            addresses.append([address, port])
        task = {"addresses": addresses, "shards": network.shards, "sizes": SIZES, "algorithms": ALGORITHMS}
        for member in members:
            assert member.stdin
            member.stdin.write(json.dumps(task) + "\n")
            member.stdin.flush()
        told = [line(member) for member in members]
        speeds = json.loads(told[0])
        measured = {}
        for algorithm in ALGORITHMS:
            lines = [json.loads(line(member)) for member in members]
            # The slowest trainer's.
            measured[algorithm] = [max(values) for values in zip(*lines, strict=True)]
        # None is ended while another one still waits for its word.
        for member in members:
            member.wait(60)
        return Found(asdict(network), speeds, measured)


def model(bench: Path, questions: list[dict[str, Any]]) -> list[float]:
    """Seconds by the model that a fit chooses by."""
    done = subprocess.run(
        [str(bench), "model", "--bench"], input=json.dumps(questions), capture_output=True, text=True, check=True
    )
    answers: list[float] = json.loads(done.stdout)
    return answers


def question(hosts: list[int], shards: int, speeds: dict[str, Any], algorithm: str, size: int) -> dict[str, Any]:
    """One thing to ask the model."""
    links = {name: speeds[name] for name in ("near", "far", "message", "add")}
    return {"hosts": hosts, "shards": shards, **links, "algorithm": algorithm, "bytes": size}


def predict(bench: Path, found: Found) -> None:
    """What the model says of a network."""
    network = Network(**found.network)
    asked = [
        question(network.hosts, network.shards, found.speeds, algorithm, size)
        for algorithm in found.measured
        for size, _ in SIZES
    ]
    answers = iter(model(bench, asked))
    found.predicted = {algorithm: [next(answers) for _ in SIZES] for algorithm in found.measured}


def drawn(bench: Path, near: list[float], message: float, add: float) -> dict[str, dict[str, list[float]]]:
    """By network and algorithm, seconds over the numbers of trainers, on 100 Gbit/s."""
    # A host's trainers share its wire.
    far = [20e-6, 8 * PER_HOST / 100e9]
    speeds = {"near": near, "far": far, "message": message, "add": add}
    curves: dict[str, dict[str, list[float]]] = {}
    for name, parameters in MODELS.items():
        asked = [
            question([PER_HOST] * (ranks // PER_HOST), ranks, speeds, algorithm, 4 * parameters)
            for algorithm in ALGORITHMS
            for ranks in DRAWN
        ]
        answers = iter(model(bench, asked))
        curves[name] = {algorithm: [next(answers) for _ in DRAWN] for algorithm in ALGORITHMS}
    return curves


def tell(found: Found) -> list[float]:
    """Prints a network's numbers; the errors of the model."""
    network = Network(**found.network)
    errors = []
    for algorithm in found.measured:
        cells = []
        for measured, predicted in zip(found.measured[algorithm], found.predicted[algorithm], strict=True):
            error = predicted / measured - 1
            errors.append(error)
            cells.append(f"{measured * 1e3:.2f} ({error:+.0%})")
        print(f"| {network.name} | {algorithm} | {' | '.join(cells)} |", flush=True)
    return errors


def plot(runs: list[Found], curves: dict[str, dict[str, list[float]]], file: Path) -> None:
    """Measured over predicted, and the three networks."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "candlewick", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, 1 + len(curves), figsize=(4 * (1 + len(curves)), 3.6))
    for algorithm in ALGORITHMS:
        x = [value * 1e3 for found in runs for value in found.predicted.get(algorithm, [])]
        y = [value * 1e3 for found in runs for value in found.measured.get(algorithm, [])]
        axes[0].loglog(x, y, marker="o", linestyle="", markersize=4, label=algorithm)
    ends = [0.1, 3000.0]
    axes[0].loglog(ends, ends, color="grey", linewidth=0.8)
    axes[0].set_xlabel("predicted, ms")
    axes[0].set_ylabel("measured, ms")
    axes[0].set_title("2 to 8 trainers", fontsize=9)
    for axis, (name, lines) in zip(axes[1:], curves.items(), strict=True):
        for algorithm, seconds in lines.items():
            axis.loglog(DRAWN, [value * 1e3 for value in seconds], marker=".", label=algorithm)
        axis.set_xlabel("trainers, 8 a host, 100 Gbit/s")
        axis.set_ylabel("ms of an allreduce")
        axis.set_title(name, fontsize=9)
    for axis in axes:
        axis.minorticks_off()
        axis.grid(True, which="major", alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Measures, compares, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of networks")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--again", type=Path)
    options = parser.parse_args()
    if options.again:
        runs = [Found(**found) for found in json.loads(options.again.read_text())]
    else:
        chosen = NETWORKS if options.only is None else [NETWORKS[at] for at in options.only]
        runs = [measure(options.bench, network) for network in chosen]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; ms, and how far the model is off")
    print("| trainers of the hosts | algorithm | 10 KB | 1 MB | 4 MB |\n|---|---|---|---|---|")
    errors: list[float] = []
    for found in runs:
        predict(options.bench, found)
        errors += tell(found)
    within = sum(abs(error) <= 0.15 for error in errors)
    print(f"{within} of {len(errors)} within 15 %, worst {max(errors, key=abs):+.0%}")
    best = [(f, a) for f in runs for a in range(len(SIZES)) if _best(f.predicted, a) == _best(f.measured, a)]
    print(f"the model's fastest is the fastest in {len(best)} of {len(runs) * len(SIZES)}")
    near = next((found.speeds["near"] for found in reversed(runs) if found.speeds["near"]), [3e-6, 1e-10])
    last = runs[-1].speeds
    curves = drawn(options.bench, near, last["message"], last["add"])
    for name, lines in curves.items():
        for at, ranks in enumerate(DRAWN):
            said = "  ".join(f"{algorithm} {seconds[at] * 1e3:9.3f}" for algorithm, seconds in lines.items())
            print(f"{name}, {ranks:>5} trainers: {said} ms")
    if options.json:
        options.json.write_text(json.dumps([asdict(found) for found in runs], indent=1) + "\n")
    if options.plot:
        plot(runs, curves, options.plot)


def _best(times: dict[str, list[float]], at: int) -> str:
    return min(times, key=lambda algorithm: times[algorithm][at])


if __name__ == "__main__":
    main()
