"""Words that stand for no value: declared once, as SQL and as a Python function."""

from collections.abc import Iterable

from genre_spark.schema import ALBUM, ARTIST, GENRE, TITLE, TRACK_ID

# What programs write for a missing value (pandas, R, SQL, Excel, Hive, Python), and what people
# write. Brackets and quotes around them do not count.
_MISSING = {"", "nan", "nat", "null", "<na>", "<null>", "na", "n/a", "#n/a", "\\n", "empty_field"}
# A title may be "Unknown" or "None", a name rarely.
_UNNAMED = _MISSING | {"none", "unknown", "<unknown>", "undefined", "-", "?"}
_WORDS = {
    ARTIST: _UNNAMED | {"unknown artist", "<unknown artist>", "no artist", "various artists"},
    ALBUM: _UNNAMED | {"unknown album"},
    TITLE: _MISSING,
    GENRE: _UNNAMED | {"unknown genre", "no genre"},
}
# An id may be a short word by chance, so only the spellings that programs use count.
_IDS = {"nan", "NaN", "None", "NULL", "null", "<NA>", "N/A", "#N/A", "\\N"}
_AROUND = "[]{}()'\" "


def words(column: str, extra: Iterable[str] = ()) -> set[str]:
    """Lower-case words that mean "no value" in a text column.

    Parameters
    ----------
    column : str
        Of `TEXT_COLUMNS`; other columns have the words that programs write.
    extra : iterable of str
        More such words, in any case.
    """
    more = {one.strip(_AROUND).lower() for one in extra}
    return _WORDS.get(column, _UNNAMED) | more


def placeholder_sql(text: str, column: str, extra: Iterable[str] = ()) -> str:
    """SQL: whether a text means "no value"; null for null.

    Parameters
    ----------
    text : str
        SQL expression of a string.
    column, extra
        See `words`.
    """
    if column == TRACK_ID:
        return _in_sql(f"trim({text})", _IDS | {""})
    listed = words(column, extra)
    # Many values are longer than any such word, and need no other comparison.
    longest = max(map(len, listed)) + len(_AROUND)
    stripped = f"lower(btrim({text}, {quoted(_AROUND)}))"
    return f"(length({text}) <= {longest} AND {_in_sql(stripped, listed)})"


def quoted(text: str) -> str:
    """A text as a SQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _in_sql(text: str, listed: Iterable[str]) -> str:
    """As ``IN``, with one literal for Spark to plan instead of one per word, here and in each use."""
    words_of_lines = quoted("\n".join(sorted(listed)))
    return f"array_contains(split({words_of_lines}, '\\n'), {text})"


def means_nothing(text: str, column: str, extra: Iterable[str] = ()) -> bool:
    """The same of a Python text.

    >>> means_nothing(" NaN", "artist"), means_nothing("Nan Goldin", "artist")
    (True, False)
    """
    if column == TRACK_ID:
        return text.strip(" ") in _IDS | {""}
    return text.strip(_AROUND).lower() in words(column, extra)
