"""Settings: defaults, then files, then options; anything unknown is refused."""

import re
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, Field, StrictBool, ValidationError, model_validator

from genre_spark._model import StrictModel
from genre_spark.errors import ConfigError
from genre_spark.schema import FEATURE_NAMES, PartitionColumn, TableFormat


def _not_boolean(value: Any) -> Any:
    """YAML reads yes and no as truth values, which Python would count as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


_Int = Annotated[int, BeforeValidator(_not_boolean)]
_Float = Annotated[float, BeforeValidator(_not_boolean), Field(allow_inf_nan=False)]
Share = Annotated[_Float, Field(ge=0, le=1)]
OpenShare = Annotated[_Float, Field(gt=0, lt=1)]
Distance = Annotated[_Float, Field(gt=0)]
Count = Annotated[_Int, Field(ge=1)]

_Model = TypeVar("_Model", bound=BaseModel)


class CatalogSettings(StrictModel):
    """Which rows are good enough."""

    max_imputed: Annotated[_Int, Field(ge=0, le=len(FEATURE_NAMES) - 1)]
    max_quarantined: Share
    version: Annotated[_Int, Field(ge=0)] | None = None


class ClusteringSettings(StrictModel):
    """How synthetic genres are found."""

    k_min: Annotated[_Int, Field(ge=2)]
    k_max: Annotated[_Int, Field(ge=2, le=200)]
    sample_size: Annotated[_Int, Field(ge=100)]
    restarts: Annotated[_Int, Field(ge=1, le=100)]
    max_iterations: Count
    track_weight: Annotated[_Float, Field(ge=0, le=10)]
    min_ratio: Annotated[_Float, Field(gt=0, le=10)]

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> "ClusteringSettings":
        if self.k_min > self.k_max:
            raise ValueError(f"k_min={self.k_min} should be <= k_max={self.k_max}")
        return self


class TrainingSettings(StrictModel):
    """Which labels are learned from, and what is asked of the result."""

    max_labels: Annotated[_Int, Field(ge=100)]
    min_per_genre: Annotated[_Int, Field(ge=5)]
    test_share: Annotated[_Float, Field(gt=0, le=0.5)]
    target_precision: OpenShare


class NetworkSettings(StrictModel):
    """How the network is fitted."""

    epochs: Count
    min_steps: Annotated[_Int, Field(ge=0)]
    batch_size: Count
    learning_rate: OpenShare


class DriftSettings(StrictModel):
    """How unlike its model's catalogue another may be."""

    warn_psi: Distance
    stop_psi: Distance
    warn_ks: Share
    stop_ks: Share
    warn_missing: Share
    stop_missing: Share
    min_tracks: Count

    @model_validator(mode="after")
    def _warns_before_it_stops(self) -> "DriftSettings":
        for name in ("psi", "ks", "missing"):
            warn, stop = getattr(self, f"warn_{name}"), getattr(self, f"stop_{name}")
            if warn > stop:
                raise ValueError(f"warn_{name}={warn:g} should be <= stop_{name}={stop:g}")
        return self


class ScoringSettings(StrictModel):
    """How a catalogue is labelled."""

    batch_rows: Count
    max_group: Annotated[_Int, Field(ge=100)]
    explain: StrictBool


Verify = Literal["footers", "full"]


class PublishingSettings(StrictModel):
    """How a labelled catalogue lies in files, and how it replaces another."""

    table_format: TableFormat = "parquet"
    max_shrink: Share = 0.5
    partition_by: PartitionColumn | None
    rows_per_file: Annotated[_Int, Field(ge=0)]
    allow_gap: StrictBool
    verify: Verify = "footers"


class DeltaSettings(StrictModel):
    """How deltalake reaches the store of a Delta table."""

    storage_options: dict[str, str] = {}


class ModelsSettings(StrictModel):
    """Where models with names stand, and what is asked of a new champion."""

    registry: Annotated[str, Field(min_length=1)]
    max_loss: Share
    least_tracks: Count
    least_artists: Count


class Settings(StrictModel):
    """All settings; their defaults stand in ``conf/default.yaml``.

    The newest have one here too: the manifests of catalogues that were published before hold none.
    """

    seed: Annotated[_Int, Field(ge=0, lt=2**31)]
    catalog: CatalogSettings
    clustering: ClusteringSettings
    training: TrainingSettings
    network: NetworkSettings
    drift: DriftSettings
    scoring: ScoringSettings
    publishing: PublishingSettings
    delta: DeltaSettings = DeltaSettings()
    models: ModelsSettings


# Mappings whose values are texts as they were typed: 0777 is no number, and yes no truth value.
_AS_TYPED = {"options", "storage_options"}
_STORAGE = "delta.storage_options"
_TEXT = "tag:yaml.org,2002:str"


def conf_dir() -> Traversable:
    """The folder of default settings: inside an installed or zipped package, else beside it."""
    inside = resources.files("genre_spark") / "conf"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "conf"


def load_settings(
    config: str | Path | None = None,
    overrides: tuple[str, ...] = (),
    seed: int | None = None,
    given: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from the defaults, then a file, then ``key=value`` overrides, then single values.

    Raises `ConfigError` with every unknown key and wrong value, each with the file or option it
    stands in.

    `config`: A YAML file with any part of the settings.
    `overrides`: ``section.key=value``, or ``key=value`` where only one section has that key.
    `seed`: Shorthand for the override ``seed=...``.
    `given`: Values by the same keys as `overrides`, of options that stand for one setting and of
        `api`.
    """
    defaults = read_yaml(conf_dir() / "default.yaml")
    layers: list[tuple[str, dict[str, Any]]] = []
    if config is not None:
        layers.append((str(config), read_yaml(Path(config))))
    layers += [("--set", _parse_override(override, defaults)) for override in overrides]
    if seed is not None:
        layers.append(("--seed", {"seed": seed}))
    layers += [
        ("settings", _nested(_full_key(key, defaults), of)) for key, of in (given or {}).items()
    ]
    values, origins = defaults, dict[str, str]()
    for origin, changes in layers:
        values = _merge(values, changes, origin, origins)
    return validated(Settings, values, origins, str(conf_dir() / "default.yaml"))


class _RepeatedKeyError(Exception):
    """A key is twice in one mapping."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML in which a key that is twice is an error: of two values one would be ignored."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        lines: dict[Any, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, key.value if isinstance(key.value, str) else None
            if name in lines:
                raise _RepeatedKeyError(
                    f"line {line}: {name} is there twice, first in line {lines[name]}"
                )
            lines |= {name: line} if name is not None else {}
            if name in _AS_TYPED and isinstance(value, yaml.MappingNode):
                for one in chain.from_iterable(value.value):
                    one.tag = _TEXT if isinstance(one, yaml.ScalarNode) else one.tag
        return super().construct_mapping(node, deep)


def read_yaml(path: Traversable) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises `ConfigError` if it cannot be read, or is no mapping; what is in it is not quoted.
    """
    try:
        # A subclass of the safe loader.
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: cannot be read: {_reason(err)}") from err
    except _RepeatedKeyError as err:
        raise ConfigError(f"{path}: {err}") from err
    except yaml.YAMLError as err:
        raise ConfigError(f"{path}: not YAML: {_yaml_reason(err)}") from err
    except ValueError as err:  # such as 2024-13-01, or a number of 5,000 digits
        raise ConfigError(f"{path}: has a number or a date that cannot be read") from err
    except RecursionError as err:
        raise ConfigError(f"{path}: is nested too deeply") from err
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: should be a mapping of keys to values, is {_kind(values)}")
    return values


def _reason(err: OSError | UnicodeDecodeError) -> str:
    return err.strerror or type(err).__name__ if isinstance(err, OSError) else "it is not UTF-8"


def _yaml_reason(err: yaml.YAMLError) -> str:
    """What is wrong and where, without the line itself: it may hold a secret."""
    if not isinstance(err, yaml.MarkedYAMLError):
        return "it holds characters that YAML does not allow"
    problem = re.sub(r"'(?!<)[^']{2,}'", "'...'", err.problem or "cannot be understood")
    mark = err.problem_mark or err.context_mark
    return f"{problem}, line {mark.line + 1}, column {mark.column + 1}" if mark else problem


def _parse_override(override: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """What one ``--set`` says. No message quotes the value, which may be a secret."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        sections = (part for part in defaults.values() if isinstance(part, dict))
        known = {*defaults, *chain.from_iterable(sections)}
        shown = f" {key}" if key.rpartition(".")[2] in known else ""
        raise ConfigError(f"--set{shown}: should be key=value")
    full = _full_key(key.strip(), defaults)
    if full.startswith(f"{_STORAGE}."):
        return _nested(_STORAGE, {full.removeprefix(f"{_STORAGE}."): text})
    try:
        value = yaml.load(text, yaml.BaseLoader if full == _STORAGE else yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise ConfigError(f"--set {key.strip()}: value cannot be read") from err
    return _nested(full, value)


def _nested(key: str, value: Any) -> dict[str, Any]:
    """``{"section": {"key": value}}`` for ``section.key``."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _full_key(key: str, defaults: dict[str, Any]) -> str:
    """`max_imputed` is taken for `catalog.max_imputed`, as long as only one section has it."""
    owners = [name for name, part in defaults.items() if isinstance(part, dict) and key in part]
    return f"{owners[0]}.{key}" if len(owners) == 1 and key not in defaults else key


def _merge(
    base: dict[str, Any],
    changes: dict[str, Any],
    origin: str,
    origins: dict[str, str],
    at: str = "",
) -> dict[str, Any]:
    """`changes` laid over `base`, keeping in `origins` where each value came from."""
    merged = dict(base)
    for key, value in changes.items():
        place = f"{at}{key}"
        origins[place] = origin
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value, origin, origins, f"{place}.") if nested else value
    return merged


def validated(
    model: type[_Model], values: dict[str, Any], origins: dict[str, str], default_origin: str
) -> _Model:
    """A model of the values.

    Raises `ConfigError` with every unknown key and wrong value.

    `origins`: The file or option that each key stands in.
    """
    try:
        return model.model_validate(values)
    except ValidationError as err:
        raise ConfigError.from_violations(
            _violation(violation, origins, default_origin) for violation in err.errors()
        ) from err


def _violation(violation: Mapping[str, Any], origins: dict[str, str], default_origin: str) -> str:
    place = ".".join(str(part) for part in violation["loc"])
    origin = origins.get(place, default_origin)
    if violation["type"] == "extra_forbidden":
        return f"{origin}: {place}: unknown key"
    found = "" if isinstance(violation["input"], dict) else f" (found {_kind(violation['input'])})"
    message = violation["msg"].removeprefix("Value error, ")
    return f"{origin}: {place + ': ' if place else ''}{message}{found}"


def _kind(value: Any) -> str:
    """A value for a message: numbers as they are; a text or a list may hold a secret."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    kinds: dict[type, str] = {str: "a text", list: "a list", dict: "a mapping"}
    return kinds.get(type(value), type(value).__name__)
