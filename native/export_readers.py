#!/usr/bin/env python3
"""Reads what `wanbench report --format` writes as its readers do, and prints that as JSON.

`export-readers csv FILE`: Python's own reader, strictly: a list of rows. `export-readers openmetrics FILE`: the parser of Prometheus's
client for Python, which holds an exposition to the specification: a list of families.
"""

import csv
import json
import sys
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def main() -> None:
    kind, file = sys.argv[1:]
    text = Path(file).read_bytes().decode()
    read = {"csv": read_csv, "openmetrics": read_openmetrics}[kind]
    print(json.dumps(read(text)))


def read_csv(text: str) -> list:
    return list(csv.reader(text.splitlines(keepends=True), strict=True))


def read_openmetrics(text: str) -> list:
    families = text_string_to_metric_families(text)
    return [
        {
            "name": family.name,
            "type": family.type,
            "unit": family.unit,
            "help": family.documentation,
            "samples": [{"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in family.samples],
        }
        for family in families
    ]


if __name__ == "__main__":
    main()
