import pytest
from pydantic import ValidationError

from genre_spark._model import SparseModel, StrictModel, Timestamp


class Sparse(SparseModel):
    name: str
    note: str | None = None


class Made(StrictModel):
    at: Timestamp


def test_fields_that_were_not_given_stay_out_of_files():
    assert Sparse(name="a").model_dump() == {"name": "a"}
    assert Sparse(name="a", note=None).model_dump() == {"name": "a", "note": None}


def test_a_time_is_written_as_it_was_read_and_what_is_none_is_refused():
    text = "2024-01-01T00:00:00+00:00"
    assert Made(at=text).model_dump(mode="json") == {"at": text}
    for wrong in ("", "yesterday", text.replace("-01-", "-13-", 1)):
        with pytest.raises(ValidationError):
            Made(at=wrong)
