"""Executable rule B3: how many rows each logical shard gives to a step.

taken(n, t) = rows of every shard among the first t rows of the epoch; n[v] = rows of shard v.
The share of step s is taken(n, min((s+1)*B, N)) - taken(n, s*B).  Run this file to check it against the sorted sequence.
"""

import random
from functools import cmp_to_key


def taken(n, t):
    total, shards = sum(n), len(n)
    if t >= total:
        return list(n)
    p, q = max(0, 2 * t - shards), 2 * total
    share = [min(x, (2 * x * p + q) // (2 * q)) if p else 0 for x in n]
    for _ in range(t - sum(share)):
        best = None
        for v in range(shards):
            if share[v] < n[v] and (best is None or (2 * share[v] + 1) * n[best] < (2 * share[best] + 1) * n[v]):
                best = v
        share[best] += 1
    return share


def sequence(n):
    """All (shard, row) by virtual time (2k+1)/(2 n_v), then shard."""

    def compare(a, b):
        left, right = (2 * a[1] + 1) * n[b[0]], (2 * b[1] + 1) * n[a[0]]
        return (left > right) - (left < right) or a[0] - b[0]

    return sorted(((v, k) for v in range(len(n)) for k in range(n[v])), key=cmp_to_key(compare))


if __name__ == "__main__":
    random.seed(1)
    for _ in range(400):
        n = [
            random.choice([0, 1, 2, random.randint(0, 60), random.randint(0, 300)])
            for _ in range(random.choice([1, 2, 3, 5, 8, 16]))
        ]
        total, batch, count, before = sum(n), random.randint(1, 40), [0] * len(n), [0] * len(n)
        rows = sequence(n)
        for start in range(0, total, batch):
            end = min(start + batch, total)
            for v, k in rows[start:end]:
                assert k == count[v]
                count[v] += 1
            now = taken(n, end)
            assert (
                now == count
                and sum(now) - sum(before) == end - start
                and all(x >= y for x, y in zip(now, before, strict=True))
            )
            before = list(now)
        assert count == n
    print("apportionment ok")
