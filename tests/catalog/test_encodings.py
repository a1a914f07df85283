import gzip

import pytest

from genre_spark.catalog.encodings import UTF8, detect, of_iconv, python_codec
from genre_spark.catalog.source_files import SourceFiles

NAMES = {
    "windows-1251": ("cp1251", "Кино,Ария,Сплин,Чайф,Мумий Тролль"),
    "windows-1252": ("cp1252", "Beyoncé,Sigur Rós,Björk,Mötley Crüe,Zoé"),
    "windows-31j": ("shift_jis", "宇多田ヒカル,サザンオールスターズ,米津玄師"),
    "EUC-JP": ("euc_jp", "宇多田ヒカル,サザンオールスターズ,米津玄師"),
    "x-windows-949": ("euc_kr", "방탄소년단,아이유,블랙핑크"),
    "GB18030": ("gbk", "周杰伦,邓紫棋,王菲,陈奕迅"),
    "Big5": ("big5", "周杰倫,鄧紫棋,王菲,陳奕迅"),
    "KOI8-R": ("koi8_r", "Кино,Ария,Сплин"),
    "windows-1253": ("cp1253", "Γιάννης,Χάρις,Αλεξίου"),
    "windows-1256": ("cp1256", "أم كلثوم,فيروز"),
    "UTF-16": ("utf-16", "Beyoncé,Björk"),
    "UTF-16LE": ("utf-16-le", "Beyoncé,Björk"),
    "UTF-16BE": ("utf-16-be", "Beyoncé,Björk"),
}


def table(names):
    return "track_id,artist\n" + "".join(
        f"t{i},{name}\n" for i, name in enumerate(names.split(","))
    )


@pytest.mark.parametrize("expected", NAMES)
def test_a_table_of_few_names_is_known_by_them(expected):
    codec, names = NAMES[expected]
    found = detect([table(names).encode(codec)])
    assert found.name == expected
    assert not found.damaged
    # What is named can be read, by Python too, and gives the names.
    assert "".encode(python_codec(found.name)) is not None
    assert names.split(",")[0] in table(names).encode(codec).decode(python_codec(found.name))


@pytest.mark.parametrize("text", ["", "plain ASCII\n", "Beyoncé,Кино\n", "\ufeffwith a mark é\n"])
def test_utf_8_is_utf_8(text):
    assert detect([text.encode()]) == UTF8


def test_odd_bytes_far_behind_are_found():
    rows = b"plain line of a table\n" * 200_000
    found = detect([rows + "Beyoncé\n".encode("cp1252")])
    assert found.name == "windows-1252"


def test_utf_8_with_some_damaged_bytes_is_distinguished_from_another_encoding():
    lines = [f"Björk {i}\n".encode() for i in range(20)]
    assert detect([b"".join([*lines, b"Bj\xf6rk\n"])]).damaged
    assert detect([b"".join(lines)]) == UTF8


def test_a_packed_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path):
    rows = "".join(f"Björk {i}\n" for i in range(400_000)).encode()
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(rows)[:-200_000])
    read = b"".join(SourceFiles(None, str(path), str(path), []).unpacked(path.as_uri()))
    assert len(read) > 2**20
    assert rows.startswith(read)
    assert detect([]) == UTF8


def test_iconv_has_the_encoding_by_its_own_name():
    assert [of_iconv(one) for one in ("windows-31j", "windows-1251")] == ["CP932", "WINDOWS-1251"]
