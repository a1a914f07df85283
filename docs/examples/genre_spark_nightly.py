"""A nightly run with Airflow 3: label the catalogue with the champion; once a week, look for a better one.

Copy it to Airflow's folder of DAGs, set the Airflow variables below, and define the Spark connection
`spark_default`. The operator is that of apache-airflow-providers-apache-spark; the jobs are the files
of `jobs/` in a checkout of genre-spark, and take the options of the commands.

Airflow variables: `genre_spark_home` (the checkout), `genre_spark_catalog`, `genre_spark_dataset` (a
name or a file), `genre_spark_registry` (NAME/VERSION below it), `genre_spark_labelled` (the output),
`genre_spark_held_back` (labelled tracks, columns as in the catalogue, of artists that are never
trained on: the jury of the weekly promotion).
"""

from datetime import datetime, timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

HOME = "{{ var.value.genre_spark_home }}"
REGISTRY = "{{ var.value.genre_spark_registry }}"
DATASET = ["--dataset", "{{ var.value.genre_spark_dataset }}"]
TABLE = ["--catalog", "{{ var.value.genre_spark_catalog }}", *DATASET]
JURY = ["--catalog", "{{ var.value.genre_spark_held_back }}", *DATASET]
CHAMPION = f"{REGISTRY}/mine@champion"
# A version of its own for each week: what stands there is never overwritten.
CLUSTERS = f"{REGISTRY}/mine-clusters/{{{{ ds }}}}"
CANDIDATE = f"{REGISTRY}/mine/{{{{ ds }}}}"
# Where the node exporter looks; one file per command.
METRICS = "/var/lib/node_exporter/textfile/genre_spark_{command}.prom"


def submit(task_id: str, job: str, *arguments: str) -> SparkSubmitOperator:
    """A job of genre-spark: `spark-submit jobs/JOB.py ARGUMENTS`."""
    told = ["--json", "--log-format", "json", "--metrics", METRICS.format(command=task_id)]
    return SparkSubmitOperator(
        task_id=task_id,
        application=f"{HOME}/jobs/{job}.py",
        application_args=[*arguments, *told],
        properties_file=f"{HOME}/conf/spark/cluster.conf",
        conn_id="spark_default",
    )


# A failed run left the old catalogue whole, and cleans up after itself: simply try again. What a
# second try cannot mend (exit codes 2, 3, 4 and 5) fails again, and changes nothing either.
DEFAULTS = {"retries": 1, "retry_delay": timedelta(minutes=10)}

with DAG(
    dag_id="genre_spark_nightly",
    schedule="0 2 * * *",
    start_date=datetime(2025, 1, 1),
    catchup=False,
    # Of two runs on one output the second would be refused (exit code 6).
    max_active_runs=1,
    default_args=DEFAULTS,
) as nightly:
    submit(
        "score", "score", *TABLE,
        "--model", CHAMPION, "--output", "{{ var.value.genre_spark_labelled }}", "--incremental",
    )  # fmt: skip

with DAG(
    dag_id="genre_spark_weekly",
    schedule="0 4 * * 0",
    start_date=datetime(2025, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
) as weekly:
    # Ids and names of synthetic genres stay those of the champion.
    discovered = submit("cluster", "cluster", *TABLE, "--previous", CHAMPION, "--output", CLUSTERS)
    trained = submit("train", "train", *TABLE, "--clusters", CLUSTERS, "--output", CANDIDATE)
    # What would change, for whoever looks at the log; and the gate: exit code 5 keeps the champion.
    compared = submit("diff", "models", "diff", CHAMPION, CANDIDATE, *TABLE)
    promoted = submit("promote", "models", "promote", CANDIDATE, *JURY)
    discovered >> trained >> compared >> promoted
