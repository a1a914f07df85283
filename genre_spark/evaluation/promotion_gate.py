"""The gate of `models promote`: a new champion is no less accurate than the present one.

Both models label a labelled catalogue, whole, so that each artist has its context. Their accuracies
are compared on the tracks of artists that neither has learned from. The accuracies stored in bundles
are not used: `model_id` does not cover them, and the author of a bundle can write any.
"""

from pyspark.sql import SparkSession

from genre_spark._model import now
from genre_spark.bundle import registry as models
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.registry import Evidence, Promotion
from genre_spark.catalog.catalogue import Source
from genre_spark.config import Settings
from genre_spark.errors import BundleError, ConfigError, GateError
from genre_spark.evaluation.model_comparison import (
    labelled_by_both,
    on_new_artists,
    records_artists,
)
from genre_spark.platform.safe_text import redact

CATALOGUE = "catalogue"


def promote(
    spark: SparkSession | None,
    candidate: Bundle,
    alias: str,
    source: Source | None,
    settings: Settings,
    rollback: bool = False,
) -> Promotion:
    """Gives a model an alias; ``champion`` only if it passes the gate.

    Raises `GateError` if the champion is better, or there are too few tracks to compare on. Raises
    `BundleError` if a champion has no genres, a version never had the alias, or does not exist.
    Raises `ConfigError` if there is a champion, and no catalogue to compare with it on.

    `spark`: Needed with a catalogue, and for paths that only Hadoop can reach.
    `candidate`: From ``…/NAME/VERSION``, or from ``models:/NAME/VERSION`` of MLflow's registry.
    `source`: Labelled tracks to compare with the champion on.
    `rollback`: Back to a version that has had the alias before: it passed the gate then.
    """
    path = candidate.location
    models.check_place(path, alias, settings.models.registry)
    aliases = models.aliases_of(lambda: spark, path)
    model_id = candidate.manifest.model_id
    made = aliases.made()
    had = {(one.alias, one.version, one.model_id) for one in made}
    if rollback and (alias, aliases.version, model_id) not in had:
        raise BundleError(f"{path}: has never been {alias}; promote it without --rollback")
    evidence = None
    if alias == models.CHAMPION and not rollback:
        if candidate.manifest.kind != "full":
            raise BundleError(
                f"{candidate.source}: is a {candidate.manifest.kind} bundle, which has no accuracy;"
                f" the {models.CHAMPION} has to be a full one: run train"
            )
        champion = aliases.current(alias)
        if champion and champion[1] != model_id:
            old = models.open_bundle(lambda: spark, champion[0], settings.models.registry)
            evidence = compared(spark, source, old, candidate, settings)
            check(evidence, settings.models.max_loss)
    given = Promotion(
        alias=alias, version=aliases.version, model_id=model_id, at=now(), evidence=evidence
    )
    aliases.give(given, seen=len(made))
    return given


def compared(
    spark: SparkSession | None,
    source: Source | None,
    champion: Bundle,
    candidate: Bundle,
    settings: Settings,
) -> Evidence:
    """Evidence from labelled tracks of artists that neither model has learned from.

    Raises `ConfigError` if there is no catalogue, or no session. Raises `GateError` if a model does
    not record its artists, or there are too few such tracks.
    """
    if source is None or spark is None:
        raise ConfigError(
            f"{champion.manifest.model_id} is the {models.CHAMPION}: give labelled tracks to"
            " compare the models on with --catalog PATH, or take another --alias, which has no gate"
        )
    for manifest in (champion.manifest, candidate.manifest):
        if not records_artists(manifest):
            raise GateError(
                f"model {manifest.model_id} does not record the artists that it has learned from,"
                " since its catalogue named none: no labelled track is known to be new to it."
                " Take another --alias, which has no gate"
            )
    with labelled_by_both(spark, source, champion, candidate, settings) as tracks:
        found = on_new_artists(tracks, champion.manifest, candidate.manifest)
    limits, artists = settings.models, found.artists or 0
    if found.tracks < limits.least_tracks or artists < limits.least_artists:
        raise GateError(
            f"{source.path}: of {found.labelled:,} labelled tracks, {found.tracks:,} of {artists:,}"
            f" artists are new to both models; {limits.least_tracks} of {limits.least_artists} are"
            " needed to compare them. Give labelled tracks of other artists"
        )
    return Evidence(by=CATALOGUE, source=redact(source.path), protocols={"new": found})


def check(evidence: Evidence, max_loss: float) -> None:
    """Compares a candidate with the champion.

    Raises `GateError` if it loses more accuracy than `max_loss` under any protocol.
    """
    for name, one in evidence.protocols.items():
        lost = one.champion - one.candidate
        # Shares of the same tracks; the last bits of their difference mean nothing.
        if lost > max_loss + 1e-9:
            raise GateError(
                f"not promoted: accuracy on {name} artists is {one.candidate:.4f}, the"
                f" champion's {one.champion:.4f} on the same {one.tracks:,} tracks;"
                f" it may lose {max_loss:g}. Keep the champion, or allow more with --set max_loss=X"
            )
