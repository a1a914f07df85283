"""What `inspect` finds in a table, as it prints it."""

from genre_spark._model import Count, Share, StrictModel
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
    low, median, high : float or None
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


class InspectedReading(StrictModel):
    """How one of genre-spark's columns is read; see `column_readings.Reading`."""

    name: str
    expression: str
    source: str
    why: str


class FeatureFacts(StrictModel):
    """Values of one feature.

    Attributes
    ----------
    missing, not_a_number, out_of_range : int
        Rows without a value that can be taken.
    low, median, high : float or None
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
    format : str or None
    options : dict of str to str
        With which it is read.
    columns : tuple of InspectedColumn
    mapping : dict of str to InspectedReading
    features : dict of str to FeatureFacts
    rows : InspectedRows or None
        None where no column identifies a track, or none is a feature.
    genres : dict of str to int
        The largest, with their tracks.
    artists : int
    placeholders : dict of str to dict of str to int
        Per text column the words that mean "no value", with their rows.
    notes : tuple of str
    draft : str or None
        The dataset file that was written.
    next : str
        The command to type next.
    """

    catalog: str
    format: str | None
    options: dict[str, str]
    columns: tuple[InspectedColumn, ...]
    mapping: dict[str, InspectedReading]
    features: dict[str, FeatureFacts]
    rows: InspectedRows | None
    genres: dict[str, Count]
    artists: Count
    placeholders: dict[str, dict[str, Count]]
    notes: tuple[str, ...]
    draft: str | None
    next: str
