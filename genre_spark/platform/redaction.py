"""Removes secrets from URIs, and from texts and records that hold them.

Used wherever a URI leaves the process: messages, logs, manifests, pages, cards, tags.
"""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "***"

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>[^\s\"'<>]+)")
# A value of a query may be a signature or a token under any name. A `?` without `=` is a wildcard.
_QUERY = re.compile(r"(?P<name>[?&;#][\w.%~+-]+=)[^&;#\s]*")
# `mine@champion`: the alias of a model at the end of a path, and no password.
_ALIAS = re.compile(r"/[^/@]*@[A-Za-z][\w-]*")
_PORT = re.compile(r"[^/@]*:\d{1,5}(/|$)")
# Here `container@account` is a place.
_CONTAINERS = {"abfs", "abfss", "wasb", "wasbs", "adl"}
_OBJECTS = {"s3", "s3a", "s3n", "gs", "oss", "cos", "cosn", "obs", "swift"}
_OPTIONS = ("options", "storage_options")
_SECRET_NAME = re.compile(
    r"secret|passw|pwd|token|credential|signature|access.?key|account.?key|api.?key|private.?key"
    r"|(^|[._-])(key|auth|sas|sig|user|username)$",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """A text whose URIs have neither user names and passwords nor values of their queries.

    Parameters
    ----------
    text : str
        A URI, a path, or a message that holds some.

    Examples
    --------
    >>> redact("s3a://KEY:ab/cd@bucket/tracks: no such file")
    's3a://***@bucket/tracks: no such file'
    >>> redact("https://store/tracks.csv?sv=1&sig=abc")
    'https://store/tracks.csv?sv=***&sig=***'
    >>> redact("hdfs://node:8020/models/mine@champion")
    'hdfs://node:8020/models/mine@champion'
    """
    return _URI.sub(_redact_uri, text) if "://" in text else text


def redact_all(value: Any) -> Any:
    """A record as it may be stored or printed: all of its texts redacted.

    Options of a reader or a store (the mappings under `_OPTIONS`) lose the values whose names look
    like those of secrets.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            key: redact_options(of) if key in _OPTIONS and _is_texts(of) else redact_all(of)
            for key, of in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_all(one) for one in value]
    return value


def redact_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, without the values of secrets."""
    return {
        name: REDACTED if _SECRET_NAME.search(name) else redact_all(value)
        for name, value in options.items()
    }


def _is_texts(value: Any) -> bool:
    return isinstance(value, Mapping)


def _redact_uri(found: re.Match[str]) -> str:
    scheme, rest = found["scheme"], found["rest"]
    rest = _without_user(scheme.lower(), rest)
    return f"{scheme}://{_QUERY.sub(lambda one: one['name'] + REDACTED, rest)}"


def _without_user(scheme: str, rest: str) -> str:
    alias = _ALIAS.search(rest) if rest.count("@") == 1 else None
    if "@" not in rest or (alias and ":" not in rest[: alias.start()]):
        return rest
    authority = rest.split("/", 1)[0]
    if "@" in authority:
        user, _, host = authority.rpartition("@")
        if ":" not in user and scheme in _CONTAINERS:
            return rest
        return f"{REDACTED}@{host}{rest[len(authority) :]}"
    # Keys of object stores hold slashes; elsewhere what follows a colon is a port.
    if ":" in authority and (scheme in _OBJECTS or not _PORT.match(rest)):
        return f"{REDACTED}@{rest.rpartition('@')[2]}"
    return rest
