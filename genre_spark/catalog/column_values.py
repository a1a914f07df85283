"""What became of a column's values, as bundles and manifests have it."""

from genre_spark._model import Count, StrictModel


class ValueCounts(StrictModel):
    """What became of a column's values, in rows of the source.

    Attributes
    ----------
    understood : int
        With a value that was taken.
    not_understood : int
        With a value that is none for this column: no number, out of the possible range, or not
        what the column's SQL expression reads.
    placeholder : int
        With a word that means "no value", such as ``nan``; blank and null ones are not counted.
    damaged : int
        With characters that are not in the file's encoding.
    example : str or None
        A value that was not understood, or is damaged.
    """

    understood: Count
    not_understood: Count
    placeholder: Count
    damaged: Count
    example: str | None
