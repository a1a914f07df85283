"""Packaging of genre-spark: the plain install is what a scoring executor needs."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "genre_spark/versions.py").read_text())[1]

# pandas 3 is not yet supported by pyspark 4.3.
EXECUTOR = [
    "pyspark>=4.0,<4.4",
    "pandas>=2.2,<3",
    "pyarrow>=18",
    "numpy>=1.26",
    "click>=8.1",
    "pydantic>=2.7,<3",
    "PyYAML>=6.0",
    "rich>=13",
    "onnxruntime>=1.20",
    # To look into a network before it is run.
    "onnx>=1.16",
]
# The driver also guesses encodings of tables.
DRIVER = ["charset-normalizer>=3.3"]
# tensorflow-cpu has wheels for Linux and Windows on x86; elsewhere the full package is the CPU build.
ON_X86 = "platform_machine == 'x86_64' or platform_machine == 'AMD64'"
NOT_ON_X86 = "platform_machine != 'x86_64' and platform_machine != 'AMD64'"
TRAIN = [
    f"tensorflow-cpu>=2.20; {ON_X86}",
    f"tensorflow>=2.20; {NOT_ON_X86}",
    "keras>=3.12,<4",
    "loky>=3.5",
    "scikit-learn>=1.6",
    "scipy>=1.11",
    "threadpoolctl>=3.5",
    # Pages, and their charts as Vega-Lite.
    "Jinja2>=3.1",
    "vl-convert-python>=1.9,<2",
]
# For `--metrics`, and for `train --mlflow` and models that MLflow loads; mlflow-skinny is what of
# mlflow logs and loads, and part of a whole mlflow too.
METRICS = ["prometheus-client>=0.20"]
MLFLOW = ["mlflow-skinny>=3.1", "xxhash>=3.4"]
# For `--table-format delta` and catalogues in Delta.
DELTA = ["deltalake>=1.6,<2"]
# For `--warm` and `--remote`.
CONNECT = ["pyspark[connect]>=4.3"]
# For `--openlineage`.
OPENLINEAGE = ["openlineage-python>=1.40"]
TEST = [
    "pytest>=8",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "ruff>=0.12",
    "mypy>=1.15",
    "import-linter>=2.1",
    "build>=1.2",
    "setuptools>=77",
    # Those who read labelled catalogues, and what is promised to them.
    "duckdb>=1.2",
    "polars>=1.20",
    "jsonschema>=4.23",
    # An S3-compatible server on this machine.
    "moto[s3]>=5.1",
    "flask>=3",
    "flask-cors>=5",
    # MLflow's registry in SQLite.
    "SQLAlchemy>=2",
    "alembic>=1.13",
    # Pages in a browser, which skips where there is none; the rules of axe-core for accessibility.
    "selenium>=4.20",
    "axe-selenium-python>=2.1",
    # The documentation site.
    "mkdocs-material>=9.6",
    "mkdocstrings[python]>=0.29",
]
# For `make mutants` alone.
MUTANTS = ["mutmut>=3.8"]

setup(
    name="genre-spark",
    version=VERSION,
    description="Labels whole music catalogues with synthetic and real genres, on Spark",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        *[f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)],
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # `conf` travels inside the package, so that an installed genre-spark finds its defaults.
    packages=[*find_packages(include=["genre_spark", "genre_spark.*"]), "genre_spark.conf"],
    package_dir={"genre_spark.conf": "conf"},
    package_data={
        "genre_spark": ["py.typed"],
        "genre_spark.reporting": ["templates/*"],
        "genre_spark.conf": ["*.yaml", "*.json", "*.properties", "*.txt", "datasets/*", "spark/*"],
    },
    install_requires=[*EXECUTOR, *DRIVER],
    extras_require={
        "train": TRAIN,
        "delta": DELTA,
        "connect": CONNECT,
        "metrics": METRICS,
        "mlflow": [*TRAIN, *MLFLOW],
        "openlineage": OPENLINEAGE,
        "mutants": MUTANTS,
        "test": [*TRAIN, *DELTA, *METRICS, *MLFLOW, *OPENLINEAGE, *CONNECT, *TEST],
    },
    entry_points={"console_scripts": ["genre-spark = genre_spark.cli:main"]},
)
