"""Makes text from tables and paths safe to show: genres, titles and names are whatever was typed."""

import html as _html
import re
import unicodedata
from collections.abc import Sequence

# Joiners within words of several scripts and within emoji; all other format characters may reverse
# or hide what stands beside them.
_KEPT = {"\u200c", "\u200d"}
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_REPLACEMENT = "\ufffd"
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~&$])")


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
    return "".join(map(_safe, " ".join(re.split(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+", text))))


def markdown(text: str) -> str:
    """One line that Markdown shows as it is, in a table's cell too."""
    return _MARKDOWN.sub(r"\\\1", plain(text))


def code(text: str) -> str:
    """A code span of Markdown, which no backtick in the text ends."""
    line = plain(text)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if longest else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def html(text: str) -> str:
    """One line as the text of an HTML element or of a quoted attribute."""
    return _html.escape(plain(text))


def _safe(character: str) -> str:
    unsafe = unicodedata.category(character) in _UNSAFE and character not in _KEPT
    return _REPLACEMENT if unsafe else character


def enumerated(parts: Sequence[str]) -> str:
    """Parts as a sentence lists them: ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
