"""The commands of the model registry."""

import click

from genre_spark.cli.job import job_of
from genre_spark.cli.options import (
    CATALOG,
    RunOptions,
    TableOptions,
    run_options,
    setting,
    table_options,
)

REGISTRY = setting(
    "models.registry",
    "--registry",
    metavar="PATH",
    help="Folder of models, NAME/VERSION.  [the setting models.registry]",
)


@click.group()
def models() -> None:
    """Model registry: NAME/VERSION, and aliases such as NAME@champion."""


@models.command("list", epilog="Example: genre-spark models list --registry models")
@REGISTRY
@run_options
def list_models(run: RunOptions) -> None:
    """Lists the models of a registry, with their accuracy and aliases."""
    with job_of(run) as job:
        from genre_spark.cli import model_views

        job.terminal.show(*model_views.listing(job.entries()))


@models.command(epilog="Example: genre-spark models show mine@champion")
@click.argument("model")
@REGISTRY
@run_options
def show(run: RunOptions, model: str) -> None:
    """Shows a model: its data, accuracy and promotions."""
    with job_of(run) as job:
        from genre_spark.bundle.store import open_bundle
        from genre_spark.cli import model_views

        path = job.model(model)
        job.terminal.show(*model_views.model(open_bundle(job.session, path), job.promotions(path)))


@models.command(epilog="Example: genre-spark models verify mine@champion models/reference")
@click.argument("model", nargs=-1)
@REGISTRY
@run_options
def verify(run: RunOptions, model: tuple[str, ...]) -> None:
    """Verifies models to the last byte, or all of a registry; exit code 4 where one is bad."""
    with job_of(run) as job:
        from genre_spark.bundle.store import open_bundle
        from genre_spark.cli import model_views
        from genre_spark.errors import BundleError
        from genre_spark.platform.redaction import redact

        wanted = model or [entry.path for entry in job.entries()]
        errors: dict[str, str | None] = {}
        for one in wanted:
            try:
                open_bundle(job.session, job.model(one))
                errors[one] = None
            except BundleError as err:
                errors[one] = str(err)
        job.terminal.show(*model_views.verdicts(errors))
        bad = [name for name, error in errors.items() if error]
        if bad:
            raise BundleError(
                f"{len(bad)} of {len(errors)} bundles cannot be trusted: {redact(bad[0])} …"
            )


@models.command(
    epilog="Example: genre-spark models promote mine/2 --catalog labelled-tracks.parquet"
)
@click.argument("model")
@click.option("--alias", default="champion", show_default=True, help="The alias.")
@click.option(
    "--catalog",
    metavar="PATH",
    help="Labelled tracks to compare with the champion on; only artists new to both count.",
)
@click.option("--rollback", is_flag=True, help="Return to a version that had the alias before.")
@REGISTRY
@table_options
@run_options
def promote(table: TableOptions, run: RunOptions, model: str, alias: str, rollback: bool) -> None:
    """Gives a model an alias; it replaces a champion only if it is no less accurate."""
    with job_of(run) as job:
        from genre_spark.cli import model_views
        from genre_spark.evaluation import promotion_gate

        source = table.source(job.settings) if table.catalog else None
        path = job.model(model)
        spark = job.spark(source.path) if source else job.session
        given = promotion_gate.promote(spark, path, alias, source, job.settings, rollback)
        job.terminal.show(*model_views.promotion(path, given))


@models.command(
    epilog="Example: genre-spark models diff mine@champion mine/2 --catalog tracks.parquet"
)
@click.argument("before")
@click.argument("after")
@CATALOG
@click.option(
    "--explain", is_flag=True, help="Also report the features that supported changed labels."
)
@REGISTRY
@table_options
@run_options
def diff(table: TableOptions, run: RunOptions, before: str, after: str, explain: bool) -> None:
    """Labels a catalogue with two models: how many labels change, where, and why."""
    with job_of(run) as job:
        from genre_spark.bundle.store import open_bundle
        from genre_spark.cli import model_views
        from genre_spark.evaluation.model_comparison import compare

        source = table.source(job.settings)
        paths = [job.model(one) for one in (before, after)]
        spark = job.spark(source.path)
        one, other = (open_bundle(spark, path) for path in paths)
        job.terminal.report_progress(f"labelling {table.catalog} with {before} and {after}")
        found = compare(spark, source, one, other, job.settings, explain)
        job.terminal.show(*model_views.difference(found))
