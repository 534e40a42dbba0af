"""Writes scikit-learn's handwritten digits (1,797 pictures of 8 x 8, bundled with that package) as a CSV file.

Where the name ends in .libsvm, it is written for Spark's reader of that format.

Usage: python export_digits.py FILE
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from sklearn.datasets import dump_svmlight_file, load_digits


def export(path: Path) -> int:
    """Writes the file; the number of pictures."""
    digits = load_digits()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".libsvm":
        dump_svmlight_file(digits.data, digits.target, str(path), zero_based=False)
        return len(digits.target)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"p{i}" for i in range(digits.data.shape[1])), "label"])
        for pixels, label in zip(digits.data, digits.target, strict=True):
            writer.writerow([*(int(pixel) for pixel in pixels), int(label)])
    return len(digits.target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python export_digits.py FILE")
    print(f"{export(Path(sys.argv[1]))} pictures written to {sys.argv[1]}")
