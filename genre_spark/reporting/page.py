"""The report: one self-contained page on a bundle, and on a catalogue labelled with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.genre_metrics import ProtocolMetrics
from genre_spark.bundle.manifest import Manifest, ScoringPart
from genre_spark.catalog.rows import RowCounts
from genre_spark.monitoring.drift import ranked
from genre_spark.monitoring.drift_results import OK, Drift
from genre_spark.platform import safe_text
from genre_spark.platform.redaction import redact
from genre_spark.publishing.manifest import Manifest as LabelledManifest
from genre_spark.reporting import accuracy_findings, answers, cluster_answers, text
from genre_spark.reporting.style import Answer
from genre_spark.schema import feature

_MOST_PAIRS = 10


@dataclass(frozen=True)
class Page:
    """The page as HTML that needs nothing beside itself, and the pictures on it."""

    html: str
    answers: Mapping[str, Answer]


def compose(bundle: Bundle, labels: LabelledManifest | None) -> Page:
    """The page on a bundle.

    Parameters
    ----------
    bundle : Bundle
        Of either kind; what it does not have is left out of the page.
    labels : publishing.manifest.Manifest or None
        Of a labelled catalogue.
    """
    manifest = bundle.manifest
    environment = Environment(
        loader=PackageLoader("genre_spark.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update({word.__name__: word for word in _WORDS})
    shown = answers.collect(manifest, labels)
    catalogues = _catalogues(manifest, labels)
    reasons = [reason for rows in catalogues.values() for reason in rows.reasons]
    html = environment.get_template("report.html").render(
        manifest=manifest,
        labels=labels,
        answers=shown,
        profile_name=cluster_answers.profile_name,
        same_tracks=_same_tracks(manifest, labels),
        catalogues=catalogues,
        reasons=list(dict.fromkeys(reasons)),
        synthetic=_synthetic(manifest),
        genres=_genres(manifest),
        thresholds=answers.thresholds(manifest),
        drift=labels.drift if labels else None,
        shifts=ranked(labels.drift) if labels else [],
        far=_far(labels.drift) if labels else "",
        settings=dict(_flat(labels.settings.model_dump())) if labels else {},
    )
    return Page(html, shown)


_WORDS = (
    text.count,
    text.percent,
    text.ratio,
    text.plain,
    text.in_units,
    text.place,
    text.in_text,
    text.never_learned,
)


def _visible(value: Any) -> Any:
    """What a template shows: text from tables and paths is made safe, markup is left as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return safe_text.plain(redact(value))
    return value


# What the page's parts are made of.


def _catalogues(manifest: Manifest, labels: LabelledManifest | None) -> dict[str, RowCounts]:
    """Counts of rows by title of the catalogue."""
    found: dict[str, RowCounts] = {"Model’s catalogue": manifest.data.rows}
    if labels:
        found["Scored catalogue"] = labels.rows
    return found


def _same_tracks(manifest: Manifest, labels: LabelledManifest | None) -> bool:
    return labels is not None and labels.rows.fingerprint == manifest.data.rows.fingerprint


def _far(drift: Drift) -> str:
    """What lies beyond a limit."""
    return text.listed([text.plain(name) for name, one in ranked(drift) if one.level != OK])


def _synthetic(manifest: Manifest) -> dict[str, Any]:
    found = manifest.clusters
    declared = [feature(name) for name in manifest.scoring.scaler.features]
    return {
        "found": found,
        "names": cluster_answers.numbered(found),
        "compared": _compared(manifest.scoring),
        "owner": manifest.scoring.synthetic.owner,
        "rules": {one.id: one for one in found.rules.genres} if found.rules else {},
        # A circle has no median.
        "features": [one for one in declared if one.encoding != "circular"],
        "has_circle": any(one.encoding == "circular" for one in declared),
    }


def _compared(scoring: ScoringPart) -> str:
    """The compared features, those in which artists differ most first."""
    order = sorted(scoring.synthetic.metric.dimensions, key=lambda one: -one.ratio)
    names = dict.fromkeys(scoring.scaler.scaled_features[one.column].feature for one in order)
    return text.listed([text.plain(name) for name in names])


@dataclass(frozen=True)
class _Accuracy:
    """What the page shows of the accuracy of genres."""

    protocols: Mapping[str, ProtocolMetrics]
    pairs: Sequence[tuple[str, str, int, float]]


def _genres(manifest: Manifest) -> _Accuracy | None:
    """What is known of accuracy; None for a bundle without it."""
    protocols, part = answers.protocols(manifest), manifest.scoring.genres
    if not protocols or not part:
        return None
    counts = np.array(protocols[list(protocols)[-1]].confusion)
    return _Accuracy(protocols, _pairs(counts, part.classes))


def _pairs(counts: np.ndarray, classes: Sequence[str]) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes: true genre, label given, tracks, share of the true genre's."""
    wrong = accuracy_findings.mistakes(counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [map(int, np.unravel_index(i, counts.shape)) for i in order if wrong.flat[i]]
    return [
        (classes[t], classes[g], int(counts[t, g]), float(counts[t, g] / counts[t].sum()))
        for t, g in pairs
    ]


def _flat(settings: Mapping[str, Any], start: str = "") -> Iterable[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{name}.")
        else:
            yield start + name, str(value)
