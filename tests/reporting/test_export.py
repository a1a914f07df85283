"""The page's pictures as files."""

import json
from importlib.resources import files

import pytest
from matplotlib.figure import Figure
from PIL import Image

from genre_spark.errors import OutputError
from genre_spark.platform.storage import LocalStorage
from genre_spark.reporting import export
from genre_spark.reporting.style import Answer, Picture

DISK = LocalStorage()


def answer(name):
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    return Answer(name, f"What of {name}?", "Line chart", Picture(f"{name} rises.", figure))


def write(folder, *names):
    path = export.check_target(DISK, str(folder), [])
    return export.write(DISK, path, map(answer, names))


def test_each_picture_is_a_file_with_its_question_above_it(tmp_path):
    folder = tmp_path / "pictures"
    assert write(folder, "map", "sizes") == 2
    assert {path.name for path in folder.iterdir()} == {"map.png", "sizes.png", "_pictures.json"}
    untitled = answer("map").picture
    with Image.open(folder / "map.png") as image:
        assert image.height > untitled.height
        assert image.width == pytest.approx(untitled.width, abs=1)
    told = json.loads((folder / "_pictures.json").read_text())["pictures"]
    assert told["map.png"] == {"question": "What of map?", "answer": "map rises."}


def test_pictures_of_an_earlier_report_are_replaced_whole(tmp_path):
    write(tmp_path / "pictures", "map", "old")
    write(tmp_path / "pictures", "map")
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == ["map.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.parametrize("foreign", ["holiday.png", "notes.txt"])
def test_a_foreign_directory_is_refused_and_left_as_it_is(tmp_path, foreign):
    (tmp_path / foreign).write_text("mine")
    with pytest.raises(OutputError, match=r"--pictures .*: holds what genre-spark did not publish"):
        export.check_target(DISK, str(tmp_path), [])
    assert (tmp_path / foreign).read_text() == "mine"


def test_pictures_among_which_somebody_put_a_file_are_refused(tmp_path):
    write(tmp_path / "pictures", "map")
    (tmp_path / "pictures" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds what genre-spark did not publish"):
        write(tmp_path / "pictures", "map")


@pytest.mark.parametrize("content", ["# A card\n", "<html>mine</html>", "", b"\xff\x00"])
def test_a_page_replaces_no_file_but_a_page_of_an_earlier_report(tmp_path, content):
    file = tmp_path / "model_card.md"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = file.read_bytes()
    page = f"<!DOCTYPE html>{export.PAGE_MARK}"
    with pytest.raises(OutputError, match="exists and is no page of genre-spark report"):
        export.write_page(LocalStorage(), str(file), page)
    assert file.read_bytes() == before
    for text in (page, f"{page} again"):
        export.write_page(LocalStorage(), str(tmp_path / "page.html"), text)
        assert (tmp_path / "page.html").read_text() == text


def test_the_page_has_the_mark_by_which_it_may_be_replaced():
    template = files("genre_spark.reporting") / "templates" / "report.html"
    assert export.PAGE_MARK in template.read_text(encoding="utf-8")[:500]


def test_a_labelled_catalogue_is_not_taken_for_pictures(tmp_path):
    (tmp_path / "_manifest.json").write_text('{"made_by": "genre-spark", "files": {}}')
    (tmp_path / "part-0.parquet").touch()
    with pytest.raises(OutputError, match="holds what genre-spark did not publish"):
        export.check_target(DISK, str(tmp_path), [])


def test_pictures_on_an_object_store_are_refused_unless_a_gap_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(LocalStorage, "renames_whole", False)
    with pytest.raises(OutputError, match=r"--pictures .*: an object store renames file by file"):
        export.check_target(DISK, str(tmp_path), [])
    assert export.check_target(DISK, str(tmp_path), [], allow_gap=True) == str(tmp_path)


def test_pictures_over_what_is_read_or_written_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"--pictures .*: lies inside the input"):
        export.check_target(DISK, str(tmp_path), [str(tmp_path / "report.html")])
