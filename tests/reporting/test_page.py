"""The report: what it shows, what it leaves out, and what it bears."""

import dataclasses
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.generated import (
    make_acceptance,
    make_genre_metrics,
    make_genre_part,
    make_labelled,
    make_manifest,
    make_metric,
    make_metrics,
    make_scaled_feature,
)

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import CatalogueFacts, ScoringPart
from genre_spark.clustering.metric import SyntheticPart
from genre_spark.clustering.results import Change, Discovery
from genre_spark.config import load_settings
from genre_spark.features.scaling import FeatureScaler
from genre_spark.platform.safe_text import markdown
from genre_spark.publishing.manifest import Manifest as LabelledManifest
from genre_spark.reporting import charts, model_card, pages
from genre_spark.reporting.document import Figure, Subject, Table, facts
from genre_spark.reporting.text import percent, present, shown

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
    "without_features": 1,
    "missing": {"tempo": 3},
    "fingerprint": "46f40886baf347a5",
    "reasons": {"duplicate_track_id": 40, "tempo_out_of_range": 20},
    "values": {},
}


def names_of(what, n):
    return tuple(f"{what} {i}" for i in range(n))


TWELVE, SIX = names_of("loud", 12), names_of("genre", 6)


def scaler():
    scaled_features = (
        make_scaled_feature(of, name.removeprefix(of), 0, 1) for name, of in SCALED.items()
    )
    return FeatureScaler(features=FEATURES, scaled_features=tuple(scaled_features))


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
            "tracks": [
                {
                    "track_id": f"t{i}",
                    "title": f"Song {i}",
                    "artist": names[i % len(names)],
                    "album": None,
                }
                for i in range(len(points))
            ],
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
    confusion = np.full((len(classes),) * 2, 1) + 20 * np.eye(len(classes), dtype=int)
    confusion[0, 1] = 9
    return make_metrics(
        classes,
        tracks=int(confusion.sum()),
        accuracy=accuracy,
        importance=importance(classes),
        linked=0.5,
        confusion=confusion.tolist(),
        risk_coverage=[[0.1, 1.0], [0.5, 0.97], [1.0, accuracy]],
        coverage=0.9,
        precision=0.94,
        baselines={"majority": 0.2, "random forest, context": 0.88},
        ladder={"CNN on a track's sound alone": 0.7, "with words": accuracy},
        coverage_at={
            "0.90": {"coverage": 0.95, "precision": 0.91},
            "0.93": {"coverage": 0.9, "precision": 0.94},
        },
        interval={"mean": accuracy, "low": accuracy - 0.02, "high": accuracy + 0.02},
    )


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
    centroids = np.random.default_rng(1).normal(size=(len(names), len(SCALED))).tolist()
    part = make_genre_part(classes, artists=[0]) if classes else None
    if part:
        part = part.model_copy(update={"acceptance": make_acceptance(known=0.7)})
    scoring = ScoringPart(
        scaler=scaler(),
        synthetic=SyntheticPart(
            ids=range(len(names)), names=names, metric=make_metric(scaler()), centers=centroids
        ),
        genres=part,
    )
    measured = {name: metrics(classes) for name in protocols if classes}
    parts = {
        "scoring": scoring,
        "libraries": {"numpy": "2.4.6"},
        "left_out": ("year",),
        "data": CatalogueFacts(source="/home/someone/tracks.parquet", rows=ROWS),
        "clusters": Discovery.model_validate(discovery(names, classes, centroids)),
        "genres": make_genre_metrics(classes, **measured) if classes else None,
    }
    manifest = make_manifest(b"network" if classes else None).model_copy(update=parts)
    return Bundle(Path("bundle"), manifest, None, {})


def with_genres(bundle, **changes):
    genres = bundle.manifest.genres.model_copy(update=changes)
    manifest = bundle.manifest.model_copy(update={"genres": genres})
    return dataclasses.replace(bundle, manifest=manifest)


def with_metrics(bundle, protocol, **changes):
    protocols = bundle.manifest.genres.protocols
    return with_genres(
        bundle, protocols=protocols | {protocol: protocols[protocol].model_copy(update=changes)}
    )


def labels_of(bundle):
    part, names = bundle.manifest.scoring.genres, bundle.manifest.scoring.synthetic.names
    classes = part.classes if part else ()
    limits = {"min_tracks": 1000, "warn_psi": 0.25, "warn_ks": 0.2, "warn_missing": 0.1}
    source = {"path": "s3a://key:secret@bucket/tracks", "format": None, "dataset": {}}
    found = make_labelled(
        model_id=bundle.manifest.model_id,
        source={**source, "fingerprint": "other"},
        rows={**ROWS, "labelled": 940, "quarantined": 60, "fingerprint": "other"},
        labels={
            "synthetic_genres": dict.fromkeys(names, 5),
            "genres": dict.fromkeys(classes, 9),
            "confidence": {"19": 700, "18": 140, "3": 100},
            "accepted": 0.77 if part else None,
            "mean_confidence": 0.9 if part else None,
            "reasons": {
                "synthetic_genre": {name: {"tempo": 3, "mode": 1} for name in names},
                "genre": {name: {"loudness": 2} for name in classes},
            },
        },
        drift={
            "assessed": True,
            "level": "warn",
            "features": {
                name: {
                    "psi": psi,
                    "ks": 0.1,
                    "missing": missing,
                    "missing_before": 0.05,
                    "direction": None,
                    "level": level,
                }
                for name, psi, missing, level in (
                    ("loudness", 0.01, 0.05, "ok"),
                    ("duration_ms", 0.31, 0.2, "warn"),
                    ("tempo", None, 1.0, "warn"),
                )
            },
            "labels": {"genres": {"psi": 0.4, "ks": None, "level": "warn"}},
            "limits": load_settings().drift.model_dump() | limits,
        },
    )
    return found.model_dump(by_alias=True)


def compose(bundle, labels, labelled=None):
    labels = labels and LabelledManifest.model_validate(labels)
    return pages.report(Subject(bundle.manifest, labels, labelled or {}))


def render(bundle, labels):
    return compose(bundle, labels).html


@pytest.fixture(scope="module")
def page():
    bundle = make()
    return render(bundle, labels_of(bundle))


def text_of(page):
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def charts_of(page):
    return json.loads(re.search(r'<script id="page-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def questions(page):
    return set(re.findall(r"<figure[^>]*>\s*<h3>(.*?)</h3>", page))


ALWAYS = {
    "Where are the synthetic genres, and where is an artist?",
    "What distinguishes each?",
    "Why 12 synthetic genres?",
}
OF_GENRES = {
    "Which real genres are in each?",
    "Is the model better than simple baselines?",
    "Which genres are confused?",
    "Is a label with 80% confidence right in 80% of the cases?",
    "How accurate are the most confident labels?",
    "Which features does it use?",
    "Does it use the sound, the words or the labels?",
    "Which features identify each genre?",
}
OF_LABELS = {
    "How many tracks have each synthetic genre?",
    "Which feature supports each synthetic genre most?",
    "Which features and labels have drifted?",
}
OF_BOTH = {
    "How confident are the labels?",
    "How many tracks have each genre?",
    "Which feature supports each genre most?",
}


@pytest.mark.parametrize(
    ("classes", "labelled", "expected"),
    [
        (SIX, True, ALWAYS | OF_GENRES | OF_LABELS | OF_BOTH),
        (SIX, False, ALWAYS | OF_GENRES),
        ((), True, ALWAYS | OF_LABELS),
        ((), False, ALWAYS),
    ],
)
def test_a_page_has_the_figures_for_which_there_are_numbers(classes, labelled, expected):
    bundle = make(classes=classes)
    page = render(bundle, labels_of(bundle) if labelled else None)
    assert questions(page) == expected
    assert ('id="accuracy"' in page) == bool(classes)


def test_the_page_loads_nothing_and_only_its_own_scripts_can_run(page):
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", markup)
    assert not re.search(r"<(link|iframe|object)\b|@import|url\(", markup)
    assert set(re.findall(r'href="(.)', markup)) == {"#"}
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script")
    assert policy.count("'sha256-") == page.count("<script>") == 3
    assert "unsafe-eval" not in policy


def test_every_link_leads_to_a_part_of_the_page_and_no_id_is_repeated(page):
    ids = re.findall(r' id="([^"]+)"', page)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_demands(page, scheme):
    rules = re.findall(r":root \{(.*?)\}", page)[("light", "dark").index(scheme)]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", rules))
    for text in ("ink", "soft", "link", "ok", "warn", "stop"):
        for ground in ("paper", "tint"):
            pair = sorted(luminance(colours[one]) for one in (text, ground))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (text, ground)


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it."""
    shares = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("n", [1, 2, 12, 24, 60])
def test_each_synthetic_genre_has_a_colour_of_its_own_that_carries_white_text(n):
    colours = charts.palette(n)
    assert len(set(colours)) == n
    assert all(1.05 / (luminance(one) + 0.05) >= 4.5 for one in colours)


def tiles(page):
    found = re.findall(r'<a class="tile (\w*)" href="#(\w+)">(.*?)</a>', page, re.DOTALL)
    return {topic + text_of(inner): level for level, topic, inner in found}


def level_of(page, topic):
    return {level for name, level in tiles(page).items() if name.startswith(topic)}


def test_tiles_show_the_gates_and_lead_to_their_sections(page):
    bundle, labels = make(), labels_of(make())
    assert [name.split()[0] for name in tiles(page)] == [
        "data", "confidence", "accuracy", "accuracy", "drift", "model",
    ]  # fmt: skip
    assert list(tiles(page).values()) == ["ok", "ok", "ok", "ok", "warn", ""]
    damaged = labels["rows"] | {"quarantined": 200, "accepted": 800}
    assert level_of(render(bundle, labels | {"rows": damaged}), "data") == {"stop"}
    behind = with_metrics(with_metrics(bundle, "new", accuracy=0.7), "known", accuracy=0.1)
    assert level_of(render(behind, None), "accuracy") == {"warn", "stop"}
    few = labels["drift"] | {"assessed": False}
    assert level_of(render(bundle, labels | {"drift": few}), "drift") == {""}


def test_findings_compare_with_baselines_and_say_what_is_behind():
    text = text_of(render(with_metrics(make(), "new", accuracy=0.7), None))
    assert "known artists 3.0 points ahead of the best baseline, random forest, context." in text
    assert "new artists 18.0 points behind the best baseline" in text
    assert "known artists mostly artist (30.0 points)." in text


def test_remarks_name_what_was_not_measured_and_what_not_to_use():
    bundle = with_genres(make(protocols=("known",)), skipped={"new": "no artists"})
    changes = {"tracks": 29, "accuracy": 0.1, "coverage": 0.0, "precision": None}
    bundle = with_metrics(bundle, "known", never_learned=(HOSTILE[0], "演歌"), **changes)
    text, card = text_of(render(bundle, None)), model_card.render(bundle.manifest)
    for said in (
        "Not measured on new artists: no artists.",
        "only 29 tracks were held out, fewer than 30",
        "accuracy 10.0% is below 20.0%, the accuracy of the most frequent genre",
        "no label reaches a precision of 93%",
    ):
        assert said in text
        assert said in card
    assert "and so never right: <script>alert(1)</script>, 演歌." in text
    assert "Known artists: no label is accepted." in text


def test_the_card_has_the_tables_of_the_page():
    text = model_card.render(make(classes=HOSTILE).manifest)
    assert "| known artists | 164 | 91.0% (89.0–93.0) | 88.0% | random forest, context |" in text
    assert "| 0.93 | 90.0% (94.0% right) | 90.0% (94.0% right) |" in text
    order = [line for line in text.splitlines() if line.startswith("| feature:")]
    assert order[0] == "| feature: duration | 5.0 ± 1.0 |"
    assert text.index("| input: artist | 30.0 ± 1.0 |") < text.index(order[0])
    assert "Stability (adjusted Rand index): 0.93 ± 0.02 over seeds" in text
    assert "12 rules agree with them on 83.0% of 188 unseen tracks." in text
    assert "<script>" not in text.replace(r"\<script\>", "")


@pytest.mark.filterwarnings("error")
def test_a_path_stays_text_in_the_card_whatever_it_holds():
    source = "s3a://KEY:sec/ret@box/a`<img src=x onerror=alert(1)>`b\n# Heading\u202e.parquet"
    manifest = make().manifest
    data = manifest.data.model_copy(update={"source": source})
    card = model_card.render(manifest.model_copy(update={"data": data}))
    (line,) = [one for one in card.splitlines() if one.startswith("| catalogue |")]
    shown = "s3a://***@box/a`<img src=x onerror=alert(1)>`b # Heading\ufffd.parquet"
    assert line == f"| catalogue | {markdown(shown)} |"
    assert "<img" not in line.replace(r"\<img", "")


def test_cards_say_what_people_call_a_synthetic_genre_and_its_typical_tracks(page):
    card = re.search(r'aria-labelledby="genre-3".*?</article>', page, re.DOTALL)[0]
    assert "people call it genre 1 26%, genre 0 21%, genre 5 21%" in text_of(card)
    assert "Typical tracks loud 3 – A title t2 Largest artists loud 3 (9)" in text_of(card)
    row = re.search(r"<bdi>0 loud 0</bdi></th>\s*<td.*?</tr>", page, re.DOTALL)[0]
    shown = re.findall(r"<td[^>]*><bdi>(.*?)</bdi>", row)
    called = "genre 4 31%, genre 3 25%, genre 2 19%"
    assert shown == ["10", "5.0%", called, "0.50", "−7.2", "major", "120", "3.2"]


def test_the_map_shows_labels_of_tracks_that_were_labelled():
    bundle = make()
    row = {"genre": "jazz", "genre_confidence": 0.913}
    page = compose(bundle, labels_of(bundle), {"t7": row}).html
    tracks = charts_of(page)["figures"]["map"]["map"]["layer"][0]["data"]["values"]
    assert tracks[7]["genre"] == "jazz 91%"
    assert tracks[7] | {"x": 0, "y": 0, "genre": ""} == {
        "x": 0, "y": 0, "id": 7, "title": "Song 7", "artist": "loud 7", "album": "",
        "synthetic": "7 loud 7", "genre": "",
    }  # fmt: skip
    assert tracks[8]["genre"] == ""


def test_no_folder_and_no_password_is_shown(page):
    assert "tracks.parquet" in page
    assert "s3a://***@bucket/tracks" in page
    assert "/home/someone" not in page
    assert "key:secret" not in page


def test_hostile_names_are_text_in_markup_and_data_that_no_script_element_ends():
    bundle = make(names=HOSTILE, classes=HOSTILE)
    page = render(bundle, labels_of(bundle))
    data = re.search(r'<script id="page-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1]
    assert "<" not in data
    assert json.loads(data)["figures"]["label-mix"]["genre"]["data"]["values"][0]["name"]
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "<script" not in markup
    assert "onerror=alert(1)&gt;" in markup
    assert not re.search(r"<img", markup)
    assert "{{ manifest }}" in markup
    assert "\u202e" not in page


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
    assert questions(page).isdisjoint(
        ALWAYS - {"What distinguishes each?"} | {"Which real genres are in each?"}
    )
    assert "<dt>Typical tracks" not in page


def test_changes_of_synthetic_genres_are_listed():
    bundle = make()
    change = Change.model_validate(
        {
            "previous": "fedcba9876543210", "tracks": 940, "moved": 0.031, "new": [12], "retired": [],
            "matched": [{"id": 1, "kept": 0.9}], "split": [{"id": 3, "into": [3, 12]}],
            "merged": [{"id": 5, "of": [5, 7]}],
        }
    )  # fmt: skip
    clusters = bundle.manifest.clusters.model_copy(update={"change": change})
    manifest = bundle.manifest.model_copy(update={"clusters": clusters})
    text = text_of(render(dataclasses.replace(bundle, manifest=manifest), None))
    assert "compared with fedcba9876543210 tracks that keep their id 96.9%" in text
    assert "new 12 split 3 into 3, 12 merged 5, 7 into 5" in text


def test_drift_names_what_is_beyond_a_limit_the_farthest_first(page):
    text = text_of(page)
    assert "Beyond a limit: genres, duration and tempo." in text
    assert "Limits: PSI 0.25, KS 0.2, and 10.0% more tracks without a value." in text
    assert "duration 0.310 0.100 20.0% 5.0% beyond a limit" in text
    labels = labels_of(make())
    alike = labels["drift"] | {"features": {}, "labels": {}}
    assert "Nothing is beyond a limit." in render(make(), labels | {"drift": alike})


def test_very_many_genres_stay_a_page_of_bearable_size():
    bundle = make(names_of("quiet slow acoustic", 24), names_of("genre", 114))
    page = render(bundle, labels_of(bundle))
    assert len(page) < 3_000_000
    assert "Shown are the 30 genres with the most mistakes." in page
    assert 'Precision, recall and F1 of each genre</h3> <span class="soft">114 rows' in page


def test_the_same_input_gives_the_same_page_and_labels_of_another_model_are_pointed_out(page):
    bundle = make()
    assert render(bundle, labels_of(bundle)) == page
    assert "another model" not in text_of(page)
    other = text_of(render(bundle, labels_of(bundle) | {"model_id": "f" * 16}))
    assert "labelled by another model, ffffffffffffffff" in other


def test_accepted_labels_of_tracks_that_the_model_learned_from_are_not_the_number_of_the_tile():
    bundle = make(protocols=("known", "known_without_features", "new"))
    labels = labels_of(bundle)
    other = compose(bundle, labels).html
    assert re.search(r"Accepted labels <span.*?<strong>77.0%</strong>", other)
    labels["rows"]["fingerprint"] = bundle.manifest.data.rows.fingerprint
    own = compose(bundle, labels).html
    assert re.search(r"Accepted labels <span.*?<strong>90.0%</strong>", own)
    assert "of held-out known artists, 90.0% of new artists; target" in own
    assert [name.split()[0] for name in tiles(own)].count("accuracy") == 2
    assert "77.0% with the tracks it learned from" in own


def test_an_interval_holds_its_share_and_narrows_with_more_tracks():
    bounds = [charts.wilson(share, 100)[1:] for share in (0.0, 0.5, 1.0)]
    assert all(0 <= low < high <= 1 for low, high in bounds)
    assert bounds[1] == pytest.approx((0.4038, 0.5962), abs=1e-4)
    _, low, high = charts.wilson(0.5, 10_000)
    assert 0.1924 > high - low > 0


def test_one_table_has_the_same_texts_on_the_terminal_and_in_markdown():
    table = Table("T", {"a|b": shown, "share": percent}, [("x*", 0.5), ("y", None)], "n")
    assert table.texts() == [("a|b", "share"), ("x*", "50.0%"), ("y", "–")]
    assert table.markdown() == "| a\\|b | share |\n| --- | --- |\n| x\\* | 50.0% |\n| y | – |\n\nn"
    assert facts("F", {"a": 1, "b": None, "c": ""}).rows == [("a", 1)]


def test_values_without_a_form_are_written_by_their_type_and_absent_ones_left_out():
    assert shown([True, 0.1234567, "a", 3]) == "yes, 0.123457, a, 3"
    assert present({"a": 0, "b": False, "c": None, "d": "", "e": (), "f": percent(None)}) == {
        "a": 0, "b": False,
    }  # fmt: skip


@pytest.mark.parametrize("width", [150, 300, 900])
def test_bars_leave_room_for_their_values_however_narrow_the_chart_is(width):
    (bars, *_) = charts.bars({"a": 0.9}, "t", ".0%", 1.0)["layer"]
    end = bars["encoding"]["x"]["scale"]["domainMax"]["expr"]
    highest = eval(end, {"width": width, "max": max})
    assert width - width / highest == pytest.approx(48)


def test_a_heat_map_of_many_columns_has_upright_names_and_two_columns_of_the_page():
    values, names = np.zeros((1, 9)), names_of("b", 9)
    narrow, broad = (charts.heatmap(values[:, :n], ["a"], names[:n], "t") for n in (8, 9))
    assert [one["encoding"]["x"]["axis"]["labelAngle"] for one in (narrow, broad)] == [-45, -90]
    assert [one["usermeta"]["columns"] for one in (narrow, broad)] == [8, 9]
    for n, kind in ((8, "part"), (9, "part broad")):
        page = render(make(classes=names_of("genre", n)), None)
        assert f'<figure class="{kind}" id="held">' in page


@pytest.mark.parametrize(
    ("share", "text"), [(0.5, "50.0%"), (1, "100.0%"), (0.99999, ">99.9%"), (None, "–")]
)
def test_a_share_is_100_percent_only_if_nothing_is_missing(share, text):
    assert percent(share) == text


def test_every_chart_can_be_drawn_as_a_picture():
    bundle = make(names=HOSTILE, classes=HOSTILE)
    for figure in compose(bundle, labels_of(bundle)).figures:
        assert charts.png(figure).startswith(b"\x89PNG"), figure.name
    points = [{"x": 1, "y": 0}, {"x": 2, "y": 1}]
    one = charts.chart("lines", points, title="x", chosen=1)
    several = Figure("f", "Which?", "This.", {"a": one, "b": one})
    assert charts.png(several).startswith(b"\x89PNG")
