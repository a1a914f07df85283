"""The model, and the run that labelled a catalogue."""

from typing import Any

from genre_spark.bundle.manifest import Manifest
from genre_spark.reporting.document import Subject, Tile, Topic, facts
from genre_spark.reporting.text import flat, percent, place
from genre_spark.reporting.topics.confidence import thresholds


def topic(subject: Subject) -> Topic:
    """The section on the model."""
    model, labels = subject.model, subject.labels
    pairs = made(model)
    for whose, least in thresholds(model).items():
        pairs[f"accepted from, {whose}"] = percent(least) if least <= 1 else "no label is accepted"
    run = None
    if labels:
        pairs |= {
            "labelled at": labels.scored_at,
            "labelled catalogue": place(labels.source.path),
            "fingerprint of the labelled tracks": labels.rows.fingerprint,
            "labelled by genre-spark": labels.software.get("genre-spark"),
        }
        run = facts("Settings of the scoring run", dict(flat(labels.settings.model_dump())))
    tile = Tile("Model", model.created_at[:10], f"{model.kind} bundle {model.model_id}")
    return Topic("model", "Model", "", [facts("Facts", pairs), run], [tile])


def made(model: Manifest) -> dict[str, Any]:
    """What a model was made from, and what it reads and predicts; absent ones are None."""
    rows, part = model.data.rows, model.scoring.genres
    return {
        "model": f"{model.model_id} ({model.kind})",
        "created at": model.created_at,
        "catalogue": place(model.data.source),
        "tracks": f"{rows.accepted:,} of {rows.read:,} rows",
        "fingerprint of its tracks": rows.fingerprint,
        "seed": model.seed,
        "genre-spark": model.genre_spark_version,
        "source revision": model.source_revision,
        "libraries": [f"{name} {version}" for name, version in model.libraries.items()],
        "features": model.scoring.scaler.features,
        "not used (absent or constant)": model.left_out,
        "genres": part.classes if part else None,
        "uses words": part.reads_text if part else None,
        "target precision": percent(part.acceptance.target) if part else None,
    }
