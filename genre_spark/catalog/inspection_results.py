"""What `inspect` finds in a table, as it prints it."""

from genre_spark._model import Count, Share, StrictModel
from genre_spark.catalog.column_readings import Reading
from genre_spark.catalog.rows import RowCounts


class InspectedColumn(StrictModel):
    """A column of the table.

    Attributes
    ----------
    name, kind : str
        Its name and Spark's type.
    filled : float
        Share of the rows that have a value.
    numeric : float
        Share of the values that are numbers.
    sample : str or None
        One of the values.
    read_as : tuple of str
        Columns of genre-spark that are taken from it.
    """

    name: str
    kind: str
    filled: float
    numeric: float
    low: float | None
    median: float | None
    high: float | None
    sample: str | None
    read_as: tuple[str, ...]


class FeatureFacts(StrictModel):
    """Values of one feature.

    Attributes
    ----------
    missing, not_a_number, out_of_range : int
        Rows without a value that can be taken.
    possible : tuple of float
        The lowest and the highest possible value.
    """

    missing: Count
    not_a_number: Count
    out_of_range: Count
    low: float | None
    median: float | None
    high: float | None
    possible: tuple[float, float]


class InspectedRows(RowCounts):
    """Row counts as gates would find them; `refused` is the share that a gate limits."""

    refused: Share


class Inspection(StrictModel):
    """What is in a table, how it would be read, and what to do next.

    Attributes
    ----------
    catalog : str
        Its path.
    options : dict of str to str
        With which it is read.
    rows : InspectedRows or None
        None where no column identifies a track, or none is a feature.
    genres : dict of str to int
        The largest, with their tracks.
    placeholders : dict of str to dict of str to int
        Per text column the words that mean "no value", with their rows.
    questions : tuple of str
        What only a person can decide; the draft has the likelier answers.
    draft : str or None
        The dataset file that was written.
    next : str
        The command to type next.
    """

    catalog: str
    format: str | None
    options: dict[str, str]
    columns: tuple[InspectedColumn, ...]
    mapping: dict[str, Reading]
    features: dict[str, FeatureFacts]
    rows: InspectedRows | None
    genres: dict[str, Count]
    artists: Count
    placeholders: dict[str, dict[str, Count]]
    notes: tuple[str, ...]
    questions: tuple[str, ...]
    draft: str | None
    next: str
