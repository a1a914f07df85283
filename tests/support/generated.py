"""Tracks, and what is made of them, for tests: deterministic, realistic, without Spark."""

import functools
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genre_spark.bundle import files
from genre_spark.bundle.genre_metrics import GenreMetrics, ProtocolMetrics
from genre_spark.bundle.manifest import (
    LEVELS,
    FeatureProfile,
    LabelProfile,
    Manifest,
    Profile,
    ScoringPart,
    model_id,
)
from genre_spark.catalog.rows import RowCounts
from genre_spark.classifier.calibration import NEVER, PRECISIONS, Acceptance
from genre_spark.classifier.evidence import CountTable
from genre_spark.classifier.genre_part import GenrePart, PackedCounts
from genre_spark.classifier.head import KINDS, Head
from genre_spark.clustering.metric import ClusterMetric, Dimension, SyntheticPart
from genre_spark.config import load_settings
from genre_spark.features.scaling import ENCODINGS, LIMIT, FeatureScaler, ScaledFeature
from genre_spark.features.tensor import N_BINS
from genre_spark.monitoring.drift import Drift, FeatureShift, LabelShift
from genre_spark.publishing.manifest import Manifest as LabelledManifest
from genre_spark.schema import FEATURE_NAMES, TEXT_COLUMNS, feature

GENRES = ("country", "deep-house", "dubstep", "hip-hop", "metal", "rock")

# How far apart genres, artists of a genre, and tracks of an artist lie.
_GENRE, _ARTIST, _TRACK = 1.2, 0.5, 0.5
_SHARES = {  # name: (centre, standard deviation) of the logit
    "danceability": (0.5, 0.6),
    "energy": (0.6, 0.9),
    "speechiness": (-2.6, 0.7),
    "acousticness": (-1.5, 1.5),
    "instrumentalness": (-3.0, 2.5),
    "liveness": (-1.6, 0.6),
    "valence": (0.0, 0.8),
}


def make_tracks(
    n: int,
    seed: int,
    genres: Sequence[str] = GENRES,
    artists: int | None = None,
    albums: int | None = None,
) -> pd.DataFrame:
    """A catalogue with all canonical columns, every value possible, every `track_id` once.

    An artist has one of the genres, eight tracks and two albums, if nothing else is given. What a genre
    sounds like depends on its name alone, so that a model of one catalogue fits another.
    """
    rng = np.random.default_rng(seed)
    artists = artists or max(len(genres), n // 8)
    albums = max(albums or 2 * artists, artists)
    home = np.arange(artists) % len(genres)
    # Each artist has an album, the rest go to anybody.
    owner = np.concatenate([np.arange(artists), rng.integers(0, artists, albums - artists)])
    album = rng.permutation(np.arange(n) % albums)
    artist = owner[album]
    genre = home[artist]
    latent = (
        _GENRE * np.stack([_sound(name) for name in genres])[genre]
        + _ARTIST * rng.standard_normal((artists, len(FEATURE_NAMES)))[artist]
        + _TRACK * rng.standard_normal((n, len(FEATURE_NAMES)))
    )
    z = dict(zip(FEATURE_NAMES, latent.T, strict=True))
    columns = {
        "track_id": [f"s{seed}t{i:06d}" for i in range(n)],
        "artist": [f"Artist {seed}-{i}" for i in artist],
        "album": [f"Album {seed}-{i}" for i in album],
        "title": [f"Title {i}" for i in range(n)],
        "genre": [genres[i] for i in genre],
        **{name: _share(z[name], *_SHARES[name]) for name in _SHARES},
        "key": rng.integers(0, 12, n).astype(float),
        "mode": (z["mode"] > -0.5).astype(float),
        "loudness": np.clip(-8 + 4 * z["loudness"], -60, 2).round(3),
        "tempo": np.clip(120 * np.exp(0.2 * z["tempo"]), 40, 240).round(3),
        "duration_ms": np.clip(210_000 * np.exp(0.3 * z["duration_ms"]), 30_000, 4e6).round(),
    }
    return pd.DataFrame(columns)[[*TEXT_COLUMNS, *FEATURE_NAMES]]


def as_accepted(table):
    """A table on Spark with the column of listed artists that validation gives each, here without any."""
    return table.selectExpr("*", "cast(null as array<string>) AS artists")


def make_scaler(tracks: pd.DataFrame, features: Sequence[str] = FEATURE_NAMES) -> FeatureScaler:
    """What `features.fit` finds, but by pandas: mean and standard deviation of each."""
    scaled_features = []
    for name in features:
        for suffix, encode in ENCODINGS[feature(name).encoding].items():
            values = encode(np, tracks[name].dropna().to_numpy(float))
            center, scale = float(values.mean()), float(values.std())
            scaled = np.clip((values - center) / scale, -LIMIT, LIMIT)
            edges = np.quantile(scaled, np.linspace(0, 1, N_BINS + 1))
            scaled_features.append(make_scaled_feature(name, suffix, center, scale, edges))
    return FeatureScaler(features=tuple(features), scaled_features=tuple(scaled_features))


def make_scaled_feature(
    name: str, suffix: str, center: float, scale: float, edges: Sequence[float] | None = None
) -> ScaledFeature:
    """A scaled feature; without edges its steps are of equal width."""
    edges = np.linspace(-1, 1, N_BINS + 1) if edges is None else edges
    return ScaledFeature(
        name=name + suffix,
        feature=name,
        center=center,
        scale=scale,
        bin_edges=tuple(map(float, edges)),
    )


def make_metric(scaler: FeatureScaler, ratio: float = 0.0) -> ClusterMetric:
    """A comparison by the scaled features as they are; with a ratio, by artists' levels too."""
    return ClusterMetric(
        dimensions=tuple(
            Dimension(column=i, ratio=ratio, track_weight=1, deviation=1)
            for i in range(scaler.n_scaled)
        )
    )


def make_counts(keys: Sequence[int] = (), n_genres: int = len(GENRES)) -> PackedCounts:
    """Label evidence: a track of each key, of one genre after the other."""
    targets = np.eye(n_genres, dtype=np.float32)[np.arange(len(keys)) % n_genres]
    return PackedCounts.of(CountTable.of(np.array(keys, np.int64), targets))


def make_genre_part(
    classes: tuple[str, ...] = GENRES, artists: Sequence[int] = (3, -1, 2**40), pooled: bool = True
) -> GenrePart:
    """What a full bundle says of genres; with evidence of some artists, without words."""
    n = len(classes)
    own, mean = ("network", "network, artist mean")
    new = {own: 0.5, mean: 0.6} if pooled else {own: 1.1}
    nothing = make_counts((), n)
    return GenrePart(
        classes=classes,
        prior=(1.0 / n,) * n,
        words=None,
        document=None,
        artist=make_counts(artists, n) if pooled else nothing,
        named=nothing,
        album=nothing,
        synthetic=nothing,
        heads={
            kind: make_head(new | ({"artist": 0.5} if "known" in kind else {}), n) for kind in KINDS
        },
        has_artists=pooled,
        acceptance=make_acceptance(known=0.7, new=0.8, known_without_features=0.3),
    )


def make_head(weights: dict[str, float], n_classes: int = len(GENRES)) -> Head:
    of_genres = {name: (weight,) * n_classes for name, weight in weights.items()}
    return Head(weights=of_genres, bias=(0.0,) * n_classes)


def make_acceptance(**thresholds: float) -> Acceptance:
    """The same least confidence for all precisions, by kind of track; else nothing is accepted."""
    of_kinds = dict.fromkeys(KINDS, NEVER) | thresholds
    return Acceptance(
        target=0.93,
        levels=PRECISIONS,
        thresholds={kind: (least,) * len(PRECISIONS) for kind, least in of_kinds.items()},
    )


def make_manifest(
    onnx: bytes | None = None,
    k: int = 12,
    features: Sequence[str] = FEATURE_NAMES,
    groups: tuple[str, ...] = ("artist", "album"),
) -> Manifest:
    """A small but complete ``bundle.json``: of a full bundle where a network is given.

    Without `groups` no track informs another.
    """
    (scaler, centers), related = _fitted(k, tuple(features)), bool(groups)
    scoring = ScoringPart(
        scaler=scaler,
        synthetic=SyntheticPart(
            ids=tuple(range(k)),
            names=tuple(f"name {i}" for i in range(k)),
            metric=make_metric(scaler),
            centers=centers,
        ),
        genres=make_genre_part(pooled=related) if onnx else None,
    )
    return Manifest(
        format_version=files.FORMAT_VERSION,
        kind="full" if onnx else "clusters",
        model_id=model_id(scoring, onnx),
        created_at="2024-01-01T00:00:00+00:00",
        genre_spark_version="0.0.0",
        source_revision=None,
        libraries={},
        seed=1,
        scoring=scoring,
        left_out=(),
        data={"source": "tracks.parquet", "rows": make_rows(50 * k)},
        clusters={"k": k},
        genres=make_genre_metrics() if onnx else None,
    )


@functools.cache
def _fitted(k: int, features: tuple[str, ...]) -> tuple[FeatureScaler, tuple]:
    tracks = make_tracks(50 * k, seed=1)
    scaler = make_scaler(tracks, features)
    points = scaler.to_numpy(tracks[list(features)].to_numpy(float))
    return scaler, tuple(map(tuple, points[:k].tolist()))


def with_scoring(manifest: Manifest, onnx: bytes | None = None, **changes: object) -> Manifest:
    """A manifest with other parts for scoring, and the `model_id` of these."""
    scoring = manifest.scoring.model_copy(update=changes)
    return manifest.model_copy(update={"scoring": scoring, "model_id": model_id(scoring, onnx)})


def write_bundle(folder: Path, manifest: Manifest, onnx: bytes | None = None) -> Path:
    """Writes a bundle with the profile of `make_profile` into a new folder."""
    folder.mkdir(parents=True)
    if onnx:
        (folder / files.ONNX).write_bytes(onnx)
    profile = make_profile(features=manifest.scoring.scaler.features)
    files.write_files(folder, manifest, profile, "# A card ✓\n")
    return folder


def make_rows(read: int, accepted: int | None = None) -> RowCounts:
    """Rows of a catalogue that are all tracks with a genre, but for those of one reason."""
    accepted = read if accepted is None else accepted
    return RowCounts(
        read=read,
        accepted=accepted,
        duplicates=0,
        reasons={"malformed_row": read - accepted} if read > accepted else {},
        values={},
        ambiguous=0,
        with_genre=accepted,
        imputed=0,
        fingerprint="0" * 16,
    )


def make_genre_metrics(
    classes: Sequence[str] = GENRES, **protocols: ProtocolMetrics
) -> GenreMetrics:
    """What a full bundle says of its accuracy; by default, on new artists."""
    return GenreMetrics(
        classes=classes,
        target_precision=0.93,
        protocols=protocols or {"new": make_metrics()},
        skipped={},
    )


def make_labelled(**changes: object) -> LabelledManifest:
    at = "2024-01-02T00:00:00+00:00"
    content = {
        "made_by": "genre-spark",
        "run_id": "0123456789ab",
        "scored_at": at,
        "model_id": "0123456789abcdef",
        "model": {"path": "models/mine", "created_at": at},
        "source": {"path": "tracks.csv", "format": None, "dataset": {}, "fingerprint": ""},
        "software": {"genre-spark": "0.0.0"},
        "incremental": {"asked": False, "in_full_because": None},
        "runs": (),
        "rows": {**dict(make_rows(12, 10)), "imputed": 1, "labelled": 10, "quarantined": 2},
        "checksum": "0" * 16,
        "schema": {},
        "labels": {"genres": {"rock": 10}, "synthetic_genres": {"loud": 10}, "accepted": 0.5},
        "drift": make_drift(tempo=0.31, energy=0.0),
        "settings": load_settings(),
        "finished_at": at,
        "seconds": 1.0,
        "files": {},
    }
    return LabelledManifest.model_validate(content | changes)


def make_metrics(classes: Sequence[str] = GENRES, **changes: object) -> ProtocolMetrics:
    n = len(classes)
    metrics = {
        "accuracy": 0.8,
        "macro_f1": 0.8,
        "top3": 0.95,
        "log_loss": 0.5,
        "ece": 0.02,
        "aurc": 0.05,
        "tracks": 200,
        "coverage": 0.5,
        "precision": 0.95,
        "attainable": 0.6,
        "confusion": (20 * np.eye(n, dtype=int) + 1).tolist(),
        "per_genre": {
            name: {"precision": 0.8, "recall": 0.8, "f1-score": 0.8, "support": 26.0}
            for name in classes
        },
        "reliability": [[0.5, 0.4, 0.2], [0.9, 0.9, 0.8]],
        "risk_coverage": [[0.5, 0.95], [1.0, 0.8]],
        "interval": {"mean": 0.8, "low": 0.7, "high": 0.9},
        "coverage_at": {"0.90": {"coverage": 0.6, "precision": 0.91}},
        "linked": 0.0,
        "never_learned": [],
        "held_out": "same tracks",
        "baselines": {"majority": 0.1},
        "ladder": {"CNN on a track's sound alone": 0.7, "with words": 0.8},
    }
    return ProtocolMetrics.model_validate(metrics | changes)


@functools.cache
def make_profile(n: int = 600, features: tuple[str, ...] = FEATURE_NAMES) -> Profile:
    tracks = make_tracks(n, seed=1)
    found = {}
    for name in features:
        values = tracks[name].to_numpy(float)
        quantiles = np.quantile(values, LEVELS, method="inverted_cdf")
        edges = np.unique(quantiles[1:-1])
        counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
        found[name] = FeatureProfile(
            quantiles=tuple(quantiles),
            missing=0.0,
            bin_edges=tuple(edges),
            counts=tuple(map(int, counts)),
        )
    labels = LabelProfile(synthetic_genres={"name 0": n})
    return Profile(tracks=n, features=found, labels=labels)


def _sound(genre: str) -> np.ndarray:
    """Where a genre lies on each feature, in spreads; the same in every catalogue."""
    rng = np.random.default_rng(zlib.crc32(genre.encode()))
    return rng.uniform(-1.5, 1.5, len(FEATURE_NAMES))


def _share(z: np.ndarray, centre: float, deviation: float) -> np.ndarray:
    return np.clip(1 / (1 + np.exp(-(centre + deviation * z))), 0.001, 0.999).round(4)


def make_drift(**psi: float | None) -> Drift:
    """Drift of features by their population stability index, and of genres, beyond the limit."""

    def shift(found: float | None) -> FeatureShift:
        level = "warn" if found and found > limits.warn_psi else "ok"
        return FeatureShift(
            psi=found, ks=0.1, missing=0.0, missing_before=0.0, direction=None, level=level
        )

    limits = load_settings(overrides=("min_tracks=1000",)).drift
    return Drift(
        assessed=True,
        level="warn",
        features={name: shift(found) for name, found in psi.items()},
        labels={"genres": LabelShift(psi=0.4, ks=None, level="warn")},
        limits=limits,
    )
