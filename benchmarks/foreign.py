"""Ways to label without genre-spark's scoring: MLflow's UDFs, and MLlib's forest."""

from pathlib import Path
from typing import Any

import alternatives
import numpy as np
import pandas as pd
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import RandomForestClassifier
from pyspark.ml.feature import IndexToString, StringIndexer
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle.files import Bundle, load
from genre_spark.bundle.manifest import ScoringPart
from genre_spark.features.catalogue_context import add_context
from genre_spark.features.tensor import packed_length
from genre_spark.schema import ALBUM, ARTIST, GENRE, LABELLED_COLUMNS, TRACK_ID, context_column
from genre_spark.scoring.in_memory import COLUMNS

_POINTS, _LABEL, _CHANCES = "points", "label", "probability"
# scikit-learn's forest of the project's baselines has more; MLlib's own default is 20 of depth 5.
_TREES, _DEPTH = 100, 10
_MOST_LABELLED = 5000


def save_for_mlflow(bundle: Bundle, folder: Path, loader: str) -> str:
    """A model of MLflow's, which the loader's module makes of the bundle."""
    import mlflow

    where = str(folder / loader)
    mlflow.pyfunc.save_model(where, loader_module=loader, data_path=str(bundle.path))
    return where


class KerasModel:
    """The CNN alone, in Keras, as MLflow calls it."""

    def __init__(self, path: str):
        self._predict = alternatives.keras_factory(load(path))()

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """The opinions on packed tracks, the only column."""
        return self._predict(np.stack(model_input.iloc[:, 0].to_numpy()))


def _load_pyfunc(data_path: str) -> KerasModel:
    """By its name MLflow finds it."""
    return KerasModel(data_path)


def mlflow_keras(
    spark: SparkSession, tracks: DataFrame, bundle: Bundle, model: str, output: str
) -> None:
    """``mlflow.pyfunc.spark_udf`` with Keras."""
    import mlflow

    udf = mlflow.pyfunc.spark_udf(spark, model, result_type="array<float>", env_manager="local")
    alternatives.label(tracks, bundle, udf, output)


def mlflow_udf(spark: SparkSession, tracks: DataFrame, model: str, output: str) -> None:
    """``mlflow.pyfunc.spark_udf`` as its documentation shows, on artists brought together.

    Where Arrow cuts an artist's tracks into two batches, the UDF cannot know of the others.
    """
    import mlflow

    kinds = ", ".join(f"{name} {LABELLED_COLUMNS[name]}" for name in COLUMNS)
    udf = mlflow.pyfunc.spark_udf(spark, model, result_type=kinds, env_manager="local")
    gathered = tracks.repartition(F.coalesce(ARTIST, TRACK_ID)).sortWithinPartitions(ARTIST)
    found = gathered.select(udf(F.struct(*tracks.columns)).alias("found"))
    found.select("found.*").write.mode("overwrite").parquet(output)


def fit_forest(labelled: DataFrame, bundle: Bundle) -> PipelineModel:
    """MLlib's random forest on what the CNN reads of some labelled tracks."""
    scoring = bundle.manifest.scoring
    sample = labelled.filter(F.col(GENRE).isin(*scoring.genres.classes)).orderBy(TRACK_ID)
    points = _points(sample.limit(_MOST_LABELLED), scoring).persist()
    index = StringIndexer(inputCol=GENRE, outputCol=_LABEL).fit(points)
    forest = RandomForestClassifier(
        featuresCol=_POINTS,
        labelCol=_LABEL,
        probabilityCol=_CHANCES,
        numTrees=_TREES,
        maxDepth=_DEPTH,
        seed=1,
    )
    named = IndexToString(inputCol="prediction", outputCol="named", labels=index.labels)
    fitted = Pipeline(stages=[index, forest]).fit(points)
    points.unpersist()
    return PipelineModel([fitted.stages[1], named])


def mllib_forest(tracks: DataFrame, forest: PipelineModel, bundle: Bundle, output: str) -> None:
    """Labels by the forest, synthetic genres by the nearest center, in Spark's own expressions."""
    scoring, classes = bundle.manifest.scoring, forest.stages[1].getLabels()
    judged = forest.transform(_points(tracks, scoring))
    chances = vector_to_array(_CHANCES)
    pairs = F.array(
        *[
            F.struct(chances[i].cast("float").alias("probability"), F.lit(name).alias("genre"))
            for i, name in enumerate(classes)
        ]
    )
    best = judged.select(TRACK_ID, "nearest", F.sort_array(pairs, asc=False).alias("best"))
    labels = best.select(
        TRACK_ID,
        F.col("nearest.id").alias("synthetic_genre_id"),
        F.col("nearest.name").alias("synthetic_genre"),
        F.sqrt("nearest.distance").cast("float").alias("synthetic_genre_distance"),
        F.col("best")[0]["genre"].alias("genre"),
        F.col("best")[0]["probability"].alias("genre_confidence"),
        (F.col("best")[0]["probability"] >= scoring.genres.new.threshold).alias("genre_accepted"),
        F.slice("best", 1, 3).alias("genre_top3"),
    )
    labels.write.mode("overwrite").parquet(output)


def _points(tracks: DataFrame, scoring: ScoringPart) -> DataFrame:
    """Tracks with all numbers that the CNN reads, and the nearest synthetic genre."""
    in_context = add_context(tracks, scoring.space, scoring.genres.groups)
    contexts = [
        F.coalesce(
            context_column(group),
            F.array_repeat(F.lit(0.0), packed_length(group, scoring.space.n_axes)),
        )
        for group in scoring.genres.groups
    ]
    axes = scoring.space.to_spark()
    points = F.concat(F.array(*axes), *contexts)
    kept = [name for name in (TRACK_ID, GENRE) if name in tracks.columns]
    return in_context.select(
        *kept, array_to_vector(points).alias(_POINTS), _nearest(axes, scoring).alias("nearest")
    )


def _nearest(axes: list[Column], scoring: ScoringPart) -> Column:
    synthetic = scoring.synthetic
    dimensions = synthetic.compared.to_spark(axes)
    centers = [
        F.struct(
            sum((d - c) * (d - c) for d, c in zip(dimensions, center, strict=True)).alias(
                "distance"
            ),
            F.lit(i).alias("id"),
            F.lit(name).alias("name"),
        )
        for center, i, name in zip(synthetic.centers, synthetic.ids, synthetic.names, strict=True)
    ]
    return F.array_min(F.array(*centers))


def labelled_tracks(spark: SparkSession, path: str, bundle: Bundle) -> DataFrame:
    """Tracks of a catalogue with their genres."""
    columns = (TRACK_ID, ARTIST, ALBUM, GENRE, *bundle.manifest.scoring.space.features)
    return spark.read.parquet(path).filter(F.col(GENRE).isNotNull()).select(*columns)
