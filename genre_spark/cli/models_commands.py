"""The commands of the model registry."""

from typing import TYPE_CHECKING

import click

from genre_spark.cli.commands import cli
from genre_spark.cli.job import Job
from genre_spark.cli.options import CATALOG, TableOptions, run_options, setting, table_options
from genre_spark.monitoring.finished_run import Facts

if TYPE_CHECKING:
    from genre_spark.bundle.registry import Entry

REGISTRY = setting(
    "models.registry",
    "--registry",
    metavar="PATH",
    help="Folder of models, NAME/VERSION.  [the setting models.registry]",
)


def _entries(job: Job) -> "list[Entry]":
    from genre_spark.bundle.registry import entries

    return entries(job.spark, job.settings.models.registry)


@cli.group()
def models() -> None:
    """Model registry: NAME/VERSION, and aliases such as NAME@champion."""


@models.command("list", epilog="Example: genre-spark models list --registry models")
@REGISTRY
@run_options
def list_models(job: Job) -> None:
    """Lists the models of a registry, with their accuracy and aliases."""
    from genre_spark.cli import views

    job.terminal.show(*views.models(_entries(job)))


@models.command(epilog="Example: genre-spark models show mine@champion")
@click.argument("model")
@REGISTRY
@run_options
def show(job: Job, model: str) -> None:
    """Shows a model: its data, accuracy and promotions."""
    from genre_spark.bundle.registry import aliases_of
    from genre_spark.cli import views

    opened = job.model(model)
    of = aliases_of(job.spark, opened.location)
    promotions = [one for one in of.made() if one.version == of.version]
    facts = Facts(model_id=opened.manifest.model_id)
    job.terminal.show(*views.model(opened, promotions), facts)


@models.command(epilog="Example: genre-spark models verify mine@champion models/reference")
@click.argument("model", nargs=-1)
@REGISTRY
@run_options
def verify(job: Job, model: tuple[str, ...]) -> None:
    """Verifies the checksums of models, or of all in a registry; exit code 4 if one fails."""
    from genre_spark.cli import views
    from genre_spark.errors import BundleError
    from genre_spark.platform.safe_text import redact

    wanted = model or [entry.path for entry in _entries(job)]
    errors: dict[str, str | None] = {}
    for one in wanted:
        try:
            job.model(one)
            errors[one] = None
        except BundleError as err:
            errors[one] = str(err)
    job.terminal.show(*views.verdicts(errors))
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
    help="Labelled tracks to compare both models on; only artists new to both count.",
)
@click.option("--rollback", is_flag=True, help="Return to a version that had the alias before.")
@REGISTRY
@table_options
@run_options
def promote(table: TableOptions, job: Job, model: str, alias: str, rollback: bool) -> None:
    """Gives a model an alias; it replaces a champion only if it is no less accurate."""
    from genre_spark.cli import views
    from genre_spark.evaluation import promotion_gate

    source = table.source(job.settings) if table.catalog else None
    opened = job.model(model)
    spark = job.spark(source.path) if source else job.session
    given = promotion_gate.promote(spark, opened, alias, source, job.settings, rollback)
    facts = Facts(model_id=given.model_id)
    job.terminal.show(*views.promotion(opened.location, given), facts)


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
def diff(table: TableOptions, job: Job, before: str, after: str, explain: bool) -> None:
    """Labels a catalogue with two models: how many labels change, where, and why."""
    from genre_spark.cli import views
    from genre_spark.evaluation.model_comparison import compare

    source = table.source(job.settings)
    one, other = job.model(before), job.model(after)
    spark = job.spark(source.path)
    job.terminal.report_progress(f"labelling {table.catalog} with {before} and {after}")
    found = compare(spark, source, one, other, job.settings, explain)
    job.terminal.show(found, views.difference(found))
