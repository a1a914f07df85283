"""Floors, and other ways to label: a Keras network called from Spark or from one process.

The alternatives write the same columns from a network of the size of this project's former one (636
kFLOP a track; its weights are random, which takes as long). They read a track with the means and
standard deviations of its artist and album, as Spark's or pandas's aggregations give them, and average
over the artist's tracks. None of them is asked for a quarantine, a manifest or a verified switch.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import ScoringPart
from genre_spark.features.scaling import FeatureScaler
from genre_spark.schema import ALBUM, ARTIST, TRACK_ID
from genre_spark.scoring.worker import genre_columns

_BATCH = 8192
_LAYERS = (480, 400)
_LOGITS = ArrayType(FloatType())
_GENRES = (
    "genre string, genre_confidence float, genre_precision double, genre_accepted boolean,"
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


def save_network(bundle: Bundle, folder: Path) -> str:
    """Saves the Keras network, once; returns its file."""
    import keras

    file = folder / "network.keras"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        layers = [keras.layers.Dense(n, activation="relu") for n in _LAYERS]
        out = keras.layers.Dense(len(bundle.manifest.scoring.genres.classes), "softmax")
        width = 5 * bundle.manifest.scoring.scaler.n_scaled + 2
        keras.Sequential([keras.Input((width,)), *layers, keras.layers.Dense(400), out]).save(file)
    return str(file)


def keras_factory(file: str) -> Callable[[], Callable[[np.ndarray], np.ndarray]]:
    """As `predict_batch_udf` wants it: opens the network, and returns what predicts."""

    def make() -> Callable[[np.ndarray], np.ndarray]:
        import keras

        model = keras.models.load_model(file)
        return lambda rows: model.predict(rows, batch_size=_BATCH, verbose=0)

    return make


def batch_udf(tracks: DataFrame, bundle: Bundle, file: str, output: str) -> None:
    """``pyspark.ml.functions.predict_batch_udf`` with Keras, as its documentation shows."""
    width = 5 * bundle.manifest.scoring.scaler.n_scaled + 2
    udf = predict_batch_udf(
        keras_factory(file),
        return_type=_LOGITS,
        batch_size=_BATCH,
        input_tensor_shapes=[[width]],
    )
    label(tracks, bundle, udf, output)


def pandas_udf(tracks: DataFrame, bundle: Bundle, file: str, output: str) -> None:
    """A plain pandas UDF with Keras."""
    factory = keras_factory(file)

    @F.pandas_udf(_LOGITS)  # type: ignore[attr-defined]
    def predict(series: Iterator[pd.Series]) -> Iterator[pd.Series]:
        network = factory()
        for one in series:
            yield pd.Series(list(network(np.stack(one.to_numpy()))))

    label(tracks, bundle, predict, output)


def mlflow_udf(
    spark: SparkSession, tracks: DataFrame, bundle: Bundle, file: str, output: str
) -> None:
    """``mlflow.pyfunc.spark_udf`` with Keras."""
    import mlflow

    model = Path(file).parent / "mlflow"
    if not model.exists():
        mlflow.pyfunc.save_model(str(model), loader_module=__name__, data_path=file)
    udf = mlflow.pyfunc.spark_udf(
        spark, str(model), result_type="array<float>", env_manager="local"
    )
    label(tracks, bundle, udf, output)


class KerasModel:
    """The network as MLflow calls it."""

    def __init__(self, file: str):
        self._predict = keras_factory(file)()

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Probabilities of the tracks in the only column."""
        return self._predict(np.stack(model_input.iloc[:, 0].to_numpy()))


def _load_pyfunc(data_path: str) -> KerasModel:
    """MLflow finds it by its name."""
    return KerasModel(data_path)


def label(tracks: DataFrame, bundle: Bundle, predict: Callable, output: str) -> None:
    """Writes the labels from a UDF that takes a track's numbers."""
    scoring = bundle.manifest.scoring
    predicted = _with_groups(tracks, scoring.scaler).select(
        TRACK_ID, "_artist", "_features", predict(F.col("_numbers")).alias("_own")
    )
    predicted = predicted.persist()
    n = len(scoring.genres.classes)
    mean = F.array(*[F.avg(F.col("_own")[i]) for i in range(n)]).alias("_mean")
    both = predicted.join(predicted.groupBy("_artist").agg(mean), on="_artist")
    labels = both.select(TRACK_ID, "_features", "_own", "_mean").mapInPandas(
        _finisher(scoring), f"{TRACK_ID} string, {_SYNTHETIC}, {_GENRES}"
    )
    labels.write.mode("overwrite").parquet(output)
    predicted.unpersist()


class _OnSpark:
    """What encodings need, on Spark columns."""

    def __getattr__(self, name: str) -> Callable[..., Column]:
        return getattr(F, name)

    def clip(self, value: Column, low: float, high: float) -> Column:
        return F.least(F.greatest(value, F.lit(low)), F.lit(high))


def _with_groups(tracks: DataFrame, scaler: FeatureScaler) -> DataFrame:
    """Adds ``_features`` (raw) and ``_numbers``: the track, its artist and its album."""
    missing = F.lit(float("nan"))
    features = {name: F.coalesce(F.col(name), missing) for name in scaler.features}
    scaled = {
        f"_scaled{i}": one.encode(_OnSpark(), features[one.feature])
        for i, one in enumerate(scaler.scaled_features)
    }
    keyed = tracks.withColumns(
        {
            **scaled,
            "_artist": F.coalesce(F.xxhash64(ARTIST), F.xxhash64(TRACK_ID)),
            "_album": F.coalesce(F.xxhash64(ALBUM), F.xxhash64(TRACK_ID)),
        }
    )
    numbers = [F.array(*scaled)]
    for group in ("_artist", "_album"):
        totals = keyed.groupBy(group).agg(
            F.concat(
                F.array(*[F.avg(name) for name in scaled]),
                F.array(*[F.stddev_pop(name) for name in scaled]),
                F.array(F.log(F.count(F.lit(1)))),
            ).alias(f"{group}_numbers")
        )
        keyed = keyed.join(totals, on=group)
        numbers.append(F.col(f"{group}_numbers"))
    return keyed.select(
        TRACK_ID,
        "_artist",
        F.array(*features.values()).alias("_features"),
        F.concat(*numbers).cast("array<float>").alias("_numbers"),
    )


def _finisher(scoring: ScoringPart) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def finish(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            scaled = scoring.scaler.to_numpy(np.stack(frame["_features"].to_numpy()))
            own, mean = (np.stack(frame[name].to_numpy()) for name in ("_own", "_mean"))
            columns = {TRACK_ID: pa.array(frame[TRACK_ID]), **_labels(scaled, own + mean, scoring)}
            yield pa.table(columns).to_pandas()

    return finish


def _labels(scaled: np.ndarray, scores: np.ndarray, scoring: ScoringPart) -> dict[str, pa.Array]:
    """Nearest of as many centers as there are synthetic genres, and genres by summed scores."""
    k = len(scoring.synthetic.ids)
    centers = np.random.default_rng(0).normal(size=(k, scaled.shape[1]))
    relative = (centers**2).sum(axis=1) - 2 * scaled @ centers.T
    rows = relative.argmin(axis=1)
    distances = np.linalg.norm(scaled - centers[rows], axis=1)
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    accepted = probabilities.max(axis=1) > 0.9
    return {
        "synthetic_genre_id": pa.array(np.array(scoring.synthetic.ids, np.int32)[rows]),
        "synthetic_genre": pa.array(np.array(scoring.synthetic.names)[rows]),
        "synthetic_genre_distance": pa.array(distances.astype(np.float32)),
        **genre_columns(
            probabilities,
            scoring.genres.classes,
            np.ones(len(accepted), bool),
            np.where(accepted, 0.9, np.nan),
            accepted,
        ),
    }


def single_process(path: str, bundle: Bundle, file: str, output: str) -> None:
    """One process of pandas and Keras, with every core that TensorFlow takes."""
    scoring = bundle.manifest.scoring
    tracks = pd.read_parquet(path)
    scaled = scoring.scaler.to_numpy(tracks[list(scoring.scaler.features)].to_numpy(float))
    frame, parts = pd.DataFrame(scaled), [scaled]
    artist = tracks[ARTIST].fillna(tracks[TRACK_ID]).to_numpy()
    for group in (artist, tracks[ALBUM].fillna(tracks[TRACK_ID]).to_numpy()):
        grouped = frame.groupby(group)
        found = [grouped.transform("mean"), grouped.transform("std", ddof=0)]
        sizes = np.log(grouped[0].transform("count").to_numpy())[:, None]
        parts += [*[one.to_numpy() for one in found], sizes]
    own = keras_factory(file)()(np.concatenate(parts, axis=1).astype(np.float32))
    mean = pd.DataFrame(own).groupby(artist).transform("mean").to_numpy()
    labels = {TRACK_ID: pa.array(tracks[TRACK_ID]), **_labels(scaled, own + mean, scoring)}
    Path(output).mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(pa.table(labels), f"{output}/labels.parquet")


def prepare(spark: SparkSession, path: str, bundle: Bundle) -> DataFrame:
    """The columns that labelling reads of a clean catalogue."""
    texts = [ARTIST, ALBUM, *(["title"] if bundle.manifest.scoring.reads_text else [])]
    names = bundle.manifest.scoring.scaler.features
    return spark.read.parquet(path).select(TRACK_ID, *texts, *names)
