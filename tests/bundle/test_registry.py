"""Models with names: where they are found, what their aliases mean, and who may become champion."""

import json
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
from pydantic import ValidationError
from support.edits import FEATURES, KNOWN, SETTINGS, start
from support.generated import (
    make_genre_metrics,
    make_manifest,
    make_metrics,
    with_scoring,
    write_bundle,
)
from support.networks import make_network

from genre_spark import api
from genre_spark._model import now
from genre_spark.bundle import files
from genre_spark.bundle import registry as models
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.registry import ComparedAccuracy, Evidence, Promotion
from genre_spark.catalog.catalogue import Source
from genre_spark.cli import cli, views
from genre_spark.config import load_settings
from genre_spark.errors import BundleError, ConfigError, GateError, OutputError
from genre_spark.evaluation import model_comparison, promotion_gate
from genre_spark.platform.storage import LocalStorage
from genre_spark.source import Dataset

NETWORK = make_network(scaled=4)
UNHEARD = "unheard"


def make_bundle(path, accuracy=0.9, seed=1, kind="full"):
    # Each version is another model.
    network = make_network(seed=sum(path.name.encode()), scaled=4) if kind == "full" else None
    manifest = make_manifest(network, features=FEATURES).model_copy(update={"seed": seed})
    if network:
        genres = make_genre_metrics(known=make_metrics(accuracy=accuracy))
        manifest = manifest.model_copy(update={"genres": genres})
    write_bundle(path, manifest, network)
    return manifest.model_id


@pytest.fixture
def registry(tmp_path):
    """Three versions of one model, each a little worse, and a bundle without a version."""
    root = tmp_path / "registry"
    for version, accuracy in (("1", 0.9), ("2", 0.9), ("3", 0.88)):
        make_bundle(root / "mine" / version, accuracy)
    make_bundle(root / "alone", kind="clusters")
    return root


def promote(registry, version, **options):
    arguments = {"alias": "champion", "source": None, "settings": SETTINGS, **options}
    bundle = models.open_bundle(lambda: None, f"{registry}/mine/{version}", str(registry))
    return promotion_gate.promote(None, bundle, **arguments)


def crown(registry, version):
    """Makes a version the champion, as if it had met the gate."""
    folder = registry / "mine"
    model_id = json.loads((folder / version / files.MANIFEST).read_text())["model_id"]
    given = Promotion(alias="champion", version=version, model_id=model_id, at=now())
    seen = len(models.promotions(LocalStorage(), str(folder)))
    models.promote(LocalStorage(), str(folder), given, seen)


def located(reference, registry):
    return models.locate(lambda: None, reference, str(registry))


def command(*arguments, capsys=None):
    cli.main([str(part) for part in ("models", *arguments)], standalone_mode=False)
    return capsys and json.loads(capsys.readouterr().out)


def test_a_model_is_found_by_its_path_its_version_or_its_alias(registry):
    promote(registry, "1")
    there = f"{registry}/mine/1"
    for reference in (there, "mine/1", "mine@champion", f"{registry}/mine@champion"):
        assert located(reference, registry) == there
    assert located("alone", registry) == f"{registry}/alone"


def test_what_stands_at_a_path_goes_before_what_has_the_name(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_bundle(tmp_path / "mine" / "1")
    assert located("mine/1", registry) == "mine/1"
    assert located("mine/2", registry) == f"{registry}/mine/2"
    assert located("nowhere", registry) == "nowhere"


@pytest.mark.parametrize(
    "uri", ["abfs://box@account.dfs.core.windows.net/mine/1", "s3a://box/mine/1", "hdfs:///mine"]
)
def test_a_uri_is_a_path_whatever_signs_it_has(uri, registry):
    assert located(uri, registry) == uri


def test_a_bundle_in_an_object_store_is_named_by_its_uri_without_the_password(
    registry, monkeypatch
):
    def download(path, target, limit):
        shutil.copytree(registry / "mine" / "1", target)

    monkeypatch.setattr(models, "storage_at", lambda *_: SimpleNamespace(download=download))
    opened = models.open_bundle(lambda: None, "s3a://KEY:secret@box/mine/1", "models")
    assert opened.source == "s3a://***@box/mine/1"


def test_an_alias_that_was_never_given_is_refused_with_those_that_were(registry):
    promote(registry, "1", alias="challenger")
    with pytest.raises(BundleError, match="has no champion; aliases given so far: challenger"):
        located("mine@champion", registry)


def test_an_alias_never_leads_to_another_bundle_than_it_was_given_to(registry):
    promote(registry, "1")
    shutil.rmtree(registry / "mine" / "1")
    with pytest.raises(BundleError, match="its model_id is unreadable, was"):
        located("mine@champion", registry)
    make_bundle(registry / "mine" / "1", kind="clusters")
    with pytest.raises(BundleError, match="is not the model that became champion"):
        located("mine@champion", registry)


def test_the_latest_promotion_counts_and_the_others_are_kept(registry):
    crown(registry, "1")
    crown(registry, "2")
    promote(registry, "3", alias="challenger")
    made = models.promotions(LocalStorage(), str(registry / "mine"))
    assert [(one.alias, one.version) for one in made] == [
        ("champion", "1"), ("champion", "2"), ("challenger", "3"),
    ]  # fmt: skip
    found = {one.version: one.aliases for one in models.entries(lambda: None, str(registry))}
    assert found == {None: (), "1": (), "2": ("champion",), "3": ("challenger",)}


def promotion(evidence=None):
    return Promotion(alias="champion", version="1", model_id="id", at=now(), evidence=evidence)


def test_of_two_promotions_at_once_one_is_refused_on_any_storage(storage, registry):
    folder, given = f"file://{registry}/mine", promotion(Evidence(by="catalogue", protocols={}))
    models.promote(storage, folder, given, seen=0)
    with pytest.raises(OutputError, match="another promotion was made meanwhile"):
        models.promote(storage, folder, given, seen=0)
    for reader in (storage, LocalStorage()):
        assert models.promotions(reader, folder) == [given]


def test_a_promotion_that_cannot_be_read_is_refused_and_not_skipped(registry):
    crown(registry, "1")
    crown(registry, "2")
    (registry / "mine" / "_promotions" / "000002.json").write_text('{"alias": "cham')
    with pytest.raises(BundleError, match=r"000002\.json: is damaged"):
        located("mine@champion", registry)


def promote_with(registry, **changes):
    """Promotes version 1; the promotion's file says something else."""
    promote(registry, "1")
    file = registry / "mine" / "_promotions" / "000001.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("version", ["../../outside", "..", ".", "", "a/b", 3, None])
def test_a_promotion_that_leads_out_of_its_model_is_refused(registry, version):
    promote_with(registry, version=version)
    make_bundle(registry.parent / "outside")
    with pytest.raises(BundleError, match=r"000001\.json: is damaged"):
        located("mine@champion", registry)


@pytest.mark.parametrize(
    "content",
    ["[]", "3", '{"kind": 3}', '{"genres": "x"}', "{", "[" * 100_000, "\xff"],
)
def test_a_bundle_that_cannot_be_listed_does_not_hide_the_others(registry, capsys, content):
    (registry / "mine" / "2" / "bundle.json").write_bytes(content.encode("latin-1"))
    listed = command("list", "--registry", registry, "--json", capsys=capsys)["models"]
    assert [(one["version"], one["kind"]) for one in listed] == [
        ("", "clusters"), ("1", "full"), ("2", "damaged"), ("3", "full"),
    ]  # fmt: skip


@pytest.mark.parametrize("accuracy", [float("nan"), 1.5, -1, "high", None])
def test_no_bundle_states_an_accuracy_that_cannot_be(accuracy):
    with pytest.raises(ValidationError, match="accuracy"):
        make_metrics(accuracy=accuracy)


def test_a_champion_gives_way_only_after_a_comparison_on_a_catalogue(registry):
    promote(registry, "1")
    for source in (None, Source("tracks.csv", Dataset())):
        with pytest.raises(ConfigError, match=r"give labelled tracks to .* --catalog PATH"):
            promote(registry, "2", source=source)
    assert located("mine@champion", registry).endswith("/1")
    assert promote(registry, "2", alias="challenger").evidence is None
    assert promote(registry, "1").evidence is None


@pytest.mark.parametrize(("max_loss", "candidate"), [(0.0, 0.9), (0.02, 0.88), (0.0, 0.95)])
def test_a_candidate_may_lose_as_much_accuracy_as_is_allowed(max_loss, candidate):
    promotion_gate.check(compared(0.9, candidate), max_loss)


def test_a_less_accurate_candidate_is_refused_with_both_accuracies():
    with pytest.raises(GateError) as refused:
        promotion_gate.check(compared(0.9, 0.88), 0.01)
    assert refused.value.exit_code == 5
    assert str(refused.value) == (
        "not promoted: accuracy on new artists is 0.8800, the champion's 0.9000 on the same"
        " 200 tracks; it may lose 0.01. Keep the champion, or allow more with --set max_loss=X"
    )


def compared(champion, candidate):
    measured = ComparedAccuracy(tracks=200, champion=champion, candidate=candidate)
    return Evidence(by="catalogue", protocols={"new": measured})


def test_promotions_of_earlier_versions_are_still_read(registry):
    evidence = {"by": "splits", "trusts": "accuracies", "protocols": {}}
    promote_with(registry, evidence=evidence)
    assert located("mine@champion", registry).endswith("/1")


def test_a_rollback_leads_to_a_model_that_had_the_alias_and_to_no_other(registry):
    promote(registry, "2", alias="challenger")
    crown(registry, "3")
    crown(registry, "1")
    with pytest.raises(BundleError, match="has never been champion; promote it without --rollback"):
        promote(registry, "2", rollback=True)
    assert promote(registry, "3", rollback=True).evidence is None
    assert located("mine@champion", registry).endswith("/3")
    # Other aliases may go back too, and forth without a comparison.
    promote(registry, "1", alias="challenger")
    assert promote(registry, "2", alias="challenger", rollback=True).version == "2"
    # Another model has the name of an earlier champion.
    shutil.rmtree(registry / "mine" / "1")
    shutil.copytree(registry / "mine" / "2", registry / "mine" / "1")
    with pytest.raises(BundleError, match="has never been champion"):
        promote(registry, "1", rollback=True)
    assert located("mine@champion", registry).endswith("/3")


def test_a_clusters_bundle_is_no_champion_but_may_have_any_other_alias(registry):
    make_bundle(registry / "mine" / "5", kind="clusters")
    with pytest.raises(BundleError, match="which has no accuracy"):
        promote(registry, "5")
    assert promote(registry, "5", alias="discovery").alias == "discovery"


def test_what_could_not_be_found_again_is_not_promoted(registry, capsys):
    with pytest.raises(ConfigError, match="--alias 1st: should be letters"):
        promote(registry, "1", alias="1st")
    with pytest.raises(BundleError, match="alone: has no version"):
        command("promote", "alone", "--alias", "x", "--registry", registry)
    assert not (registry / "_promotions").exists()


def test_the_commands_report_what_the_registry_holds(registry, capsys):
    where = ("--registry", registry, "--json")
    given = command("promote", "mine/1", *where, capsys=capsys)
    assert (given["alias"], given["version"]) == ("champion", "1")
    listed = command("list", *where, capsys=capsys)["models"]
    assert [one["version"] for one in listed] == ["", "1", "2", "3"]
    assert listed[1]["aliases"] == ["champion"]
    assert listed[1]["known artists"] == "0.900"
    shown = command("show", "mine@champion", *where, capsys=capsys)
    assert shown["path"] == f"{registry}/mine/1"
    assert shown["promotions"][0]["alias"] == "champion"
    assert len(command("verify", *where, capsys=capsys)["verified"]) == 4


def test_the_commands_have_output_for_people_too(registry, capsys):
    command("promote", "mine/1", "--registry", registry)
    command("list", "--registry", registry)
    shown = capsys.readouterr().out
    assert f"promoted: {registry}/mine/1 is champion" in shown
    assert "mine\t2\tfull\t0.900\t" in shown
    given = promotion(compared(0.9, 0.95))
    assert ("new artists", "200", "0.9000", "0.9500") in views.promotion("a", given)[1][0]


def test_verify_names_every_bundle_that_cannot_be_trusted(registry, capsys):
    (registry / "mine" / "2" / "cnn.onnx").write_bytes(b"other")
    (registry / "mine" / "3" / "model_card.md").unlink()
    with pytest.raises(BundleError, match="2 of 4 bundles"):
        command("verify", "--registry", registry, "--json")
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert [name.rsplit("/", 1)[1] for name in faults] == ["2", "3"]


def test_verify_shows_no_password_of_a_path():
    summary, parts = views.verdicts({"s3://u:secret@b/a": "bad", "s3://u:secret@b/c": None})
    assert "secret" not in str((summary, parts))


def test_a_registry_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BundleError, match="no such registry"):
        command("list", "--registry", tmp_path / "nowhere")


@pytest.fixture(scope="module")
def pair(spark, models, tmp_path_factory):
    """Two opened models that have learned from other artists, and labelled tracks on the disk."""
    folder = tmp_path_factory.mktemp("pair")
    table = folder / "tracks.parquet"
    tracks = start(120).astype(dict.fromkeys(FEATURES, float))
    # Neither model knows this genre: both are wrong on it, whatever they say.
    tracks.loc[tracks.index % 5 == 0, "genre"] = UNHEARD
    tracks.to_parquet(table)
    opened = [api.open_model(spark, models[name]) for name in ("model", "other artists known")]
    return Source(str(table), Dataset()), *opened


@pytest.fixture(scope="module")
def told(pair):
    """What either model says of the tracks, without Spark, beside what the catalogue says."""
    single = pytest.importorskip(
        "genre_spark.scoring.in_memory", reason="the extra `mlflow` is absent"
    )
    source, *opened = pair
    tracks = pd.read_parquet(source.path)
    found = [single.InMemoryScorer(one, max_imputed=1).label(tracks) for one in opened]
    return tracks, *found


def test_the_catalogue_gate_counts_tracks_of_artists_new_to_both(spark, pair, told):
    source, champion, candidate = pair
    tracks, before, after = told
    known = {*KNOWN["model"], *KNOWN["other artists known"]}
    usable = tracks["genre"] != UNHEARD
    unseen = ~tracks["artist"].isin(known) & usable
    assert 0 < unseen.sum() < usable.sum() < len(tracks)
    settings = load_settings(overrides=("max_imputed=1", "least_tracks=5", "least_artists=2"))
    found = promotion_gate.compared(spark, source, champion, candidate, settings)
    (one,) = found.protocols.values()
    assert one.tracks == unseen.sum()
    assert one.artists == tracks["artist"][unseen].nunique()
    assert one.labelled == usable.sum()
    for side, labels in (("champion", before), ("candidate", after)):
        right = (labels["genre"] == tracks["genre"])[unseen].mean()
        assert getattr(one, side) == pytest.approx(right, abs=1e-6)
    with pytest.raises(GateError, match=r"are new to both models; 100 of 20 are needed"):
        promotion_gate.compared(spark, source, champion, candidate, SETTINGS)


def test_a_model_that_names_no_artists_is_not_compared_on_a_catalogue(spark, pair):
    source, champion, candidate = pair
    part = candidate.manifest.scoring.genres.model_copy(update={"has_artists": False})
    manifest = with_scoring(candidate.manifest, candidate.onnx, genres=part)
    silent = Bundle(candidate.path, manifest, candidate.onnx, candidate.profile)
    with pytest.raises(GateError, match="does not record the artists that it has learned from"):
        promotion_gate.compared(spark, source, champion, silent, SETTINGS)


def test_diff_reports_how_many_labels_change_and_where(spark, pair, told):
    source, one, other = pair
    tracks, before, after = told
    found = model_comparison.compare(spark, source, one, other, SETTINGS, explain=True)
    changed = before["genre"] != after["genre"]
    genres = found.genres
    assert found.tracks == len(tracks)
    assert genres.changed == changed.sum() > 0
    flows = pd.crosstab(before["genre"][changed], after["genre"][changed])
    assert {(f.before, f.after): f.tracks for f in genres.flows} == {
        (a, b): n for a, row in flows.iterrows() for b, n in row.items() if n
    }
    for by in (genres.by_synthetic_genre, genres.by_confidence, found.why.artists):
        assert sum(part.tracks for part in by.values()) == len(tracks)
        assert sum(part.changed for part in by.values()) == changed.sum()
    assert genres.labelled["right_after"] == (after["genre"] == tracks["genre"]).sum()
    both = before["genre_accepted"] & after["genre_accepted"]
    assert genres.accepted["kept"] == both.sum()
    same = {"same_ids": True, "changed": 0, "flows": ()}
    assert found.synthetic_genres.model_dump() == same
    assert sum(one.tracks for one in found.why.features) == changed.sum()


def test_diff_reports_what_the_models_were_made_of(pair):
    # Two that know as many artists, if other ones, are made alike.
    assert model_comparison.making(*(bundle.manifest for bundle in pair[1:])) == {}
    one = make_manifest(NETWORK, features=FEATURES)
    other = make_manifest(NETWORK, k=11).model_copy(update={"seed": 7, "left_out": ("year",)})
    found = model_comparison.making(one, other)
    assert found["seed"] == (1, 7)
    assert found["left_out"] == ((), ("year",))
    assert found["features"][0] == list(FEATURES)
    assert "genres" not in found
