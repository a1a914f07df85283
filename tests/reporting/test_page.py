"""The report: what it shows, what it leaves out, and what it bears."""

import base64
import dataclasses
import html
import io
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.generated import make_acceptance, make_genre_part, make_metric

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest, ScoringPart
from genre_spark.clustering.changes import Change
from genre_spark.clustering.results import Discovery
from genre_spark.clustering.synthetic_part import SyntheticPart
from genre_spark.config import load_settings
from genre_spark.features.scaling import FeatureScaler, ScaledFeature
from genre_spark.features.tensor import N_BINS
from genre_spark.publishing.manifest import Manifest as LabelledManifest
from genre_spark.reporting import charts, model_card, style
from genre_spark.reporting import page as report
from genre_spark.source import Dataset

SCALED = {
    "danceability": "danceability",
    "key_cos": "key",
    "key_sin": "key",
    "loudness": "loudness",
    "mode": "mode",
    "tempo": "tempo",
    "duration_ms": "duration_ms",
}
FEATURES = tuple(dict.fromkeys(SCALED.values()))
MEDIANS = (0.5, 5.0, -7.25, 1.0, 120.4, 195_000.0)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "x" * 200,
    "$\\frac{1$ & 100 %",
    "演歌\n\x07\u202eabc",
    "{{ manifest }}",
)
ROWS = {
    "read": 1000,
    "accepted": 940,
    "duplicates": 40,
    "ambiguous": 7,
    "with_genre": 600,
    "imputed": 3,
    "fingerprint": "46f40886baf347a5",
    "reasons": {"duplicate_track_id": 40, "tempo_out_of_range": 20},
    "values": {},
}


def names_of(what, n):
    return tuple(f"{what} {i}" for i in range(n))


TWELVE, SIX = names_of("loud", 12), names_of("genre", 6)


def scaler():
    edges = tuple(np.linspace(-2, 2, N_BINS + 1).tolist())
    scaled_features = tuple(
        ScaledFeature(name=name, feature=feature, center=0.0, scale=1.0, bin_edges=edges)
        for name, feature in SCALED.items()
    )
    return FeatureScaler(features=FEATURES, medians=MEDIANS, scaled_features=scaled_features)


def discovery(names, genres, centroids):
    found = [synthetic_genre(i, name, genres, centroids[i]) for i, name in enumerate(names)]
    rules = [
        {"id": i, "sentences": ["tempo above 118 BPM"] * (i % 3), "recall": 0.8, "precision": None}
        for i in range(len(names))
    ]
    candidate = {"artist_agreement": 0.8, "stability": 0.9, "smallest": 0.02, "largest": 0.2}
    points = np.random.default_rng(2).normal(size=(200, 2)).tolist()
    return {
        "k": len(names),
        "candidates": [
            {"k": len(names) - i, "silhouette": 0.1 - i / 100, **candidate} for i in range(3)
        ],
        "stability": {"tracks": 940, "seeds": [0.95, 0.91], "bootstraps": [0.92, 0.9]},
        "synthetic_genres": found,
        "relation": {"labelled": 600, "purity": 0.4, "chance": 0.2, "nmi": 0.17}
        if genres
        else None,
        "rules": {"agreement": 0.83, "unseen": 188, "n_leaves": len(names), "genres": rules},
        "map": {
            "points": [[x, y, i % len(names)] for i, (x, y) in enumerate(points)],
            "centers": [[x, y, i] for i, (x, y) in enumerate(points[: len(names)])],
            "genres": [{"name": genre, "x": 0.1, "y": 0.2} for genre in genres],
            "artists": [{"name": name, "x": 0.3, "y": 0.4} for name in names],
        },
        "quality": {
            "tracks": 940,
            "synthetic_genres": quality(8.4),
            "plain_kmeans": quality(3.8),
            "permuted": quality(1.1),
        },
    }


def quality(coherence):
    return {
        "artist_coherence": coherence,
        "held_out_coherence": coherence,
        "album_coherence": None,
        "stability": 0.9,
        "explained_variance": 0.3,
        "adjusted_mutual_information": 0.2,
    }


def synthetic_genre(i, name, genres, centroid):
    return {
        "id": i,
        "name": name,
        "centroid": centroid,
        "size": 10 + i,
        "share": 0.05,
        "medians": dict(zip(FEATURES, MEDIANS, strict=True)),
        "typical": [
            {"track_id": "t1", "artist": name, "title": "A title"},
            {"track_id": "t1 again", "artist": name, "title": "A title"},
            {"track_id": "t2", "artist": None, "title": None},
        ],
        "artists": [{"name": name, "tracks": 9, "share": 0.9}],
        "nearest": [{"id": int(not i), "distance": 1.5 + i}],
        "genres": {genre: 1 + (i + j) % 5 for j, genre in enumerate(genres)},
        "purity": 0.5 if genres else None,
        "lift": dict.fromkeys(genres, 1.25),
    }


def metrics(classes, accuracy=0.91):
    n = len(classes)
    confusion = np.full((n, n), 1) + 20 * np.eye(n, dtype=int)
    confusion[0, 1] = 9
    return {
        "tracks": int(confusion.sum()),
        "accuracy": accuracy,
        "macro_f1": 0.9,
        "top3": 0.99,
        "log_loss": 0.3,
        "ece": 0.021,
        "aurc": 0.034,
        "importance": importance(classes),
        "attainable": 0.9,
        "linked": 0.5,
        "never_learned": [],
        "held_out": "46f40886baf347a5",
        "confusion": confusion.tolist(),
        "per_genre": {
            name: {"precision": 0.5, "recall": 0.25, "f1-score": 1 / 3, "support": 29.0}
            for name in classes
        },
        "reliability": [[0.5, 0.4, 0.2], [0.79, 0.83, 0.8]],
        "risk_coverage": [[0.1, 1.0], [0.5, 0.97], [1.0, accuracy]],
        "coverage": 0.9,
        "precision": 0.94,
        "baselines": {"majority": 0.2, "random forest, context": 0.88},
        "ladder": {"CNN on a track's sound alone": 0.7, "with words": accuracy},
        "coverage_at": {
            "0.90": {"coverage": 0.95, "precision": 0.91},
            "0.93": {"coverage": 0.9, "precision": 0.94},
        },
        "interval": {"mean": accuracy, "low": accuracy - 0.02, "high": accuracy + 0.02},
    }


def importance(classes):
    def loss(mean):
        one = {"mean": mean, "std": 0.01, "per_genre": dict.fromkeys(classes, mean)}
        return {"accuracy": one, "log_likelihood": one}

    return {
        "tracks": 500,
        "repeats": 5,
        "features": {
            name: {"own": loss(0.001 * i), "all": loss(0.01 * i)} for i, name in enumerate(FEATURES)
        },
        "inputs": {"track": loss(0.02), "synthetic genres": loss(0.0), "artist": loss(0.3)},
    }


def make(names=TWELVE, classes=SIX, protocols=("known", "new")):
    """A bundle by hand; without classes a clusters bundle."""
    centroids = np.random.default_rng(1).normal(size=(len(names), len(SCALED))).tolist()
    part = make_genre_part(classes, artists=[0]) if classes else None
    if part:
        part = part.model_copy(update={"acceptance": make_acceptance(known=0.7)})
    manifest = Manifest(
        format_version=1,
        kind="full" if classes else "clusters",
        model_id="0123456789abcdef",
        created_at="2026-01-02T03:04:05+00:00",
        genre_spark_version="0.1.0",
        source_revision=None,
        libraries={"numpy": "2.4.6"},
        seed=20,
        scoring=ScoringPart(
            scaler=scaler(),
            synthetic=SyntheticPart(
                ids=range(len(names)),
                names=names,
                metric=make_metric(scaler()),
                centers=centroids,
            ),
            genres=part or None,
        ),
        left_out=("year",),
        data={"source": "/home/someone/tracks.parquet", "rows": ROWS},
        clusters=discovery(names, classes, centroids),
        genres={
            "classes": classes,
            "target_precision": 0.93,
            "protocols": {name: metrics(classes) for name in protocols},
            "skipped": {},
        }
        if classes
        else None,
    )
    return Bundle(Path("bundle"), manifest, None, {})


def with_genres(bundle, **changes):
    """A bundle that says something else of its accuracy."""
    genres = bundle.manifest.genres.model_copy(update=changes)
    manifest = bundle.manifest.model_copy(update={"genres": genres})
    return dataclasses.replace(bundle, manifest=manifest)


def with_metrics(bundle, protocol, **changes):
    """A bundle with other metrics of a protocol."""
    protocols = bundle.manifest.genres.protocols
    return with_genres(
        bundle, protocols=protocols | {protocol: protocols[protocol].model_copy(update=changes)}
    )


def shift(psi, ks, missing, before, level):
    """How far one feature lies from the model's catalogue."""
    return {
        "psi": psi,
        "ks": ks,
        "missing": missing,
        "missing_before": before,
        "direction": None,
        "level": level,
    }


def labels_of(bundle):
    """The manifest of a catalogue that was labelled with a bundle."""
    part = bundle.manifest.scoring.genres
    return {
        "made_by": "genre-spark",
        "run_id": "0123456789ab",
        "model": {"path": "bundle", "created_at": bundle.manifest.created_at},
        "incremental": {"asked": False, "in_full_because": None},
        "runs": [],
        "checksum": "0" * 16,
        "schema": {},
        "finished_at": "2026-01-03T03:05:05+00:00",
        "seconds": 60.0,
        "files": {},
        "software": {"genre-spark": "0.1.0"},
        "scored_at": "2026-01-03T03:04:05+00:00",
        "model_id": bundle.manifest.model_id,
        "source": {
            "path": "s3a://key:secret@bucket/tracks",
            "format": None,
            "dataset": Dataset().model_dump(),
            "fingerprint": "other",
        },
        "rows": {**ROWS, "labelled": 940, "quarantined": 60, "fingerprint": "other"},
        "labels": {
            "synthetic_genres": dict.fromkeys(bundle.manifest.scoring.synthetic.names, 5),
            "genres": dict.fromkeys(part.classes, 9) if part else {},
            "confidence": {"19": 700, "18": 140, "3": 100},
            "accepted": 0.77 if part else None,
            "mean_confidence": 0.9 if part else None,
            "reasons": {
                "synthetic_genre": {
                    name: {"tempo": 3, "mode": 1}
                    for name in bundle.manifest.scoring.synthetic.names
                },
                "genre": {name: {"loudness": 2} for name in (part.classes if part else ())},
            },
        },
        "drift": {
            "assessed": True,
            "level": "warn",
            "features": {
                "loudness": shift(0.01, 0.02, 0.0, 0.0, "ok"),
                "duration_ms": shift(0.31, 0.1, 0.2, 0.05, "warn"),
                "tempo": shift(None, None, 1.0, 0.0, "warn"),
            },
            "labels": {"genres": {"psi": 0.4, "ks": None, "level": "warn"}},
            "limits": load_settings().drift.model_dump()
            | {"min_tracks": 1000, "warn_psi": 0.25, "warn_ks": 0.2, "warn_missing": 0.1},
        },
        "settings": load_settings().model_dump(),
    }


def render(bundle, labels):
    return report.compose(bundle, labels and LabelledManifest.model_validate(labels)).html


@pytest.fixture(scope="module")
def page():
    bundle = make()
    return render(bundle, labels_of(bundle))


@pytest.fixture
def undrawn(monkeypatch):
    """For tests of words: laying pictures out is what takes the time."""
    monkeypatch.setattr(style, "png", lambda figure: "")


def text_of(page):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))).replace("\xa0", " ")


def images(page):
    return re.findall(r"<img [^>]*>", page)


def test_the_page_is_self_contained(page):
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", page)
    assert not re.search(r"<(script|link|iframe|object)\b|@import|url\(", page)
    assert set(re.findall(r'href="(.)', page)) == {"#"}


def test_text_stands_out_from_its_ground_as_wcag_asks(page):
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", page))
    for text in ("ink", "soft", "link"):
        light, dark = luminance(colours["paper"]), luminance(colours[text])
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_the_page_can_be_walked_through_without_a_mouse(page):
    assert page.index('<a class="skip" href="#main">') < page.index("<nav")
    scrolling = re.findall(r'<div class="scroll"[^>]*>', page)
    assert scrolling
    assert all('tabindex="0"' in one and "aria-label=" in one for one in scrolling)
    assert page.count("<caption>") == page.count("<table")


def test_every_link_leads_to_a_part_of_the_page(page):
    targets = re.findall(r'href="#([^"]+)"', page)
    assert targets
    assert set(targets) <= set(re.findall(r'id="([^"]+)"', page))


def test_every_picture_says_its_finding_and_can_be_decoded(page):
    assert len(images(page)) == len(TWELVE) + 21
    for image in images(page):
        alt, data = re.search(r'alt="([^"]*)"', image)[1], re.search(r'base64,([^"]+)"', image)[1]
        assert re.search(r"\w\. \w.+\.$", alt)
        opened = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        opened.load()
        width, height = re.search(r'width="(\d+)" height="(\d+)"', image).groups()
        assert opened.size == pytest.approx((int(width), int(height)), abs=1)


@pytest.mark.parametrize(
    "question",
    [
        "Where do the synthetic genres lie?",
        "How large is each synthetic genre?",
        "What sets each synthetic genre apart?",
        "Which real genres does each hold?",
        "Can rules tell the synthetic genres apart?",
        "Why this many?",
        "Are the same groups found again?",
        "Is the CNN better than the baselines?",
        "Which genres are confused?",
        "Does 80 % confidence mean 80 % right?",
        "How accurate are the surest labels?",
        "Which features decide?",
        "Is it the sound, the words or the labels?",
        "Which features tell each genre apart?",
        "How sure is the model of this catalogue?",
        "Which genres did the tracks get?",
        "Which synthetic genres did the tracks get?",
        "Which feature speaks most for each genre?",
        "Which feature speaks most for each synthetic genre?",
    ],
)
def test_each_picture_answers_one_question(page, question):
    assert page.count(f"<h3>{question}</h3>") == 1


def test_the_summary_is_one_sentence_with_accuracy_baseline_majority_and_accepted_share(page):
    summary = text_of(re.search(r'<p class="summary">.*?</p>', page, re.DOTALL)[0]).strip()
    assert summary == (
        "940 tracks fall into 12 synthetic genres, which short rules recognise in 83.0 % of 188"
        " unseen tracks; the CNN distinguishes 6 real genres and is right"
        " for 91.0 % of 164 held-out tracks of known artists (best baseline, random forest, context:"
        " 88.0 %; always the largest genre: 20.0 %) and 91.0 % of 164 held-out tracks of new artists"
        " (best baseline, random forest, context: 88.0 %; always the largest genre: 20.0 %);"
        " 77.0 % of the scored catalogue’s labels are sure enough to be accepted."
    )


@pytest.mark.usefixtures("undrawn")
def test_a_cnn_that_is_worse_than_a_baseline_is_reported_as_worse(page):
    text = text_of(render(with_metrics(make(), "new", accuracy=0.7), None))
    assert "the CNN (91.0 %) is 3.0 points ahead of the best baseline" in text
    assert "the CNN (70.0 %) is 18.0 points behind the best baseline" in text


def test_what_decides_is_said_in_words(page):
    text = text_of(page)
    assert (
        "Known artists: most depends on duration; with another track’s, 5.0 % more of the labels"
        in text
    )
    assert "the artist decide most; with another track’s, 30.0 % more of the labels" in text


@pytest.mark.usefixtures("undrawn")
def test_a_protocol_that_was_skipped_is_named_with_its_reason():
    skipped = {"new": "the catalogue names no artists"}
    bundle = with_genres(make(protocols=("known",)), skipped=skipped)
    told = "Not measured on new artists: the catalogue names no artists."
    assert told in text_of(render(bundle, None))
    assert told in model_card.render(bundle.manifest)


@pytest.mark.usefixtures("undrawn")
def test_genres_that_no_protocol_could_evaluate_are_named():
    bundle = with_metrics(make(classes=HOSTILE), "new", never_learned=(HOSTILE[0], "演歌"))
    told = "and so never right: <script>alert(1)</script>, 演歌."
    assert told in text_of(render(bundle, None))
    assert "never right: " in model_card.render(bundle.manifest)


def test_the_model_card_says_how_good_it_is_and_what_decides():
    text = model_card.render(make(classes=HOSTILE).manifest)
    assert "0.910 | 0.900 | 0.990 | 0.021 | 0.034 | 0.90 | 0.880 (random forest, context) |" in text
    order = [line for line in text.splitlines() if line.startswith("| feature")]
    assert order[0] == "| feature: duration | 0.050 ± 0.010 |"
    assert text.index("| input: artist | 0.300 ± 0.010 |") < text.index(order[0])
    assert "<script>" not in text.replace(r"\<script\>", "")


def test_medians_are_in_units_that_people_read(page):
    row = re.search(r"<bdi>0 loud 0</bdi></th>.*?</tr>", page)[0]
    assert re.findall(r"<td>(.*?)</td>", row) == ["10", "0.50", "−7.2", "major", "120", "3.2"]


def test_typical_tracks_are_named_once_and_by_their_id_where_they_have_no_name(page):
    assert "<ul><li><bdi>loud 3 – A title</bdi></li><li><bdi>t2</bdi></li></ul>" in page


def test_rows_and_reasons_of_both_catalogues_are_shown(page):
    text = text_of(page)
    assert "Rows read 1,000 1,000" in text
    assert "Rows quarantined 60 60" in text
    assert "tempo out of range 20 20" in text
    assert "Tracks with one genre, to learn from 600 600" in text


def test_no_folder_and_no_password_is_shown(page):
    assert "tracks.parquet" in page
    assert "s3a://***@bucket/tracks" in page
    assert "/home/someone" not in page
    assert "secret" not in page


def test_agreement_with_real_genres_is_not_called_accuracy(page):
    text = text_of(page)
    assert "unlabelled discoveries" in text
    assert "NMI over all: 0.17." in text
    assert "never an accuracy" in text


@pytest.mark.filterwarnings("error")
def test_a_path_stays_text_in_the_card_whatever_it_holds():
    source = "s3a://KEY:sec/ret@box/a`<img src=x onerror=alert(1)>`b\n# Heading\u202e.parquet"
    manifest = make().manifest
    data = manifest.data.model_copy(update={"source": source})
    card = model_card.render(manifest.model_copy(update={"data": data}))
    (line,) = [one for one in card.splitlines() if "made from" in one]
    shown = "s3a://***@box/a`<img src=x onerror=alert(1)>`b # Heading\ufffd.parquet"
    assert f"made from: `` {shown} ``, " in line


def test_hostile_names_are_escaped_and_do_not_spoil_pictures():
    bundle = make(names=HOSTILE, classes=HOSTILE)
    page = render(bundle, labels_of(bundle))
    assert "<script" not in page
    assert "onerror=alert(1)&gt;" in page
    assert len(images(page)) == len(HOSTILE) + 21
    assert not re.search(r"<img [^>]*onerror", re.sub(r'"[^"]*"', "", page))
    assert "<bdi>{{ manifest }}</bdi>" in page
    assert "\u202e" not in page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("with_labels", [False, True])
def test_a_clusters_bundle_has_no_accuracy_section(with_labels):
    bundle = make(classes=())
    page = render(bundle, labels_of(bundle) if with_labels else None)
    assert 'id="synthetic"' in page
    assert 'id="genres"' not in page
    assert "How sure is the model" not in page
    assert ("Which synthetic genres did the tracks get?" in page) == with_labels
    assert "Which real genres" not in page


@pytest.mark.usefixtures("undrawn")
def test_a_bundle_without_artists_has_known_tracks_only():
    page = render(make(protocols=("known",)), None)
    assert len(images(page)) == len(TWELVE) + 16
    assert "Known artists, 164 held-out tracks. Rows are true genres" in page
    assert "of new artists (best" not in text_of(page)


@pytest.mark.usefixtures("undrawn")
def test_what_an_evaluation_did_not_measure_is_left_out():
    page = render(with_metrics(make(protocols=("known",)), "known", importance=None), None)
    assert "What decides" not in page


@pytest.mark.usefixtures("undrawn")
def test_where_nothing_is_accepted_that_is_reported():
    text = text_of(render(with_metrics(make(), "new", coverage=0.0, precision=None), None))
    assert "New artists: no label is sure enough to be accepted." in text
    assert "Labels of new artists accepted from no confidence is high enough" in text


@pytest.mark.usefixtures("undrawn")
def test_what_was_not_found_about_synthetic_genres_is_left_out():
    bundle = make()
    found = bundle.manifest.clusters
    none = {"artists": (), "nearest": (), "genres": {}, "lift": {}, "typical": ()}
    bare = Discovery(
        k=found.k,
        candidates=found.candidates[:1],
        synthetic_genres=tuple(one.model_copy(update=none) for one in found.synthetic_genres),
    )
    manifest = bundle.manifest.model_copy(update={"clusters": bare})
    page = render(dataclasses.replace(bundle, manifest=manifest), None)
    for question in ("Where do", "Can rules", "Why this many", "found again", "Which real genres"):
        assert f"<h3>{question}" not in page
    assert "Typical tracks</dt>" not in page
    assert len(images(page)) == len(TWELVE) + 2 + 7


@pytest.mark.usefixtures("undrawn")
def test_agreement_of_rules_says_how_many_unseen_tracks_it_rests_on_and_is_no_genre_accuracy():
    text = text_of(render(make(), None))
    assert "On 188 unseen tracks the rules, 12 in all, give 83.0 %" in text
    assert "it says nothing of the accuracy on real genres" in text


@pytest.mark.usefixtures("undrawn")
def test_it_says_how_tracks_are_compared(page):
    bundle = make()
    scoring = bundle.manifest.scoring
    dimensions = [
        one.model_copy(update={"ratio": 2.0 if name == "loudness" else 1.0})
        for one, name in zip(scoring.synthetic.metric.dimensions, SCALED, strict=True)
    ]
    compared = scoring.synthetic.metric.model_copy(update={"dimensions": tuple(dimensions)})
    update = {"metric": compared, "owner": "artist"}
    scoring = scoring.model_copy(update={"synthetic": scoring.synthetic.model_copy(update=update)})
    manifest = bundle.manifest.model_copy(update={"scoring": scoring})
    text = text_of(render(dataclasses.replace(bundle, manifest=manifest), None))
    assert "usual for its artist and by its own features. In this order: loudness, " in text
    assert "each track is compared by its own features alone" in text_of(page)


@pytest.mark.usefixtures("undrawn")
def test_quality_stands_beside_plain_kmeans(page):
    assert (
        "Two tracks of one artist share a synthetic genre 8.4 times as often as by chance; with"
        " plain KMeans 3.8 times." in text_of(page)
    )


@pytest.mark.usefixtures("undrawn")
def test_what_became_of_earlier_synthetic_genres_is_reported():
    bundle = make()
    change = Change.model_validate(
        {
            "previous": "fedcba9876543210",
            "tracks": 940,
            "moved": 0.031,
            "matched": [{"id": 1, "kept": 0.9}],
            "new": [12],
            "retired": [],
            "split": [{"id": 3, "into": [3, 12]}],
            "merged": [{"id": 5, "of": [5, 7]}],
        }
    )
    clusters = bundle.manifest.clusters.model_copy(update={"change": change})
    manifest = bundle.manifest.model_copy(update={"clusters": clusters})
    text = text_of(render(dataclasses.replace(bundle, manifest=manifest), None))
    assert "What became of the synthetic genres of model fedcba9876543210" in text
    assert "Tracks whose synthetic genre changed 3.1 % of 940" in text
    assert "New 12 Retired none Split: 3 into 3, 12 Merged into 5 5, 7" in text


@pytest.mark.usefixtures("undrawn")
def test_how_frequent_synthetic_genres_are_is_held_to_the_catalogue_of_the_model():
    bundle = make()
    labels = labels_of(bundle)
    labels["labels"]["synthetic_genres"] = {"loud 0": 60, "loud 1": 40}
    text = text_of(render(bundle, labels))
    assert "that of loud 0: 60.0 % of the 100 scored tracks, 5.0 % of the model’s" in text


def test_what_is_unlike_the_catalogue_of_the_model_is_named_the_farthest_first(page):
    text = text_of(page)
    assert "Is this catalogue like the model’s? Not in everything; beyond a limit: genres, " in text
    assert "beyond a limit: genres, duration and tempo. " in text
    assert "The limits are PSI 0.25, KS 0.2, and 10.0 % of the tracks more without a value." in text
    assert "duration 0.310 0.100 20.0 % 5.0 % yes" in text
    assert "loudness 0.010 0.020 0.0 % 0.0 % no tempo – – 100.0 % 0.0 % yes" in text
    assert "genres 0.400 – – – yes" in text


@pytest.mark.usefixtures("undrawn")
def test_a_catalogue_is_reported_as_alike_or_not_assessed():
    bundle = make()
    labels = labels_of(bundle)
    measured = labels.pop("drift")
    alike = measured | {"features": {}, "labels": {}}
    assert "Yes: nothing lies beyond a limit." in render(bundle, labels | {"drift": alike})
    few = measured | {"assessed": False}
    assert "Of fewer than 1,000 tracks nothing can be concluded" in render(
        bundle, labels | {"drift": few}
    )


@pytest.mark.usefixtures("undrawn")
def test_labels_of_another_model_are_pointed_out(page):
    bundle = make()
    other = render(bundle, labels_of(bundle) | {"model_id": "f" * 16})
    assert "labelled by another model, ffffffffffffffff" in other
    assert "another model" not in page


def test_very_many_genres_stay_a_page_of_bearable_size():
    bundle = make(names_of("quiet slow acoustic", 24), names_of("genre", 114))
    page = render(bundle, labels_of(bundle))
    assert len(page) < 2_000_000
    assert "Drawn are the 30 genres with the most mistakes." in page
    assert "<summary>Precision, recall and F1 of each genre (114)</summary>" in page


def test_two_genres_and_two_synthetic_genres_are_enough():
    assert len(images(render(make(names_of("a", 2), names_of("b", 2)), None))) == 2 + 16


def test_the_same_input_gives_the_same_page(page):
    bundle = make()
    assert render(bundle, labels_of(bundle)) == page


def test_names_in_pictures_are_one_short_line_that_is_no_mathematics():
    assert style.shorten("a\n b\x00c") == "a b c"
    assert style.shorten("x" * 200) == "x" * 29 + "…"
    assert style.shorten("$a$") == r"\$a\$"
    assert style.shorten("演歌") == "□□"


def test_drawing_leaves_no_figure_and_no_setting_behind(page):
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        style.png(charts.bars(["a"], [1]))
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


def test_an_interval_holds_its_share_and_narrows_with_more_tracks():
    _, low, high = charts.interval(np.array([0.0, 0.5, 1.0]), 100)
    assert np.all((low >= -1e-12) & (high <= 1 + 1e-12) & (low < high))
    assert (low[1], high[1]) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    _, lower, higher = charts.interval(0.5, 10_000)
    assert high[1] - low[1] > higher - lower > 0
