"""Makes texts safe to show: genres, titles and names are whatever was typed, and URIs hold secrets.

`redact` is used wherever a text leaves the process: messages, logs, manifests, pages, cards, tags.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

# Joiners within words of several scripts and within emoji; all other format characters may reverse
# or hide what stands beside them.
_KEPT = {"\u200c", "\u200d"}
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_REPLACEMENT = "\ufffd"
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~&$])")
REDACTED = "***"
# All repetitions that another match may begin in are bounded: titles of a megabyte pass through here.
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30})://(?P<rest>[^\s\"'<>]+)")
# A value of a query may be a signature or a token under any name. A `?` without `=` is a wildcard.
_QUERY = re.compile(r"(?P<name>[?&;#][\w.%~+-]+=)[^&;#\s]*")
# `mine@champion`: the alias of a model at the end of a path, and no password.
_ALIAS = re.compile(r"/[^/@]*@[A-Za-z][\w-]*")
_PORT = re.compile(r"[^/@]*:\d{1,5}(/|$)")
# Here `container@account` is a place.
_CONTAINERS = {"abfs", "abfss", "wasb", "wasbs", "adl"}
_OBJECTS = {"s3", "s3a", "s3n", "gs", "oss", "cos", "cosn", "obs", "swift"}
# `jdbc:oracle:thin:user/password@host`: no URI, and the password may hold any of `/@`.
_JDBC = re.compile(
    r"(?P<driver>jdbc:(?:\w{1,30}:){1,3})[^\s\"'<>@:/]{1,100}/[^\s\"'<>]{0,200}@", re.IGNORECASE
)
_SECRET = (
    r"secret|passw|passphrase|pwd|token|credential|signature|connection.?string|jaas"
    r"|(?:access|account|api|private|encryption).?key"
)
_PAIR = re.compile(
    rf"(?P<name>\b[\w.-]{{0,64}}(?:{_SECRET})[\w.-]{{0,64}}\s?=\s?|\bauthorization\s?[:=]\s?(?:\w{{1,30}}\s)?)"
    r"(?:\"[^\"]{0,1000}\"|'[^']{0,1000}'|[^\s,;&\"']+)",
    re.IGNORECASE,
)
_CRYPT = re.compile(r"\baes_(?:en|de)crypt\s*\(|\btry_aes_decrypt\s*\(", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:\\.|[^'\\]){0,1000}'|\"(?:\\.|[^\"\\]){0,1000}\"")
_OPTIONS = ("options", "storage_options")
# Of Spark's readers: how texts are written and which files are read. All other options may be secrets,
# whatever their names: those of a data source that anybody wrote.
_KNOWN_OPTIONS = {
    "sep", "delimiter", "encoding", "charset", "quote", "escape", "chartoescapequoteescaping",
    "comment", "header", "inferschema", "enforceschema", "ignoreleadingwhitespace",
    "ignoretrailingwhitespace", "nullvalue", "nanvalue", "emptyvalue", "positiveinf", "negativeinf",
    "dateformat", "timestampformat", "timestampntzformat", "maxcolumns", "maxcharspercolumn", "mode",
    "columnnameofcorruptrecord", "multiline", "locale", "linesep", "compression",
    "unescapedquotehandling", "mergeschema", "recursivefilelookup", "pathglobfilter",
    "modifiedbefore", "modifiedafter", "allowcomments", "allowunquotedfieldnames",
    "allowsinglequotes", "primitivesasstring", "prefersdecimal", "dropfieldifallnull",
    "samplingratio", "datetimerebasemode", "int96rebasemode", "rowtag",
}  # fmt: skip
_STORED = re.compile(r"\*\*\* [0-9a-f]{12}")
_ROUNDS = 100_000  # of the hash: 30 ms for each guess at a short password


def plain(text: str) -> str:
    r"""One line without control, direction and other invisible characters.

    White space of any kind becomes a blank, all else that is unsafe U+FFFD: for terminals and logs.

    Examples
    --------
    >>> plain("rock\x1b[31m\nERROR: all is lost")
    'rock�[31m ERROR: all is lost'
    """
    if text.isascii() and text.isprintable():
        return text
    one_line = " ".join(re.split(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+", text))
    return "".join(
        _REPLACEMENT if unicodedata.category(one) in _UNSAFE and one not in _KEPT else one
        for one in one_line
    )


def markdown(text: str) -> str:
    """One line that Markdown shows as it is, in a table's cell too."""
    return _MARKDOWN.sub(r"\\\1", plain(text))


def enumerated(parts: Sequence[str]) -> str:
    """Parts as a sentence lists them: ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def redact(text: str) -> str:
    """A text without what looks like a secret.

    Removed are user names, passwords and values of queries in URIs; values in ``password=…`` and
    the like; texts in calls of ``aes_decrypt`` and its kind.

    Examples
    --------
    >>> redact("s3a://KEY:ab/cd@bucket/tracks: no such file")
    's3a://***@bucket/tracks: no such file'
    >>> redact("https://store/tracks.csv?sv=1&sig=abc")
    'https://store/tracks.csv?sv=***&sig=***'
    >>> redact("hdfs://node:8020/models/mine@champion")
    'hdfs://node:8020/models/mine@champion'
    """
    if "jdbc:" in text:
        text = _JDBC.sub(rf"\g<driver>{REDACTED}@", text)
    if "://" in text:
        text = _URI.sub(_redact_uri, text)
    if found := _CRYPT.search(text):
        text = text[: found.start()] + _LITERAL.sub(f"'{REDACTED}'", text[found.start() :])
    return _PAIR.sub(rf"\g<name>{REDACTED}", text)


def redact_all(value: Any) -> Any:
    """A record as it may be stored or printed: all of its texts redacted.

    Of options of a reader or a store (the mappings under `_OPTIONS`) only values that cannot be
    secrets are kept; of others a hash, by which a change is seen.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            key: redact_options(of)
            if key in _OPTIONS and isinstance(of, Mapping)
            else redact_all(of)
            for key, of in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_all(one) for one in value]
    return value


def redact_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, with a hash in place of each value that may be a secret."""
    return {
        name: redact_all(value) if name.lower() in _KNOWN_OPTIONS else _hashed(name, str(value))
        for name, value in options.items()
    }


def _hashed(name: str, value: str) -> str:
    if _STORED.fullmatch(value):
        return value
    found = hashlib.pbkdf2_hmac("sha256", value.encode(), name.encode(), _ROUNDS, dklen=6)
    return f"{REDACTED} {found.hex()}"


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
