"""Other ways to label with a CNN of the same shape: the same rows, the same columns written.

Each takes the tracks with their context, as Spark's aggregations give it, and what the CNN says of
them through Keras, and writes a labelled table. None of them is asked for a quarantine, a manifest
or a verified switch.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import ScoringPart
from genre_spark.classifier.calibration import softmax
from genre_spark.classifier.decision import Decision, blend, logits
from genre_spark.config import load_settings
from genre_spark.features.catalogue_context import add_context, key
from genre_spark.features.tensor import (
    N_BINS,
    STATISTICS,
    bins,
    build,
    channel_names,
    packed_length,
    unpack,
)
from genre_spark.schema import ALBUM, ARTIST, TRACK_ID, context_column
from genre_spark.scoring.columns import genre_columns, lists

_BATCH = 8192
_OPINION = ArrayType(FloatType())
_GENRES = (
    "genre string, genre_confidence float, genre_accepted boolean,"
    " genre_top3 array<struct<genre:string,probability:float>>"
)
_SYNTHETIC = "synthetic_genre_id int, synthetic_genre string, synthetic_genre_distance float"


def copy(tracks: DataFrame, output: str) -> None:
    """Floor: the columns that labelling reads, read and written."""
    tracks.write.mode("overwrite").parquet(output)


def identity(tracks: DataFrame, output: str) -> None:
    """Floor: the same through Python workers that do nothing."""
    tracks.mapInArrow(_pass, tracks.schema).write.mode("overwrite").parquet(output)


def _pass(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


def batch_udf(tracks: DataFrame, bundle: Bundle, output: str) -> None:
    """``pyspark.ml.functions.predict_batch_udf`` with Keras, as its documentation shows."""
    udf = predict_batch_udf(
        keras_factory(bundle),
        return_type=_OPINION,
        batch_size=_BATCH,
        input_tensor_shapes=[[_width(bundle)]],
    )
    label(tracks, bundle, udf, output)


def pandas_udf(tracks: DataFrame, bundle: Bundle, output: str) -> None:
    """A plain pandas UDF with Keras."""
    factory = keras_factory(bundle)

    @F.pandas_udf(_OPINION)
    def judge(series: Iterator[pd.Series]) -> Iterator[pd.Series]:
        predict = factory()
        for one in series:
            yield pd.Series(list(predict(np.stack(one.to_numpy()))))

    label(tracks, bundle, judge, output)


def single_process(path: str, bundle: Bundle, output: str) -> None:
    """One process of pandas and Keras, with every core that TensorFlow takes."""
    tracks = pd.read_parquet(path)
    scoring = bundle.manifest.scoring
    raw = tracks[list(scoring.space.features)].to_numpy(float)
    axes = pd.DataFrame(scoring.space.to_numpy(raw))
    packed = {
        ARTIST: _by_pandas(ARTIST, tracks, axes, scoring),
        ALBUM: _by_pandas(ALBUM, tracks, axes, scoring),
    }
    given = np.concatenate([raw, *[packed[group] for group in scoring.genres.groups]], axis=1)
    own = keras_factory(bundle)()(given.astype(np.float32))
    artist = tracks[ARTIST].fillna(tracks[TRACK_ID])
    means = pd.DataFrame(own).groupby(artist.to_numpy()).transform("mean").to_numpy()
    genres = _decide(own, means, scoring)
    rows, distances = scoring.synthetic.nearest(axes.to_numpy())
    labels = {
        TRACK_ID: pa.array(tracks[TRACK_ID]),
        "synthetic_genre_id": pa.array(np.array(scoring.synthetic.ids, np.int32)[rows]),
        "synthetic_genre": pa.array(np.array(scoring.synthetic.names)[rows]),
        "synthetic_genre_distance": pa.array(distances.astype(np.float32)),
        **genres,
    }
    Path(output).mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(pa.table(labels), f"{output}/labels.parquet")


def _by_pandas(
    group: str, tracks: pd.DataFrame, axes: pd.DataFrame, scoring: ScoringPart
) -> np.ndarray:
    """A group's packed context of each track."""
    of = tracks[group].fillna(tracks[TRACK_ID])
    other = tracks[ALBUM if group == ARTIST else ARTIST]
    counts = [
        of.groupby(of).transform("count").to_numpy(),
        other.groupby(of).transform("nunique").clip(lower=1).to_numpy(),
    ]
    steps = bins(axes.to_numpy(), scoring.space.edges)
    grouped = axes.groupby(of.to_numpy())
    found = {
        "mean": grouped.transform("mean"),
        "spread": grouped.transform("std", ddof=0),
        "low": grouped.transform("min"),
        "high": grouped.transform("max"),
    }
    for i in range(N_BINS if "bin1" in STATISTICS[group] else 0):
        found[f"bin{i + 1}"] = pd.DataFrame(steps[:, i]).groupby(of.to_numpy()).transform("mean")
    values = [found[name].to_numpy() for name in STATISTICS[group]]
    return np.concatenate([np.stack(counts, axis=1), *values], axis=1)


def label(tracks: DataFrame, bundle: Bundle, judge: Callable, output: str) -> None:
    """Writes the labels from a UDF that gives the CNN's opinion on a packed track."""
    scoring = bundle.manifest.scoring
    groups = scoring.genres.groups
    alone = {g: F.array_repeat(F.lit(float("nan")), _length(g, scoring)) for g in groups}
    contexts = [F.coalesce(context_column(g), alone[g]) for g in groups]
    features = F.array(*scoring.space.imputed().values())
    packed = F.concat(features, *contexts).cast("array<float>")
    in_context = add_context(tracks, scoring.space, groups)
    judged = in_context.select(
        TRACK_ID,
        F.coalesce(key(ARTIST), F.xxhash64(TRACK_ID)).alias("_artist"),
        features.alias("_features"),
        judge(packed).alias("_own"),
    ).persist()
    n = len(scoring.genres.classes)
    mean = F.array(*[F.avg(F.col("_own")[i]) for i in range(n)]).alias("_mean")
    both = judged.join(judged.groupBy("_artist").agg(mean), on="_artist")
    labels = both.select(TRACK_ID, "_features", "_own", "_mean").mapInPandas(
        _finisher(scoring), f"{TRACK_ID} string, {_SYNTHETIC}, {_GENRES}"
    )
    labels.write.mode("overwrite").parquet(output)
    judged.unpersist()


def _finisher(scoring: ScoringPart) -> Callable:
    def finish(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            axes = scoring.space.to_numpy(np.stack(frame["_features"].to_numpy()))
            rows, distances = scoring.synthetic.nearest(axes)
            own, mean = (np.stack(frame[name].to_numpy()) for name in ("_own", "_mean"))
            genres = {name: a.to_pandas() for name, a in _decide(own, mean, scoring).items()}
            yield pd.DataFrame(
                {
                    TRACK_ID: frame[TRACK_ID],
                    "synthetic_genre_id": np.array(scoring.synthetic.ids, np.int32)[rows],
                    "synthetic_genre": np.array(scoring.synthetic.names)[rows],
                    "synthetic_genre_distance": distances.astype(np.float32),
                    **genres,
                }
            )

    return finish


def _decide(own: np.ndarray, mean: np.ndarray, scoring: ScoringPart) -> dict[str, pa.Array]:
    decision: Decision = scoring.genres.new
    found = logits(own, mean, decision.consensus, decision.temperature)
    thresholds = np.full(len(own), decision.threshold)
    return genre_columns(softmax(found), scoring.genres.classes, thresholds)


def keras_factory(bundle: Bundle) -> Callable:
    """As `predict_batch_udf` wants it: opens the model, and gives back what predicts."""
    scoring, file = bundle.manifest.scoring, str(_keras_file(bundle))

    def make() -> Callable[[np.ndarray], np.ndarray]:
        import keras

        model = keras.models.load_model(file)

        def predict(packed: np.ndarray) -> np.ndarray:
            found = model.predict(_tensor(packed, scoring), batch_size=_BATCH, verbose=0)
            weights = np.array([scoring.genres.new.weights])
            return blend(np.asarray(found, np.float64), weights).astype(np.float32)

        return predict

    return make


def _keras_file(bundle: Bundle) -> Path:
    """A Keras network of the bundle's shape: how long it takes does not depend on its weights.

    Bundles hold the network for ONNX Runtime alone, so it is fitted here on tracks made by chance.
    """
    from genre_spark.classifier import network

    file = Path(tempfile.gettempdir()) / f"genre-spark-{bundle.manifest.model_id}.keras"
    if not file.exists():
        scoring, rng, n = bundle.manifest.scoring, np.random.default_rng(0), 600
        shape = (n, scoring.space.n_axes, len(channel_names(scoring.genres.groups)))
        classes = len(scoring.genres.classes)
        sample = network.Labelled(
            rng.normal(size=shape).astype(np.float32), np.arange(n) % classes, np.arange(n), classes
        )
        settings = load_settings(overrides=("epochs=1", "general_epochs=1", "min_steps=0")).network
        network.fit(sample, scoring.genres.groups, settings, seed=0)[0].save(file)
    return file


def _tensor(packed: np.ndarray, scoring: ScoringPart) -> np.ndarray:
    """The CNN's input from features and contexts side by side; a context of NaN is none."""
    n = len(scoring.space.features)
    axes = scoring.space.to_numpy(packed[:, :n].astype(np.float64))
    nearest, _ = scoring.synthetic.nearest(axes)
    contexts, first = {}, n
    for group in scoring.genres.groups:
        values = packed[:, first : (first := first + _length(group, scoring))].astype(np.float64)
        places = pa.array(np.arange(len(values)), mask=np.isnan(values[:, 0]))
        column = lists(values).take(places)
        contexts[group] = unpack(group, column, axes, scoring.space.edges)
    return build(axes, scoring.centroids[nearest], scoring.space.edges, contexts)


def _length(group: str, scoring: ScoringPart) -> int:
    return packed_length(group, scoring.space.n_axes)


def _width(bundle: Bundle) -> int:
    scoring = bundle.manifest.scoring
    lengths = (_length(group, scoring) for group in scoring.genres.groups)
    return len(scoring.space.features) + sum(lengths)


def prepare(spark: SparkSession, path: str, bundle: Bundle) -> DataFrame:
    """The columns that labelling reads of a clean catalogue."""
    return spark.read.parquet(path).select(
        TRACK_ID, ARTIST, ALBUM, *bundle.manifest.scoring.space.features
    )
