"""Writes the golden cases of the plan of a step and of the reduction tree from their executable rules (rules/).

The cases are seeded: the same rules give the same files (`make golden`). Values of f32 are written as their bits.
"""

import importlib.util
import json
import pathlib
import random
import struct

HERE = pathlib.Path(__file__).resolve().parent


def load(folder, name):
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bits(value):
    return None if value is None else struct.unpack("<I", struct.pack("<f", value))[0]


def apportion_cases(rule):
    rng = random.Random(20240611)
    cases = []
    for _ in range(160):
        shards = rng.choice([1, 2, 3, 5, 8, 8, 16])
        rows = [rng.choice([0, 1, 2, rng.randint(0, 60), rng.randint(0, 9000)]) for _ in range(shards)]
        total = sum(rows)
        edges = {0, 1, total // 2, max(0, total - 1), total, total + 5}
        points = sorted(edges | {rng.randint(0, total) for _ in range(4)})
        cases.append({"rows": rows, "taken": [[t, rule.taken(rows, t)] for t in points]})
    sequences = []
    for _ in range(20):
        rows = [rng.choice([0, 1, 2, rng.randint(0, 12)]) for _ in range(rng.choice([1, 2, 3, 5, 8]))]
        batch = rng.randint(1, 9)
        order = [shard for shard, _ in rule.sequence(rows)]
        sequences.append({"rows": rows, "batch": batch, "shards": order})
    return {"taken": cases, "sequences": sequences}


def tree_cases(rule):
    rng = random.Random(20240612)
    cases = []
    for _ in range(120):
        shards = rng.randint(1, 24)
        leaf = []
        for _ in range(shards):
            value = rng.choice([-0.0, rng.uniform(-1, 1) * 10 ** rng.randint(-6, 6)])
            leaf.append(None if rng.random() < 0.15 else rule.f32(value))
        count = rng.randint(1, min(shards, 6))
        cuts = sorted(rng.sample(range(1, shards), count - 1)) if count > 1 else []
        owners = []
        for lo, hi in zip([0, *cuts], [*cuts, shards], strict=True):
            nodes = rule.cover(set(range(lo, hi)), 0, shards)
            values = [[a, b, bits(rule.value(leaf, a, b))] for a, b in nodes]
            owners.append({"lo": lo, "hi": hi, "nodes": values})
        root = bits(rule.value(leaf, 0, shards))
        cases.append({"leaves": [bits(value) for value in leaf], "owners": owners, "root": root})
    splits = [
        [lo, hi, rule.split(lo, hi)] for lo, hi in ((rng.randint(0, 99), rng.randint(101, 4000)) for _ in range(40))
    ]
    return {"cases": cases, "splits": splits}


def main():
    rules = HERE / "rules"
    for name, cases in (
        ("apportion", apportion_cases(load(rules, "apportion"))),
        ("tree", tree_cases(load(rules, "tree"))),
    ):
        (HERE / f"{name}.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
