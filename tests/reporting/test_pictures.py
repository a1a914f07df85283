import json

import pytest

from genre_spark.errors import OutputError
from genre_spark.platform import atomic_directory
from genre_spark.platform.storage import LocalStorage
from genre_spark.reporting import charts, html, pages
from genre_spark.reporting.document import Figure

DISK = LocalStorage()


def figure(name):
    points = [{"x": 1, "y": 0.5}, {"x": 2, "y": 0.7}]
    chart = charts.chart("lines", points, title="number", chosen=2)
    return Figure(name, f"What of {name}?", f"{name} rises.", {name: chart})


def check(folder, inputs=(), **options):
    return atomic_directory.check_target(
        DISK, str(folder), list(inputs), pages.PICTURES, "--pictures", **options
    )


def write(folder, *names):
    pages.write_pictures(DISK, check(folder), map(figure, names))


def test_each_figure_is_a_file_with_its_question_and_answer_in_a_list(tmp_path):
    folder = tmp_path / "pictures"
    write(folder, "map", "sizes")
    assert {path.name for path in folder.iterdir()} == {"map.png", "sizes.png", "_pictures.json"}
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads((folder / "_pictures.json").read_text())["pictures"]
    assert told["map.png"] == {"question": "What of map?", "answer": "map rises."}
    (tmp_path / "usual").mkdir()
    assert folder.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_pictures_of_an_earlier_report_are_replaced_whole(tmp_path):
    write(tmp_path / "pictures", "map", "old")
    write(tmp_path / "pictures", "map")
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == ["map.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_an_unsafe_folder_for_pictures_is_refused_by_the_name_of_its_option(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    write(folder, "map")
    with pytest.raises(OutputError, match=r"--pictures .*: lies inside the input"):
        check(folder, [str(folder / "report.html")])
    monkeypatch.setattr(LocalStorage, "renames_whole", False)
    with pytest.raises(OutputError, match=r"--pictures .*: an object store renames file by file"):
        check(folder)
    assert check(folder, allow_gap=True) == str(folder)
    # A labelled catalogue has another list.
    (folder / "_pictures.json").rename(folder / "_manifest.json")
    with pytest.raises(OutputError, match=r"--pictures .*: holds what genre-spark did not publish"):
        check(folder, allow_gap=True)


@pytest.mark.parametrize("content", ["# A card\n", "<html>mine</html>", "", b"\xff\x00"])
@pytest.mark.parametrize("command", ["report", "labels"])
def test_a_page_replaces_no_file_but_an_earlier_page_of_its_command(tmp_path, command, content):
    file = tmp_path / "model_card.md"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(OutputError, match=f"exists and is not a page of genre-spark {command}"):
        html.check(DISK, str(file), command)
    html.check(DISK, str(tmp_path / "new.html"), command)
    file.write_text(f"<!DOCTYPE html>{html.mark(command)}")
    html.check(DISK, str(file), command)
