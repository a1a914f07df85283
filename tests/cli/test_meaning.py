"""What small or strange numbers mean."""

from support.generated import make_metrics

from genre_spark.cli.meaning import of_accuracy


def lines(tracks=500, accuracy=0.8, coverage=0.5, majority=0.3):
    metrics = make_metrics(
        tracks=tracks, accuracy=accuracy, coverage=coverage, baselines={"majority": majority}
    )
    return of_accuracy("new artists", metrics, 0.93)


def test_usual_numbers_need_no_words():
    assert lines() == []


def test_few_tracks_are_reported_to_be_chance():
    (line,) = lines(tracks=29)
    assert line.startswith("new artists: 29 tracks were held out, fewer than 30")


def test_an_accuracy_below_the_majority_is_reported_to_be_useless():
    (line,) = lines(accuracy=0.25)
    assert "0.250 is below 0.300, which the most frequent genre" in line


def test_no_coverage_beside_a_high_accuracy_is_explained():
    (line,) = lines(accuracy=1.0, coverage=0.0)
    assert "no label is sure enough for a precision of 93%" in line
