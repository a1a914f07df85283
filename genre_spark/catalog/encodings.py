"""Detects the character encoding of text files that are not UTF-8."""

import codecs
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from genre_spark.catalog.rows import ValueCounts
from genre_spark.catalog.source_files import SourceFiles, remedy, shown
from genre_spark.errors import InputError

# Bytes that are searched at most, and that are enough for a guess.
_MOST, _ENOUGH = 2**28, 2**15
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# Java's names of encodings; of those of single bytes the more usual first: short texts often fit several
# equally well.
_EASTERN = ("windows-31j", "EUC-JP", "x-windows-949", "GB18030", "Big5")
_SINGLE = ("windows-1252", "windows-1251", "KOI8-R", "windows-1250", "windows-1253", "windows-1254",
           "windows-1255", "windows-1256", "x-MacRoman", "IBM850")  # fmt: skip
# Of what texts in an encoding mostly consist, and their least share: letters once decoded, or pairs of
# bytes, since the frequent characters of these standards lie together.
_KANA, _HANGUL = "[\u3041-\u30fa]", "[\uac00-\ud7a3]"
_SIGNS: tuple[tuple[str, str | bytes, float], ...] = (
    # Kanji of the first level without kana; these bytes lead none of the other encodings' usual characters.
    ("windows-31j", rb"[\x88-\x97][\x40-\x7e\x80-\xfc]", 0.8),
    ("windows-31j", _KANA, 0.3),
    ("EUC-JP", _KANA, 0.3),
    ("x-windows-949", _HANGUL, 0.9),
    ("GB18030", rb"[\xb0-\xd7][\xa1-\xfe]", 0.8),
    ("Big5", rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]", 0.8),
)
_AS_GOOD = 0.01
# Bytes of the Turkish letters that windows-1252 reads as Icelandic ones, and of letters that Icelandic
# has and Turkish has not.
_TURKISH, _NOT_TURKISH = rb"[\xdd\xde\xf0\xfd\xfe\xd0]", rb"[\xe1\xe6\xed\xf3\xfa\xc6\xc1]"
# What else such bytes are often taken for.
_RIVALS = {
    "windows-1252": ("windows-1254", "windows-1250", "x-MacRoman"),
    "windows-1254": ("windows-1252", "windows-1250"),
    "windows-1250": ("windows-1252", "windows-1251"),
    "windows-1251": ("KOI8-R", "windows-1252", "windows-31j"),
    "KOI8-R": ("windows-1251",),
    "IBM850": ("windows-1252", "x-MacRoman"),
    "x-MacRoman": ("windows-1252", "IBM850"),
    **dict.fromkeys(_EASTERN, _EASTERN),
}
_FIELD = re.compile(rb"""[^,;\t|"\r\n]+""")
# Files of a folder that are searched whole.
_SEARCHED = 20
# iconv's names, which Python knows too, where they differ from Java's.
_OF_ICONV = {"windows-31j": "CP932", "x-windows-949": "CP949", "x-MacRoman": "MACINTOSH"}


@dataclass(frozen=True)
class Encoding:
    """What a file's bytes are."""

    name: str | None  # Java's name of the likely encoding; None for UTF-8.
    # Whether the file is UTF-8 for the most part, with some bytes that are not.
    damaged: bool = False
    # A text of the file as this encoding has it, then as others would that fit; empty where
    # the encoding is certain.
    readings: tuple[tuple[str, str], ...] = ()
    # Whether all is ASCII, which is in any encoding.
    plain: bool = field(default=False, compare=False)


UTF8 = Encoding(None)


def detect(parts: Iterable[bytes]) -> Encoding:
    """The encoding of an unpacked file, searched up to 256 MB or until 32 KB of it are not UTF-8."""
    odd, n_valid = [], 0
    for i, block in enumerate(_blocks(parts)):
        if i == 0 and (name := _wide(block)):
            return Encoding(name)
        if block.isascii():
            continue
        for line in block.splitlines():
            if line.isascii():
                continue
            try:
                line.decode()
                n_valid += 1
            except UnicodeDecodeError:
                odd.append(line)
        if sum(map(len, odd)) >= _ENOUGH:
            break
    if not odd:
        return Encoding(None, plain=not n_valid)
    return _guess(odd, damaged=n_valid > len(odd))


def encoding_of(files: SourceFiles) -> tuple[Encoding, str]:
    """The encoding of a table's files, searched whole, and the file that shows it.

    Raises `InputError` if two of them are in different encodings.
    """
    found = {shown(uri): detect(files.unpacked(uri)) for uri in files.uris[:_SEARCHED]}
    odd = [(file, one) for file, one in found.items() if one != UTF8]
    if not odd:
        return UTF8, shown(files.uris[0]) if files.uris else ""
    file, encoding = odd[0]
    for other, one in found.items():
        # Damaged UTF-8 goes with UTF-8, and plain ASCII with anything.
        alike = one.plain or one.name == encoding.name or (encoding.damaged and one == UTF8)
        if not alike:
            raise InputError(
                f"{files.path}: {other} is {one.name or 'UTF-8'} and {file} is"
                f" {encoding.name or 'damaged UTF-8'}: files of one table need one encoding; convert"
                f" one: {_convert_command(file, encoding)}"
            )
    return encoding, file


def refuse_encoding(files: SourceFiles, damaged: Mapping[str, ValueCounts], n_rows: int) -> None:
    """Refuses a text table in another encoding than UTF-8, once values or whole rows turned out damaged.

    A file that is UTF-8 but for some bytes is not refused. Raises `InputError`, naming the column, the
    number of its values, the likely encoding, and two remedies.
    """
    encoding, file = encoding_of(files)
    if encoding.name is None or encoding.damaged:
        return
    listed = [f"{one.damaged:,} values of {name}" for name, one in damaged.items()]
    listed += [f"{n_rows:,} rows"] * bool(n_rows)
    examples = [f", for example {one.example!r}" for one in damaged.values()]
    raise InputError(
        f"{files.path}: {', '.join(listed)} are not UTF-8{''.join(examples[:1])}; {file} looks like"
        f" {encoding.name}: {remedy('encoding', encoding.name)}, or convert it:"
        f" {_convert_command(file, encoding)}"
    )


def _convert_command(file: str, encoding: Encoding) -> str:
    """The command that makes a file UTF-8."""
    return f"iconv -f {of_iconv(encoding.name or '')} -t UTF-8 {shlex.quote(file)} > {shlex.quote(f'utf8-{file}')}"


def of_iconv(name: str) -> str:
    """The name of an encoding for ``iconv -f``."""
    return _OF_ICONV.get(name, name.upper())


def python_codec(name: str) -> str:
    """Python's codec of an encoding that `detect` named."""
    return codecs.lookup(of_iconv(name)).name.replace("-", "_")


def _blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same, each up to a line's end."""
    read, rest = 0, b""
    for part in parts:
        read += len(part)
        head, newline, tail = part.rpartition(b"\n")
        if newline:
            yield rest + head
        rest = tail if newline else rest + part
        if read >= _MOST:
            break
    if rest:
        yield rest


def _wide(head: bytes) -> str | None:
    """Encodings of two or four bytes, by their mark or by their zeros."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    sample = head[:4096]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) > 0.3 * len(sample) / 2:
        return "UTF-16LE" if odd > even else "UTF-16BE"
    return None


def _guess(lines: list[bytes], damaged: bool) -> Encoding:
    fields = [field for line in lines for field in _FIELD.findall(line) if not field.isascii()]
    text = b"\n".join(fields)[: 2 * _ENOUGH]
    found = _multi_byte(text) or _single_byte(text)
    example = max(fields[:1000], key=lambda one: sum(byte > 127 for byte in one))[:40]
    readings: dict[str, str] = {}
    for name in (found, *_RIVALS.get(found, ())):
        decoded = example.decode(python_codec(name), "replace")
        if "\ufffd" not in decoded and decoded not in readings.values():
            readings[name] = decoded
    return Encoding(found, damaged, tuple(readings.items()))


def _multi_byte(text: bytes) -> str | None:
    n_high = len(re.findall(rb"[\x80-\xff]", text))
    for name, sign, least in _SIGNS:
        decoded = text.decode(python_codec(name), "replace")
        n_foreign = len(re.findall(r"[^\x00-\x7f]", decoded))
        if isinstance(sign, str):
            fits = len(re.findall(sign, decoded)) >= least * n_foreign
        else:
            fits = 2 * min(len(re.findall(sign, text)), n_foreign) >= least * n_high
        if fits and decoded.count("\ufffd") <= 0.01 * n_foreign:
            return name
    return None


def _single_byte(text: bytes) -> str:
    """By charset-normalizer; of those that fit as well as the best, the most usual."""
    # The driver has it; executors, which import this module's callers, need not.
    import charset_normalizer

    isolation = [*map(python_codec, _SINGLE)]
    found = charset_normalizer.from_bytes(text, cp_isolation=isolation, threshold=0.9)
    best = min((match.chaos for match in found), default=0.0) + _AS_GOOD
    good = [match for match in found if match.chaos <= best]
    fitting = {one for match in good for one in (match.encoding, *match.could_be_from_charset)}
    name = next((name for name in _SINGLE if python_codec(name) in fitting), "windows-1252")
    is_turkish = re.search(_TURKISH, text) and not re.search(_NOT_TURKISH, text)
    return "windows-1254" if name == "windows-1252" and is_turkish else name
