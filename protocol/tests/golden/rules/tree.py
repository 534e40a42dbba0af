"""Executable rule B5: one reduction tree over V logical shards, whoever owns them. Run this file to check it."""

import random
import struct


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def split(lo, hi):
    """Largest power of two strictly below hi - lo, counted from lo."""
    p = 1
    while p * 2 < hi - lo:
        p *= 2
    return lo + p


def add(a, b):
    """A leaf without rows is absent (None), not zero."""
    return b if a is None else a if b is None else f32(a + b)


def value(leaf, lo, hi):
    return leaf[lo] if hi - lo == 1 else add(value(leaf, lo, split(lo, hi)), value(leaf, split(lo, hi), hi))


def cover(owned, lo, hi):
    """Maximal nodes wholly inside a trainer's shard set: what it sends."""
    if all(v in owned for v in range(lo, hi)):
        return [(lo, hi)]
    if hi - lo == 1:
        return []
    return cover(owned, lo, split(lo, hi)) + cover(owned, split(lo, hi), hi)


def assemble(nodes, lo, hi):
    if (lo, hi) in nodes:
        return nodes[lo, hi]
    return add(assemble(nodes, lo, split(lo, hi)), assemble(nodes, split(lo, hi), hi))


if __name__ == "__main__":
    random.seed(2)
    for case in range(3000):
        shards = random.randint(1, 40)
        leaf = [
            None
            if random.random() < 0.15
            else f32(random.choice([-0.0, random.uniform(-1, 1) * 10 ** random.randint(-6, 6)]))
            for _ in range(shards)
        ]
        owners = [random.randrange(min(shards, 9)) for _ in range(shards)]
        owners = sorted(owners) if case % 2 else owners
        nodes = {}
        for r in set(owners):
            for lo, hi in cover({v for v in range(shards) if owners[v] == r}, 0, shards):
                nodes[lo, hi] = value(leaf, lo, hi)
        assert repr(assemble(nodes, 0, shards)) == repr(value(leaf, 0, shards))
    print("tree ok")
