"""The commands on models that have names."""

from typing import Any

import click

from genre_spark.cli.job import job_of, source_of
from genre_spark.cli.options import CATALOG, run_options, table_options

REGISTRY = click.option(
    "--registry",
    metavar="PATH",
    help="Where models stand, NAME/VERSION each.  [the setting models.registry]",
)


@click.group()
def models() -> None:
    """Models as things with names: NAME/VERSION, and aliases such as NAME@champion."""


@models.command("list", epilog="Example: genre-spark models list --registry models")
@REGISTRY
@run_options
def list_models(registry: str | None, **run: Any) -> None:
    """Lists the models of a registry, with their accuracy and aliases."""
    with _job(registry, run) as job:
        from genre_spark.cli import model_views

        job.terminal.show(*model_views.listing(job.entries()))


@models.command(epilog="Example: genre-spark models show mine@champion")
@click.argument("model")
@REGISTRY
@run_options
def show(model: str, registry: str | None, **run: Any) -> None:
    """Shows a model: what it is made of, how good it is, and when it was promoted."""
    with _job(registry, run) as job:
        from genre_spark.bundle.store import open_bundle
        from genre_spark.cli import model_views

        path = job.model(model)
        job.terminal.show(*model_views.model(open_bundle(job.session, path), job.promotions(path)))


@models.command(epilog="Example: genre-spark models verify mine@champion models/reference")
@click.argument("model", nargs=-1)
@REGISTRY
@run_options
def verify(model: tuple[str, ...], registry: str | None, **run: Any) -> None:
    """Verifies models to the last byte, or all of a registry; exit code 4 where one is bad."""
    with _job(registry, run) as job:
        from genre_spark.bundle.store import open_bundle
        from genre_spark.cli import model_views
        from genre_spark.errors import BundleError

        wanted = model or [entry.path for entry in job.entries()]
        faults: dict[str, str | None] = {}
        for one in wanted:
            try:
                open_bundle(job.session, job.model(one))
                faults[one] = None
            except BundleError as err:
                faults[one] = str(err)
        job.terminal.show(*model_views.verdicts(faults))
        bad = [name for name, fault in faults.items() if fault]
        if bad:
            raise BundleError(f"{len(bad)} of {len(faults)} bundles cannot be trusted: {bad[0]} …")


@models.command(
    epilog="Example: genre-spark models promote mine/2 --catalog labelled-tracks.parquet"
)
@click.argument("model")
@click.option("--alias", default="champion", show_default=True, help="What it is to be.")
@click.option(
    "--catalog",
    metavar="PATH",
    help="Labelled tracks, to compare with the champion on those of artists new to both.",
)
@click.option("--rollback", is_flag=True, help="Back to a version that had the alias before.")
@REGISTRY
@table_options
@run_options
def promote(
    model: str,
    alias: str,
    catalog: str | None,
    rollback: bool,
    registry: str | None,
    dataset: str | None,
    fmt: str | None,
    **run: Any,
) -> None:
    """Gives a model an alias; it becomes champion only if it is no less accurate than that."""
    with _job(registry, run) as job:
        from genre_spark.cli import model_views
        from genre_spark.evaluation import promotion_gate

        source = source_of(catalog, dataset, fmt) if catalog else None
        path = job.model(model)
        spark = job.spark() if source else job.session
        given = promotion_gate.promote(spark, path, alias, source, job.settings, rollback)
        job.terminal.show(*model_views.promotion(path, given))


@models.command(
    epilog="Example: genre-spark models diff mine@champion mine/2 --catalog tracks.parquet"
)
@click.argument("before")
@click.argument("after")
@CATALOG
@click.option("--explain", is_flag=True, help="Also which features spoke for labels that changed.")
@REGISTRY
@table_options
@run_options
def diff(
    before: str,
    after: str,
    catalog: str,
    explain: bool,
    registry: str | None,
    dataset: str | None,
    fmt: str | None,
    **run: Any,
) -> None:
    """Labels a catalogue with two models: how many labels change, where, and why."""
    with _job(registry, run) as job:
        from genre_spark.bundle.store import open_bundle
        from genre_spark.cli import model_views
        from genre_spark.evaluation.model_comparison import compare

        source = source_of(catalog, dataset, fmt)
        paths = [job.model(one) for one in (before, after)]
        one, other = (open_bundle(job.spark(), path) for path in paths)
        job.terminal.say(f"labelling {catalog} with {before} and {after}")
        found = compare(job.spark(), source, one, other, job.settings, explain)
        job.terminal.show(*model_views.difference(found))


def _job(registry: str | None, run: dict[str, Any]) -> Any:
    if registry:
        run["overrides"] += (f"models.registry={registry}",)
    return job_of(**run)
