"""What people are told of models: each a summary for machines, and the parts of a page for people."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.registry import Entry, Promotion
from genre_spark.evaluation.model_comparison import largest
from genre_spark.reporting.text import PROTOCOLS

# Pairs of name and value, or a table whose first row is its head.
Part = Mapping[str, str] | Sequence[Sequence[str]]
Told = tuple[dict[str, Any], list[Part]]

_MOST_LINES = 10


def listing(entries: Sequence[Entry]) -> Told:
    """The models of a registry."""
    head = ("name", "version", "kind", *PROTOCOLS.values(), "made at", "aliases", "id")
    rows = [
        (
            one.name,
            one.version or "",
            one.manifest.get("kind", "damaged"),
            *(_accuracy(one.manifest, protocol) for protocol in PROTOCOLS),
            one.manifest.get("created_at", ""),
            ", ".join(one.aliases),
            one.manifest.get("model_id", ""),
        )
        for one in entries
    ]
    summary = [
        {**dict(zip(head, row, strict=True)), "path": one.path, "aliases": list(one.aliases)}
        for row, one in zip(rows, entries, strict=True)
    ]
    return {"models": summary}, [[head, *rows]] if rows else [{"models": "none"}]


def model(opened: Bundle, promotions: Sequence[Promotion]) -> Told:
    """One model, verified, and what it has been promoted to."""
    manifest = opened.manifest
    rows = manifest.data.get("rows", {})
    genres = list(manifest.scoring.genres.classes) if manifest.scoring.genres else []
    measured = {p: _accuracy(manifest.model_dump(), p) for p in PROTOCOLS}
    accuracy = {f"accuracy, {PROTOCOLS[p]}": n for p, n in measured.items()}
    summary = {
        "path": str(opened.path),
        "kind": manifest.kind,
        "model_id": manifest.model_id,
        "created_at": manifest.created_at,
        "genre_spark_version": manifest.genre_spark_version,
        "source_revision": manifest.source_revision,
        "seed": manifest.seed,
        "data": manifest.data,
        "features": list(manifest.scoring.space.features),
        "synthetic_genres": list(manifest.scoring.synthetic.names),
        "genres": genres,
        "protocols": _plain((manifest.genres or {}).get("protocols", {})),
        "promotions": [asdict(one) for one in promotions],
    }
    pairs = {
        "model": f"{manifest.model_id}, a verified {manifest.kind} bundle",
        "made": f"{manifest.created_at}, genre-spark {manifest.genre_spark_version}",
        "from": f"{manifest.data.get('source')}, {rows.get('accepted', 0):,} tracks",
        "features": ", ".join(manifest.scoring.space.features),
        "synthetic genres": ", ".join(manifest.scoring.synthetic.names),
        "genres": ", ".join(genres),
        **accuracy,
        "promoted": "; ".join(f"{one.alias} {one.at}" for one in promotions),
        "bundle": str(opened.path),
    }
    return summary, [pairs]


def verdicts(faults: Mapping[str, str | None]) -> Told:
    """Which bundles can be trusted."""
    told = {name: fault or "verified" for name, fault in faults.items()}
    return {
        "verified": [n for n, f in faults.items() if not f],
        "faults": {n: f for n, f in faults.items() if f},
    }, [told]


def promotion(path: str, given: Promotion) -> Told:
    """What a model has become, and on what evidence."""
    pairs = {"promoted": f"{path} is {given.alias}", "model id": given.model_id}
    parts: list[Part] = [pairs]
    if given.evidence:
        head = ("held out", "tracks", "champion so far", "this model")
        rows = [
            (
                PROTOCOLS[name],
                f"{one['tracks']:,}",
                f"{one['champion']:.4f}",
                f"{one['candidate']:.4f}",
            )
            for name, one in given.evidence["protocols"].items()
        ]
        parts = [[head, *rows], pairs | {"trusts": given.evidence.get("trusts", "")}]
    return {"path": path, **asdict(given)}, parts


def difference(found: Mapping[str, Any]) -> Told:
    """How many labels change, where, and why."""
    genres, synthetic, n = found["genres"], found["synthetic_genres"], found["tracks"]
    labelled, accepted = genres["labelled"], genres["accepted"]
    alone = f"{found['only_before']:,} and {found['only_after']:,}"
    pairs = {
        "tracks": f"{n:,}; accepted by one model alone: {alone}",
        "genres that change": _of(genres["changed"], n),
        "synthetic genres that change": _of(synthetic["changed"], n)
        + ("" if synthetic["same_ids"] else " (other discoveries: their ids are not comparable)"),
        "accepted": ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in accepted.items()),
        "right, where the catalogue knows": f"{_of(labelled['right_before'], labelled['tracks'])}"
        f" before, {_of(labelled['right_after'], labelled['tracks'])} after",
        "from → to": "; ".join(largest(genres["flows"], _MOST_LINES)),
        "features that spoke": "; ".join(largest(found["why"].get("features", []), _MOST_LINES)),
    }
    tables = [
        _changed("synthetic genre before", genres["by_synthetic_genre"]),
        _changed("confidence before, from", genres["by_confidence"]),
        _changed("artist to the models", found["why"]["artists"]),
        _made(found["why"]["making"]),
    ]
    return dict(found), [pairs, *(table for table in tables if len(table) > 1)]


def _accuracy(manifest: Mapping[str, Any], protocol: str) -> str:
    protocols = (manifest.get("genres") or {}).get("protocols", {})
    return f"{protocols[protocol]['accuracy']:.3f}" if protocol in protocols else ""


def _plain(protocols: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics of each protocol that are single numbers."""
    return {
        name: {key: value for key, value in of.items() if isinstance(value, int | float)}
        for name, of in protocols.items()
    }


def _changed(title: str, found: Mapping[str, Mapping[str, int]]) -> list[tuple[str, ...]]:
    rows = sorted(found.items(), key=lambda item: -item[1]["changed"])
    told = [(name, f"{one['tracks']:,}", _of(one["changed"], one["tracks"])) for name, one in rows]
    return [(title, "tracks", "genres that change"), *told]


def _made(found: Mapping[str, Sequence[Any]]) -> list[tuple[str, ...]]:
    told = [(name, *map(_short, pair)) for name, pair in found.items()]
    return [("made of, or decides by", "before", "after"), *told]


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _of(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else f"{part:,}"
