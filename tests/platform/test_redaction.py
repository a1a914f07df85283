import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_spark.platform.safe_text import redact, redact_all

SECRET = "wJalr/XUtn+FEMI=K7"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"s3a://AKIA:{SECRET}@bucket/tracks", "s3a://***@bucket/tracks"),
        ("s3a://KEY:1234/ab@bucket", "s3a://***@bucket"),
        ("s3a://KEY@bucket/x", "s3a://***@bucket/x"),
        (f"http://user:{SECRET}@host:9091/metrics", "http://***@host:9091/metrics"),
        ("http://user:p@ss@host/", "http://***@host/"),
        ("https://token@host/x", "https://***@host/x"),
        ("https://a.blob/x.csv?sv=2024&sig=a%2Fb/c+d==", "https://a.blob/x.csv?sv=***&sig=***"),
        (f"jdbc:postgresql://db/x?user=me&password={SECRET}", "jdbc:postgresql://db/x?user=***&password=***"),
        ("wasbs://box@account/x?sig=a", "wasbs://box@account/x?sig=***"),
        ("reading s3a://K:a/b@c/x, then s3a://K:d@e", "reading s3a://***@c/x, then s3a://***@e"),
        ("('s3a://K:s@b', 3)", "('s3a://***@b', 3)"),
        ("abfss://me:secret@account.dfs.core.windows.net/x", "abfss://***@account.dfs.core.windows.net/x"),
        ("jdbc:oracle:thin:scott/ti@g/er@host:1521:xe", "jdbc:oracle:thin:***@host:1521:xe"),
        ("Server=db;Password='a b';AccountKey=x==", "Server=db;Password=***;AccountKey=***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("aes_decrypt(unhex(x), 'ke\\'y', \"CBC\")", "aes_decrypt(unhex(x), '***', '***')"),
    ],
)  # fmt: skip
def test_users_passwords_and_values_of_queries_are_removed(text, shown):
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "hdfs://node:8020/models/mine@champion",
        "hdfs:///models/mine@champion",
        "abfs://box@account.dfs.core.windows.net/mine/1",
        "s3a://bucket/mine@champion",
        "s3a://bucket/year=2024/part-?.parquet",
        "/home/me@work/tracks.parquet",
        "mine@champion",
        "https://host/x.csv",
        "3 tracks: none accepted",
        "jdbc:oracle:thin:@//host/service",
        "the secret of keys, token of love",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


_WORD = st.text("abcXYZ019/+=%.-_", min_size=6, max_size=40)


@given(
    st.sampled_from(["s3a", "http", "hdfs", "jdbc:x", "ftp"]), _WORD, st.text("abcdef", min_size=1)
)
def test_no_password_survives(scheme, secret, host):
    secret = f"Q{secret}Q"
    told = redact(f"failed: {scheme}://user:{secret}@{host}/path: denied")
    assert secret not in told
    assert told.endswith(f"@{host}/path: denied")


def test_a_record_keeps_its_shape_and_loses_the_secrets_of_its_options():
    record = {
        "source": {"path": "s3a://K:s/x@b", "options": {"fs.s3a.secret.key": "s", "sep": ";"}},
        "names": ["a", ("s3a://K:s@b", 1)],
        "columns": {"key": "key"},
        "n": 3,
    }
    kept = redact_all(record)
    hashed = kept["source"]["options"]["fs.s3a.secret.key"]
    assert re.fullmatch(r"\*\*\* [0-9a-f]{12}", hashed)
    assert kept == {
        "source": {"path": "s3a://***@b", "options": {"fs.s3a.secret.key": hashed, "sep": ";"}},
        "names": ["a", ["s3a://***@b", 1]],
        "columns": {"key": "key"},
        "n": 3,
    }
    assert redact_all(kept) == kept


SECRETS = [
    "password", "user", "fs.azure.account.key.x", "sasToken", "api_key", "client-secret", "sig", "pass",
    "passphrase", "authorization", "bearer", "pem", "connection_string", "sasl.jaas.config",
    "google_service_account", "keyspace", "whatever the next data source calls it",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_of_an_option_that_may_be_secret_a_hash_is_stored(name):
    (one,), (same,), (other,) = (
        redact_all({"options": {name: value}})["options"].values()
        for value in ("hunter2", "hunter2", "hunter3")
    )
    assert "hunter" not in one
    assert one == same != other


def test_options_that_say_how_texts_are_written_are_stored():
    shown = dict.fromkeys(["header", "sep", "encoding", "mergeSchema", "recursiveFileLookup"], "x")
    assert redact_all({"options": shown}) == {"options": shown}


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "jdbc:a:x/", "'\\", "\\'", "password", "aes_decrypt('", "a://", "/@", "s3a://k:", "?a",
     "authorization ", " ", 'passw="'],
)  # fmt: skip
def test_a_text_twice_as_long_takes_about_twice_the_time(unit):
    def steps(n):
        began = time.thread_time()
        redact(unit * n + "://")
        return time.thread_time() - began

    # Quadratic ones take 16 times as long.
    assert min(steps(80_000) for _ in range(2)) < 9 * max(steps(20_000) for _ in range(3)) + 0.01
