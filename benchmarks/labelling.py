"""What few labels are worth: random ones, and those that `suggest` asks for, through the classifier.

    python benchmarks/labelling.py random CATALOG DATASET CLUSTERS [--draws 4] [--at 100 300 1000]
    python benchmarks/labelling.py chosen CATALOG DATASET CLUSTERS [--draws 4] [--at 100 300]
    python benchmarks/labelling.py errors CATALOG DATASET CLUSTERS [--draws 1]

``random``: accuracy on a fold of new artists, each draw the next one, after random labels of the others. ``chosen``: tracks
that were not asked about, after each way to choose. ``errors``: 5 % of the labels are exchanged for
another genre; the precision of the first half as many that `suggest --check` lists, and the accuracy
on new artists without what it lists. Prints one row per measurement, then means and 95 % intervals.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from genre_spark.bundle import registry
from genre_spark.catalog.catalogue import Source, open_catalogue
from genre_spark.classifier import estimator, questions
from genre_spark.classifier.questions import LabelledArtists
from genre_spark.classifier.representation import Artists
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.config import load_settings
from genre_spark.evaluation import label_errors, metrics
from genre_spark.pipelines.bundles import Request, labelled_sample
from genre_spark.platform.session import get_session
from genre_spark.source import load_dataset

ROUND = 50
Measured = Iterator[tuple[str, int, float]]


def _quiet(message: str, tracks: int = 0) -> None:
    """No progress."""


def accuracy(tracks: LabelledTracks, rows: np.ndarray, test: np.ndarray, seed: int) -> float:
    """On some tracks, after learning from others."""
    settings = load_settings()
    learned = tracks.take(np.sort(rows))
    fitted = estimator.fit(learned, settings.network, 0.93, seed, _quiet)
    asked = tracks.take(np.sort(test[tracks.certain[test]]))
    found = fitted.predict(asked).probabilities.argmax(axis=1)
    return float((found == asked.labels).mean())


def random_labels(tracks: LabelledTracks, draws: int, at: list[int]) -> Measured:
    """Random labels, new artists."""
    fold = metrics.folds(tracks, "new", 0.2, 1000)
    for seed in range(draws):
        held_out = fold == seed % (fold.max() + 1)
        test, pool = np.flatnonzero(held_out), np.flatnonzero(~held_out)
        for n in at:
            rows = np.random.default_rng(1000 * seed + n).choice(pool, n, replace=False)
            yield "random", n, accuracy(tracks, rows, test, seed)


def at_random(tracks: LabelledTracks, said: np.ndarray, seed: int) -> np.ndarray:
    """Random tracks."""
    free = np.setdiff1d(np.arange(len(tracks)), said)
    return np.random.default_rng(seed).choice(free, ROUND, replace=False)


def of_artists(tracks: LabelledTracks, artists: np.ndarray, seed: int) -> np.ndarray:
    """A random track of each artist."""
    groups, rng = tracks.groups, np.random.default_rng(seed)
    return groups.starts[artists] + rng.integers(groups.sizes[artists])


def by_suggest(tracks: LabelledTracks, said: np.ndarray, seed: int) -> np.ndarray:
    """As `suggest` with the answers so far."""
    inputs, groups, space = tracks.inputs, tracks.groups, tracks.space
    if space is None:
        raise ValueError("the tracks come without a representation")
    counts = np.zeros((len(groups.starts), len(tracks.classes)))
    np.add.at(counts, groups.code[said], tracks.targets[said])
    size = groups.sizes
    mean = inputs.artist_mean[groups.starts]
    artists = Artists(size, size.astype(float), mean, 0 * mean, tracks.artist_documents)
    labelled = LabelledArtists(counts, tracks.classes)
    asked = questions.choose(space, artists, counts.sum(axis=1) == 0, labelled, ROUND, seed)
    return of_artists(tracks, np.array([one.artist for one in asked]), seed)


def largest_first(tracks: LabelledTracks, said: np.ndarray, seed: int) -> np.ndarray:
    """A track of each of the largest artists that were not asked about."""
    groups = tracks.groups
    ties = np.random.default_rng(seed).random(len(groups.starts))
    size = np.where(np.isin(np.arange(len(ties)), groups.code[said]), 0, groups.sizes + ties)
    return of_artists(tracks, np.argsort(-size)[:ROUND], seed)


def most_unsure(tracks: LabelledTracks, said: np.ndarray, seed: int) -> np.ndarray:
    """After random tracks those of the classifier's least sure artists, by the root of their size."""
    if not len(said):
        return at_random(tracks, said, seed)
    learned, groups = tracks.take(np.sort(said)), tracks.groups
    fitted = estimator.fit(learned, load_settings().network, 0.93, seed, _quiet)
    unsure = 1 - fitted.predict(tracks).probabilities.max(axis=1, keepdims=True)
    worth = groups.means(unsure)[:, 0] * np.sqrt(groups.sizes)
    worth[np.unique(groups.code[said])] = 0
    return of_artists(tracks, np.argsort(-worth)[:ROUND], seed)


CHOICES: dict[str, Callable[[LabelledTracks, np.ndarray, int], np.ndarray]] = {
    "random tracks": at_random,
    "suggest, rounds of 50": by_suggest,
    "largest artists first": largest_first,
    "most unsure, rounds of 50": most_unsure,
}


def chosen(tracks: LabelledTracks, draws: int, at: list[int]) -> Measured:
    """Each way to choose."""
    for seed in range(draws):
        for name, choose in CHOICES.items():
            said = np.zeros(0, np.int64)
            while len(said) < max(at):
                said = np.append(said, choose(tracks, said, 1000 * seed + len(said)))
                if len(said) in at:
                    rest = np.setdiff1d(np.arange(len(tracks)), said)
                    yield name, len(said), accuracy(tracks, said, rest, seed)


def errors(tracks: LabelledTracks, draws: int, at: list[int]) -> Measured:
    """5 % of the labels exchanged."""
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        fold = metrics.folds(tracks, "new", 0.2, 1000 + seed)
        test, pool = np.flatnonzero(fold == 0), np.flatnonzero(fold != 0)
        wrong = rng.choice(pool[tracks.certain[pool]], len(pool) // 20, replace=False)
        targets, n = tracks.targets.copy(), len(tracks.classes)
        new = (tracks.labels[wrong] + rng.integers(1, n, len(wrong))) % n
        targets[wrong] = np.eye(n, dtype=targets.dtype)[new]
        damaged = tracks_with(tracks, targets)
        learned = damaged.take(pool)
        fitted = estimator.fit(learned, load_settings().network, 0.93, seed, _quiet)
        held_out = label_errors.held_out(fitted, len(pool), n)
        held_out[~learned.certain] = np.nan
        listed = pool[label_errors.find(held_out, learned.labels).rows]
        yield "precision", len(wrong) // 2, float(np.isin(listed[: len(wrong) // 2], wrong).mean())
        yield "listed", len(wrong), len(listed)
        yield "accuracy, damaged", len(pool), accuracy(damaged, pool, test, seed)
        kept = np.setdiff1d(pool, listed)
        yield "accuracy, without what is listed", len(kept), accuracy(damaged, kept, test, seed)


def tracks_with(tracks: LabelledTracks, targets: np.ndarray) -> LabelledTracks:
    """The same tracks with other labels."""
    from dataclasses import replace

    return replace(tracks, targets=targets)


def collect(path: str, dataset: str, clusters: str) -> LabelledTracks:
    """All labelled tracks of a table."""
    settings = load_settings()
    spark = get_session(master="local[2]")
    base = registry.open_bundle(lambda: spark, clusters, settings.models.registry)
    source = Source(path, load_dataset(dataset))
    scaler = base.manifest.scoring.scaler
    with open_catalogue(spark, source, settings.catalog, scaler) as catalogue:
        found = labelled_sample(catalogue, Request(source, base, "", settings), {})
    spark.stop()
    return found


def main() -> None:
    """Measures a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=["random", "chosen", "errors"])
    parser.add_argument("table", nargs=3, metavar=("CATALOG", "DATASET", "CLUSTERS"))
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--at", type=int, nargs="+", default=[100, 300])
    given = parser.parse_args()
    run = {"random": random_labels, "chosen": chosen, "errors": errors}[given.mode]
    found = defaultdict(list)
    for name, n, value in run(collect(*given.table), given.draws, given.at):
        print(f"{name}\t{n}\t{value:.4f}", flush=True)
        found[name, n if given.mode != "errors" else 0].append(value)
    for (name, n), values in found.items():
        half = 1.96 * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
        print(f"{name}, {n}: {np.mean(values):.4f} ± {half:.4f}")


if __name__ == "__main__":
    main()
