"""Whether a model may become the champion: not if it is less accurate than the one that is.

Accuracies are compared on the same labelled tracks, of which neither model has learned. There are
two ways to such tracks:

- *splits*: both were trained from the same labels with the same seed, so that the tracks held out by
  `train` are the same ones. What is compared is what the bundles state of it: accuracies and the
  fingerprint of the held-out tracks. `model_id` does not cover them, and whoever writes a bundle can
  state anything, so this way trusts whoever trained both.
- *catalogue*: labelled tracks are given, and those of artists of whom either model has learned are
  left out. Both models label the whole catalogue, so that context and consensus are what they are
  in use. What is compared is the accuracy on artists that are new to both.
"""

from collections.abc import Mapping

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle import registry as models
from genre_spark.bundle import store
from genre_spark.bundle.aliases import aliases_of
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.genre_metrics import Protocol, ProtocolMetrics
from genre_spark.bundle.manifest import Manifest
from genre_spark.bundle.promotions import ComparedAccuracy, Evidence, Promotion
from genre_spark.catalog.catalogue import Source
from genre_spark.config import ModelsSettings, Settings
from genre_spark.errors import BundleError, ConfigError, GateError
from genre_spark.evaluation.side_by_side import AFTER, BEFORE, TRUTH, labelled_by_both
from genre_spark.platform.redaction import redact

SPLITS, CATALOGUE = "splits", "catalogue"


def promote(
    spark: SparkSession | None,
    path: str,
    alias: str,
    source: Source | None,
    settings: Settings,
    rollback: bool = False,
) -> Promotion:
    """Gives a model an alias; the champion's only if it stands the comparison.

    Parameters
    ----------
    spark : SparkSession, optional
        Needed with a catalogue, and for what only Hadoop can reach.
    path : str
        Of the bundle: ``…/NAME/VERSION``, or ``models:/NAME/VERSION`` of MLflow's registry.
    alias : str
        ``champion`` has a gate; any other is free.
    source : Source, optional
        Labelled tracks to compare with the champion on; without it, by splits.
    settings : Settings
    rollback : bool
        Back to a version that has had the alias before: its gate was met then.

    Raises
    ------
    GateError
        Where the champion is better, or nothing can be concluded.
    BundleError
        Where a champion could not give genres, a rollback is none, or there is no version.
    ConfigError
        Where there is a catalogue to compare on, and no session.
    """
    models.check_place(path, alias, settings.models.registry)
    aliases = aliases_of(spark, path)
    candidate = store.open_bundle(spark, path)
    model_id = candidate.manifest.model_id
    made = aliases.made()
    had = {(one.alias, one.version, one.model_id) for one in made}
    if rollback and (alias, aliases.version, model_id) not in had:
        raise BundleError(f"{path}: has never been {alias}; promote it without --rollback")
    evidence = None
    if alias == models.CHAMPION and not rollback:
        _require_genres(candidate)
        champion = aliases.current(alias)
        if champion and champion[1] != model_id:
            old = store.open_bundle(spark, champion[0])
            evidence = _compare(spark, source, old, candidate, settings)
            check(evidence, settings.models.max_loss)
    given = Promotion(
        alias=alias, version=aliases.version, model_id=model_id, at=models.now(), evidence=evidence
    )
    aliases.give(given, seen=len(made))
    return given


def by_splits(champion: Manifest, candidate: Manifest) -> Evidence:
    """Evidence from what `train` measured on tracks that both have held out.

    Raises
    ------
    GateError
        Where they have not held out the same tracks.
    """
    old, new = (_protocols(manifest) for manifest in (champion, candidate))
    shared = [name for name in old if _same_tracks(old[name], new.get(name))]
    if not shared:
        raise GateError(
            f"{candidate.model_id} and the champion {champion.model_id} were not measured on the"
            " same held-out tracks: their labels or seeds differ. Give labelled tracks to compare"
            " them on: --catalog PATH"
        )
    found = {
        name: ComparedAccuracy(
            tracks=new[name].tracks,
            champion=round(old[name].accuracy, 6),
            candidate=round(new[name].accuracy, 6),
        )
        for name in shared
    }
    return Evidence(by=SPLITS, trusts="accuracies that the bundles state", protocols=found)


def by_catalogue(
    spark: SparkSession, source: Source, champion: Bundle, candidate: Bundle, settings: Settings
) -> Evidence:
    """Evidence from labelled tracks of artists that neither has learned from.

    A genre of only one of the models counts against the other; tracks of a genre of neither are
    left out.

    Raises
    ------
    GateError
        Where a model does not say of whom it has learned, or there are too few such tracks.
    """
    for one in (champion, candidate):
        _require_artists(one.manifest)
    genres = {name for one in (champion, candidate) for name in _classes(one.manifest)}
    with labelled_by_both(spark, source, champion, candidate, settings) as tracks:
        is_usable = F.col(TRUTH).isin(*genres) & F.col(f"{BEFORE}.track_id").isNotNull()
        usable = tracks.filter(is_usable & F.col(f"{AFTER}.track_id").isNotNull())
        unseen = ~F.col(f"{BEFORE}.known") & ~F.col(f"{AFTER}.known")
        was, is_now = (F.col(f"{side}.genre") == F.col(TRUTH) for side in (BEFORE, AFTER))
        (found,) = usable.agg(
            F.count(F.lit(1)).alias("labelled"),
            F.count_if(unseen).alias("tracks"),
            F.count_distinct(F.when(unseen, F.col(f"{AFTER}.artist_key"))).alias("artists"),
            F.count_if(unseen & was).alias("before"),
            F.count_if(unseen & is_now).alias("after"),
            F.count_if(unseen & was & ~is_now).alias("lost"),
            F.count_if(unseen & ~was & is_now).alias("won"),
        ).collect()
    return _of_new_artists(source, found.asDict(), settings.models)


def check(evidence: Evidence, max_loss: float) -> None:
    """Compares a candidate with the champion.

    Raises
    ------
    GateError
        Where it loses more accuracy than `max_loss` under any protocol.
    """
    for name, one in evidence.protocols.items():
        lost = one.champion - one.candidate
        # Shares of the same tracks; the last bits of their difference mean nothing.
        if lost > max_loss + 1e-9:
            raise GateError(
                f"not promoted: accuracy on {name} artists is {one.candidate:.4f}, the"
                f" champion's {one.champion:.4f} on the same {one.tracks:,} held-out tracks;"
                f" it may lose {max_loss:g}. Keep the champion, or allow more with --set max_loss=X"
            )


def _compare(
    spark: SparkSession | None,
    source: Source | None,
    champion: Bundle,
    candidate: Bundle,
    settings: Settings,
) -> Evidence:
    if source is None:
        return by_splits(champion.manifest, candidate.manifest)
    if spark is None:
        raise ConfigError(f"{source.path}: models are compared on a catalogue by Spark only")
    return by_catalogue(spark, source, champion, candidate, settings)


def _require_genres(candidate: Bundle) -> None:
    if candidate.manifest.kind != "full":
        raise BundleError(
            f"{candidate.source}: is a {candidate.manifest.kind} bundle, whose accuracy nobody can"
            f" tell; the {models.CHAMPION} has to be a full one: run train"
        )


def _protocols(manifest: Manifest) -> Mapping[Protocol, ProtocolMetrics]:
    return manifest.genres.protocols if manifest.genres else {}


def _same_tracks(one: ProtocolMetrics, other: ProtocolMetrics | None) -> bool:
    return other is not None and one.held_out == other.held_out and one.tracks == other.tracks


def _classes(manifest: Manifest) -> tuple[str, ...]:
    return manifest.scoring.genres.classes if manifest.scoring.genres else ()


def _require_artists(manifest: Manifest) -> None:
    if not (manifest.scoring.genres and manifest.scoring.genres.has_artists):
        raise GateError(
            f"model {manifest.model_id} does not say of which artists it has learned, since its"
            " catalogue named none: no labelled track is known to be new to it. Train both models"
            " on the same labels and seed, and promote without --catalog"
        )


def _of_new_artists(source: Source, found: Mapping[str, int], limits: ModelsSettings) -> Evidence:
    if found["tracks"] < limits.least_tracks or found["artists"] < limits.least_artists:
        raise GateError(
            f"{source.path}: of {found['labelled']:,} labelled tracks, {found['tracks']:,} of"
            f" {found['artists']:,} artists are new to both models; {limits.least_tracks} of"
            f" {limits.least_artists} are needed to compare them. Give labelled tracks of other artists"
        )
    tracks = found["tracks"]
    measured = ComparedAccuracy(
        tracks=tracks,
        champion=round(found["before"] / tracks, 6),
        candidate=round(found["after"] / tracks, 6),
        labelled=found["labelled"],
        artists=found["artists"],
        won=found["won"],
        lost=found["lost"],
    )
    return Evidence(by=CATALOGUE, source=redact(source.path), protocols={"new": measured})
