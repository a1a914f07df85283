import pytest

from genre_spark.catalog import answers
from genre_spark.errors import InputError
from genre_spark.platform.storage import LocalStorage

UNDERSTOOD = {
    "plain": "track_id,genre\na,Rock\nb,jazz\n",
    "marked as UTF-8": "\ufefftrack_id,genre\na,Rock\nb,jazz\n",
    "semicolons, other columns, spaces": "title;Genre;track_id\nx; Rock ; a\ny;jazz;b\n",
    "carriage returns and quotes": 'track_id,title,genre\r\na,"one, ""two""\r\n",Rock\r\nb,,jazz\r\n',
    "unanswered rows": "track_id,genre\na,Rock\nc,\nd\nb,jazz\n",
    "said twice alike": "track_id,genre\na,Rock\nb,jazz\na,rock\n",
}
# Files by their names, and why they are refused.
REFUSED = {
    "no genre": ({"x.csv": "track_id,label\na,Rock\n"}, "no column 'genre'; found: track_id, label"),
    "nothing": ({"x.csv": ""}, "no column 'track_id'"),
    "two answers": (
        {"x.csv": "track_id,genre\na,Rock\na,jazz\n"},
        r"contradict each other on 1 tracks: a is Rock \(x\.csv, line 2\) and jazz \(x\.csv, line 3\)",
    ),
    "two answers in two files": (
        {"one": "track_id,genre\na,Rock\n", "two": "track_id,genre\na,?\n"},
        r"Rock \(one, line 2\) and \? \(two, line 2\)",
    ),
    "no id": ({"x.csv": "track_id,genre\na,Rock\n,jazz\n"}, "x.csv, line 3: an answer without track_id"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_answers_are_read_however_they_were_saved(name):
    assert answers.read({"x.csv": UNDERSTOOD[name]}) == {"a": "Rock", "b": "jazz"}


@pytest.mark.parametrize("said", ["?", "Unknown", " nan "])
def test_who_does_not_know_gives_no_genre(said):
    assert answers.read({"x.csv": f"track_id,genre\na,{said}\n"}) == {"a": answers.UNANSWERABLE}


@pytest.mark.parametrize(("given", "told"), REFUSED.values(), ids=REFUSED)
def test_what_is_unclear_is_refused_with_its_place(given, told):
    with pytest.raises(InputError, match=told):
        answers.read(given)


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("latin-1", "is not UTF-8"), ("utf-16", "is not UTF-8"), (None, "no such file")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, encoding, told):
    path = tmp_path / "answers.csv"
    if encoding:
        path.write_text("track_id,genre\na,Pärt\n", encoding=encoding)
    with pytest.raises(InputError, match=told):
        answers.read_files(LocalStorage(), [str(path)])


def test_answers_replace_genres_and_unknown_ids_are_refused(spark):
    tracks = spark.createDataFrame(
        [("a", "pop", None), ("b", None, ["pop", "folk"]), ("c", "pop", None), ("d", "folk", None)],
        "track_id string, genre string, genres array<string>",
    )
    given = {"a": "Rock", "b": "jazz", "c": answers.UNANSWERABLE}
    found = {row[0]: row[1:] for row in answers.apply(tracks, given, "t").collect()}
    assert found == {
        "a": ("Rock", None, True),
        "b": ("jazz", None, True),
        "c": ("pop", None, True),
        "d": ("folk", None, False),
    }
    with pytest.raises(InputError, match="1 of 2 answered tracks are not among the tracks of t"):
        answers.apply(tracks, {"a": "Rock", "A": "Rock"}, "t")
