"""The beginning of a JSON text: whether it is read by lines or whole, and objects that are no rows."""

import json
import re
import shlex
from typing import Any

from genre_spark.errors import InputError

_DECODER = json.JSONDecoder()
_KEY = re.compile(r'\s*[{,]\s*"([^"]{0,200})"\s*:\s*')
# So many objects with so many keys in common are rows.
_ALIKE = 3
# pandas' orientations "columns", which is its default, and "split".
_BY_COLUMNS = r'\{\s*("[^"]*"\s*:\s*\{\s*"0"|"(columns|index|data)"\s*:\s*\[[^{])'


def is_json(text: str) -> bool:
    """Whether a text is JSON, by its first line."""
    start = text.lstrip()
    return start.startswith(("{", "[")) and (
        _is_whole(start.partition("\n")[0].rstrip()) or start[:2] in ("{\n", "[\n")
    )


def is_many_lines(text: str, label: str) -> bool:
    """Whether a JSON text is an array, or an object over several lines, and not an object in each line.

    Raises
    ------
    InputError
        Where its objects are no rows, or Spark would read the first one alone.
    """
    text = text.strip("\ufeff \t\n")
    first, _, others = text.partition("\n")
    many = first.startswith("[") or (first.startswith("{") and not _is_whole(first.rstrip()))
    if re.match(_BY_COLUMNS, text):
        raise InputError(
            f"{label}: has a list for each column, as to_json of pandas writes it: write it with"
            " orient='records', lines=True"
        )
    is_one = first.startswith("{") and (many or not others)
    values = _top_values(text) if is_one else {}
    keys = [{*one} if isinstance(one, dict) else set() for one in values.values()]
    if len(keys) == _ALIKE and len(set.intersection(*keys)) >= _ALIKE:
        raise InputError(
            f"{label}: has an object for each of many keys, such as {next(iter(values))!r}, and no list: make it"
            f" one: jq -c 'to_entries[] | {{id: .key}} + .value' {shlex.quote(label)} > tracks.jsonl"
        )
    if is_one and (rest := text[_decoded(text)[1] or len(text) :].strip()):
        file = shlex.quote(label)
        command = f"sed 's/,[[:space:]]*$//' {file}" if rest[0] == "," else f"jq -c . {file}"
        raise InputError(
            f"{label}: has several objects, one after the other, not one in each line: write it anew:"
            f" {command} > tracks.jsonl"
        )
    return many


def _top_values(text: str) -> dict[str, Any]:
    """The first keys of an object with their values, so far as the text has them whole."""
    found: dict[str, Any] = {}
    place = 0
    while len(found) < _ALIKE and (key := _KEY.match(text, place)):
        value, place = _decoded(text, key.end())
        if not place:
            break
        found[key[1]] = value
    return found


def _is_whole(line: str) -> bool:
    return _decoded(line)[1] == len(line)


def _decoded(text: str, start: int = 0) -> tuple[Any, int]:
    """The value that begins at a place, and its end; 0 where there is none whole."""
    try:
        return _DECODER.raw_decode(text, start)
    except ValueError:
        return None, 0
    except RecursionError:  # so deep that Python gives up: Spark tells of the row
        return None, len(text)
