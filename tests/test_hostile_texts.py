"""Two hundred texts of a stranger, as values and as names: nothing is run, told, lost or raw."""

import itertools
import random
import shutil
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from support.generated import make_tracks

from genre_spark.schema import FEATURE_NAMES

ROOT = Path(__file__).resolve().parents[1]
# A variable of the process that a table must not read; see tests/conftest.py.
VARIABLE, SECRET = "SPARK_SUBMIT_OPTS", "TieredStopAtLevel"
PIECES = [
    " " * 40, "(", ")", "[", "]", "{", "}", "'", '"', "`", "\\", ";", ",", "|", "&", " and ", "feat. ", "\t",
    "\x1b[2J", "\x1b]0;title\x07", "\x00", "\x7f", "\u202e", "\u2028", "\ufeff", "\u200b", "\U000e0041",
    "${env:SPARK_SUBMIT_OPTS}", "${SPARK_SUBMIT_OPTS}", "$(touch ran)", "`touch ran`", "; touch ran;",
    "java_method('java.lang.System','getenv','SPARK_SUBMIT_OPTS')", "{{7*7}}", "%s%n", "../../ran", "--output",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "](javascript:alert(1))", "nan", "NULL", "=1+1",
    "中文", "عربى", "हिन्दी", "e\u0301", "🎵", "Ünï", "0", "\r\n", "rock",
]  # fmt: skip
TEXTS = ["".join(random.Random(seed).choices(PIECES, k=1 + seed % 7)) for seed in range(200)]
# As names of files and folders too, which have neither NUL nor slashes and end somewhere.
NAMES = [text.replace("\0", "").replace("/", "_")[:60].strip() or "x" for text in TEXTS]
HOSTILE = "a'b;`touch ran`$(touch ran)\x1b[2J\u202e<script>${SPARK_SUBMIT_OPTS} {x} [y]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Parquet and CSV of tracks whose texts, and names of further columns, are hostile."""
    made = tmp_path_factory.mktemp("hostile") / HOSTILE
    made.mkdir()
    tracks = make_tracks(200, seed=3, artists=40)[["track_id", *FEATURE_NAMES]]
    shifted = (TEXTS[i:] + TEXTS[:i] for i in itertools.count())
    tracks = tracks.assign(
        **{name: next(shifted) for name in ("artist", "title", "album", "genre")}
    )
    others = {name.lower(): name for name in NAMES if name.lower() not in tracks.columns}
    more = dict(zip(others.values(), shifted, strict=False))
    tracks = pd.concat([tracks, pd.DataFrame(more)], axis=1)
    tracks.to_parquet(made / f"{HOSTILE}.parquet")
    few = tracks.iloc[:, : 5 + len(FEATURE_NAMES) + 20]
    few.astype(str).to_csv(made / f"{HOSTILE}.csv", index=False)
    shutil.copytree(ROOT / "models" / "reference", made / "registry" / "m")
    return made


def check_shown(text):
    """Of no effect on a terminal, and without the variable."""
    kept = ("\n", "\u200c", "\u200d")
    raw = {
        one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Cs") and one not in kept
    }
    assert raw <= {"\t"}, text[:500]
    assert SECRET not in text


def test_texts_of_a_stranger_are_only_texts(shell, command, folder, tmp_path):
    model, out, page = folder / "registry" / "m", folder / "out", folder / "page.html"
    parquet, csv = (folder / f"{HOSTILE}.{kind}" for kind in ("parquet", "csv"))
    told = [shell("models", "verify", model), shell("inspect", "--catalog", parquet)]
    told.append(shell("inspect", "--catalog", csv, "--output", folder / "drafted.yaml"))
    score = ("score", "--catalog", parquet, "--model", model, "--output", out)
    told.append(
        shell(*score, "--set", "max_quarantined=1", "--set", "stop_psi=99", "--set", "stop_ks=1")
    )
    told.append(shell("labels", out, "--rows", "50"))
    told.append(shell("labels", out, "--catalog", parquet, "--output", page))
    told.append(
        command("report", "--model", model, "--labels", out, "--output", folder / "report.html")
    )
    assert "tracks: " in told[1]
    for text in told:
        check_shown(text)
    for html in (page, folder / "report.html"):
        text = html.read_text("utf-8")
        assert SECRET not in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    labelled, quarantined = (
        len(pd.read_parquet(out)),
        sum(len(pd.read_parquet(one)) for one in (out / "_quarantine").glob("*.quarantined")),
    )
    assert labelled + quarantined == 200
    assert labelled > 100
    assert not [*tmp_path.parent.rglob("ran"), *ROOT.glob("ran"), *Path.cwd().glob("ran")]


def test_names_of_a_stranger_in_refusals_are_only_texts(shell, folder):
    for name in NAMES[:40]:
        check_shown(shell("models", "verify", str(folder / name), expect=4))
        check_shown(shell("labels", str(folder / name), expect=3))
    check_shown(
        shell("score", "--catalog", folder / HOSTILE, "--model", HOSTILE, "--output", "x", expect=4)
    )


def test_a_value_of_a_packed_table_that_would_fill_memory_is_refused(shell, folder):
    tracks = make_tracks(20, seed=3)[["track_id", "artist", *FEATURE_NAMES]]
    tracks.loc[10, "artist"] = "a" * 30_000_000
    path = folder / "packed.csv.gz"
    tracks.to_csv(path, index=False)
    assert path.stat().st_size < 100_000
    model, out = folder / "registry" / "m", folder / "none"
    told = shell("score", "--catalog", path, "--model", model, "--output", out, expect=3)
    assert "2000000" in told
    assert "Traceback" not in told
    assert not out.exists()
