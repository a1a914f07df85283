"""Row counts of a catalogue: one model for gates, bundles, manifests, `inspect` and summaries."""

from genre_spark._model import Count, StrictModel

# Reasons for quarantine that counts tell apart; see `validation`.
MALFORMED, UNCLOSED = "malformed_row", "unclosed_quote"


# Its docstring is in the published JSON Schema of manifests.
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


class GatedRows(StrictModel):
    """Row counts that gates read."""

    read: Count  # Rows of the source.
    accepted: Count  # Rows that are tracks, one per `track_id`.
    duplicates: Count  # Rows quarantined only because another row has their `track_id`.
    reasons: dict[str, Count]  # Quarantined rows per reason; a row can have several.
    values: dict[str, ValueCounts]  # Of each used column that has values which were not taken.

    @property
    def n_quarantined(self) -> int:
        """Rows quarantined for any reason."""
        return self.read - self.accepted

    @property
    def n_refused(self) -> int:
        """Rows quarantined for other reasons than being a repetition."""
        return self.n_quarantined - self.duplicates

    @property
    def refused_share(self) -> float:
        """Share of `n_refused` rows, in [0, 1]."""
        return self.n_refused / self.read if self.read else 0.0

    @property
    def worst(self) -> str:
        """The most frequent reasons with their rows."""
        most = sorted(self.reasons.items(), key=lambda item: -item[1])[:3]
        return ", ".join(f"{reason} ({n})" for reason, n in most)

    @property
    def n_malformed(self) -> int:
        """Rows of a text table that are malformed, or hold other rows."""
        return self.reasons.get(MALFORMED, 0) + self.reasons.get(UNCLOSED, 0)


class RowCounts(GatedRows):
    """All row counts of a catalogue."""

    ambiguous: Count  # Tracks under more than one genre.
    with_genre: Count  # Tracks with exactly one genre.
    imputed: Count  # Tracks that lack at least one feature.
    without_features: Count = 0  # Tracks that lack all of them.
    # Tracks that lack each feature; those that no track lacks are left out.
    missing: dict[str, Count] = {}
    fingerprint: str  # Hash of the accepted tracks, in whatever order they come.
