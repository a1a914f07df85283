import html.parser
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_spark.platform import safe_text

HOSTILE = "rock\x1b[2J\nERROR: all is lost\u202egnp.exe\u2028\x00`<b>|"


def test_a_text_becomes_one_line_without_codes_and_reversals():
    assert safe_text.plain(HOSTILE) == "rock\ufffd[2J ERROR: all is lost\ufffdgnp.exe \ufffd`<b>|"


@pytest.mark.parametrize("text", ["Sigur Rós", "中島みゆき", "نی‌زن", "👩‍🎤", "a  b", "x\u00a0y"])
def test_names_of_all_scripts_stay(text):
    assert safe_text.plain(text) == text


@given(st.text())
def test_whatever_the_text_it_is_one_line_and_safe(text):
    shown = safe_text.plain(text)
    assert len(shown.splitlines()) <= 1
    kept = {c for c in shown if unicodedata.category(c)[0] == "C"}
    assert kept <= {"\u200c", "\u200d"}
    assert safe_text.plain(shown) == shown


def rendered(markdown):
    """The tags and the text that a browser gets."""
    found = {"tags": [], "text": ""}

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            found["tags"].append(tag)

        def handle_data(self, data):
            found["text"] += data

    Parser().feed(markdown_it().render(markdown))
    return found


def markdown_it():
    return pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True})


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "[a](javascript:x)",
        "*a*",
        "a|b",
        "# a",
        "`a`",
        "&lt;",
        "![a](x)",
        "\\<b>",
    ],
)
def test_in_markdown_a_name_is_no_markup(text):
    found = rendered(f"name: {safe_text.markdown(text)}")
    assert (found["tags"], found["text"].strip()) == (["p"], f"name: {text}")
