"""Writes series.json: what Apache Otava 0.8.0 says of made-up series.

    pip install apache-otava==0.8.0 && python3 generate.py

Otava's `change_point_divisive` is an independent implementation of Matteson & James 2014. Its permutation test draws its orders
by itself, so the significance is compared on series where it is not in doubt; place and statistic of the first split are exact.
"""

import json
import pathlib
import random

import numpy
from otava.analysis import compute_change_points_orig
from otava.change_point_divisive.calculator import PairDistanceCalculator

LEVELS = {
    "one level": [(60, 0.0)],
    "a step of five deviations": [(40, 0.0), (30, 0.05)],
    "up and down again": [(25, 0.0), (25, 0.06), (25, 0.0)],
    "three levels": [(20, 3.0), (30, 3.04), (40, 3.1)],
    "a late step": [(80, -1.0), (8, -0.9)],
    "two values": [(2, 0.0)],
}


def main():
    generator = random.Random(20140301)
    series = []
    for name, levels in LEVELS.items():
        values = [round(level + generator.gauss(0, 0.01), 6) for runs, level in levels for _ in range(runs)]
        first = PairDistanceCalculator(numpy.array(values)).get_candidate_change_point(slice(0, len(values)))
        found, _ = compute_change_points_orig(values, max_pvalue=0.01, seed=1)
        series.append({
            "name": name,
            "values": values,
            "first": {"index": int(first.index), "statistic": float(first.qhat)},
            "change_points": sorted(int(point.index) for point in found),
        })
    document = {"source": "apache-otava 0.8.0, by generate.py", "series": series}
    pathlib.Path(__file__).with_name("series.json").write_text(json.dumps(document, indent=1) + "\n")


main()
