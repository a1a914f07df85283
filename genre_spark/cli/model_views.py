"""Views of models: each a summary for machines, and the parts of a page for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.genre_metrics import Protocol, ProtocolMetrics
from genre_spark.bundle.promotions import ComparedAccuracy, Promotion
from genre_spark.bundle.registry import Entry, ListedManifest
from genre_spark.evaluation.model_comparison import ChangedShare, Difference, Flow, Pairs
from genre_spark.platform.redaction import redact
from genre_spark.reporting.text import PROTOCOLS, one_line, tally

# Pairs of name and value, or a table whose first row is its head.
Part = Mapping[str, str] | Sequence[Sequence[str]]
View = tuple[dict[str, Any], list[Part]]


def listing(entries: Sequence[Entry]) -> View:
    """The models of a registry."""
    head = ("name", "version", "kind", *PROTOCOLS.values(), "made at", "aliases", "id")
    rows = [
        (
            one.name,
            one.version or "",
            one.manifest.kind if one.manifest else "damaged",
            *(_listed_accuracy(one.manifest, protocol) for protocol in PROTOCOLS),
            one.manifest.created_at if one.manifest else "",
            ", ".join(one.aliases),
            one.manifest.model_id if one.manifest else "",
        )
        for one in entries
    ]
    summary = [
        {**dict(zip(head, row, strict=True)), "path": one.path, "aliases": list(one.aliases)}
        for row, one in zip(rows, entries, strict=True)
    ]
    return {"models": summary}, [[head, *rows]] if rows else [{"models": "none"}]


def model(opened: Bundle, promotions: Sequence[Promotion]) -> View:
    """One model, verified, and what it has been promoted to."""
    manifest = opened.manifest
    protocols = manifest.genres.protocols if manifest.genres else {}
    genres = list(manifest.scoring.genres.classes) if manifest.scoring.genres else []
    accuracy = {
        f"accuracy, {title}": f"{protocols[p].accuracy:.3f}" if p in protocols else ""
        for p, title in PROTOCOLS.items()
    }
    summary = {
        "path": opened.source,
        "kind": manifest.kind,
        "model_id": manifest.model_id,
        "created_at": manifest.created_at,
        "genre_spark_version": manifest.genre_spark_version,
        "source_revision": manifest.source_revision,
        "seed": manifest.seed,
        "data": manifest.data.model_dump(mode="json"),
        "features": list(manifest.scoring.scaler.features),
        "synthetic_genres": list(manifest.scoring.synthetic.names),
        "genres": genres,
        "protocols": {name: _numbers(of) for name, of in protocols.items()},
        "promotions": [one.model_dump() for one in promotions],
    }
    pairs = {
        "model": f"{manifest.model_id}, a verified {manifest.kind} bundle",
        "made": f"{manifest.created_at}, genre-spark {manifest.genre_spark_version}",
        "from": f"{manifest.data.source}, {manifest.data.rows.accepted:,} tracks",
        "features": ", ".join(manifest.scoring.scaler.features),
        "synthetic genres": ", ".join(manifest.scoring.synthetic.names),
        "genres": ", ".join(genres),
        **accuracy,
        "promoted": "; ".join(f"{one.alias} {one.at}" for one in promotions),
        "bundle": opened.source,
    }
    return summary, [pairs]


def verdicts(errors: Mapping[str, str | None]) -> View:
    """Which bundles can be trusted."""
    errors = {redact(name): error for name, error in errors.items()}
    shown = {name: error or "verified" for name, error in errors.items()}
    return {
        "verified": [name for name, error in errors.items() if not error],
        "faults": {name: error for name, error in errors.items() if error},
    }, [shown]


def promotion(path: str, given: Promotion) -> View:
    """What a model has become, and on what evidence."""
    pairs = {"promoted": f"{path} is {given.alias}", "model id": given.model_id}
    parts: list[Part] = [pairs]
    if given.evidence:
        rows = [
            (PROTOCOLS[name], f"{one.tracks:,}", f"{one.champion:.4f}", f"{one.candidate:.4f}")
            for name, one in given.evidence.protocols.items()
        ]
        parts = [[("held out", "tracks", "champion so far", "this model"), *rows], pairs]
    return {"path": path, **given.model_dump()}, parts


def difference(found: Difference) -> View:
    """How many labels change, where, and why."""
    genres, synthetic, n = found.genres, found.synthetic_genres, found.tracks
    known = genres.labelled
    pairs = {
        "tracks": f"{n:,}; accepted by one model alone: {found.only_before:,} and"
        f" {found.only_after:,}",
        "genres that change": _of(genres.changed, n),
        "synthetic genres that change": _of(synthetic.changed, n)
        + ("" if synthetic.same_ids else " (other discoveries: their ids are not comparable)"),
        "accepted": tally(genres.accepted).replace("_", " "),
        "accuracy on labelled tracks, training tracks included": f"{_of(known['right_before'], known['tracks'])} before,"
        f" {_of(known['right_after'], known['tracks'])} after",
        "accuracy on artists new to both": _compared(found.new_artists),
        "from → to": _flows(genres.flows),
        "features that supported changed labels": _flows(found.why.features or ()),
    }
    tables = [
        _changed("synthetic genre before", genres.by_synthetic_genre),
        _changed("confidence before, from", genres.by_confidence),
        _changed("artist to the models", found.why.artists),
        _made(found.why.making),
    ]
    summary = found.model_dump(mode="json", by_alias=True)
    return summary, [pairs, *(table for table in tables if len(table) > 1)]


def _flows(flows: Sequence[Flow]) -> str:
    """The largest flows in words."""
    return "; ".join(
        f"{one.before or 'none'} → {one.after or 'none'}: {one.tracks:,}" for one in flows[:10]
    )


def _compared(found: ComparedAccuracy | None) -> str:
    """Accuracies on new artists; empty if nothing can be compared."""
    if not found or not found.tracks:
        return ""
    return (
        f"{found.champion:.4f} before, {found.candidate:.4f} after, on {found.tracks:,} tracks of"
        f" {found.artists:,} artists"
    )


def _listed_accuracy(manifest: ListedManifest | None, protocol: Protocol) -> str:
    protocols = manifest.genres.protocols if manifest and manifest.genres else {}
    return f"{protocols[protocol].accuracy:.3f}" if protocol in protocols else ""


def _numbers(metrics: ProtocolMetrics) -> dict[str, float]:
    """Metrics that are single numbers."""
    return {name: value for name, value in metrics if isinstance(value, int | float)}


def _changed(title: str, found: Mapping[str, ChangedShare]) -> list[tuple[str, ...]]:
    rows = [(name, f"{one.tracks:,}", _of(one.changed, one.tracks)) for name, one in sorted(
            found.items(), key=lambda item: -item[1].changed)]  # fmt: skip
    return [(title, "tracks", "genres that change"), *rows]


def _made(found: Pairs) -> list[tuple[str, ...]]:
    return [
        ("made of, or decides by", "before", "after"),
        *((name, *map(_short, pair)) for name, pair in found.items()),
    ]


def _short(value: Any) -> str:
    parts = value if isinstance(value, list | tuple) else [value]
    return one_line(", ".join(map(str, parts)), 60)


def _of(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else f"{part:,}"
