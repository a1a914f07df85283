"""Statistics of groups of tracks, in numpy: the one definition that training and scoring share."""

from dataclasses import dataclass

import numpy as np

# Sums are taken over whole numbers of this part of a scaled unit: they are exact, so the same
# tracks give the same statistics to the last bit in whatever order they stand, and labels do not
# change from night to night. At 2^-16 of a unit and 6 units at most, a sum of squares holds
# 2^63 / (6 * 2^16)^2, about 60 million, tracks of one group.
FIXED_UNIT = 2.0**16


@dataclass(frozen=True)
class Groups:
    """Consecutive tracks that belong together.

    Attributes
    ----------
    starts : np.ndarray [shape=(n_groups,), dtype=int64]
        First track of each group.
    code : np.ndarray [shape=(n_tracks,), dtype=int64]
        Group of each track, in [0, n_groups).
    """

    starts: np.ndarray
    code: np.ndarray

    @classmethod
    def of(cls, *keys: np.ndarray) -> "Groups":
        """Groups of tracks that are equal in all keys [each of shape=(n_tracks,)].

        `*keys`: Equal keys must stand beside each other.
        """
        first = np.zeros(len(keys[0]), dtype=bool)
        first[:1] = True
        for key in keys:
            first[1:] |= key[1:] != key[:-1]
        return cls(np.flatnonzero(first), np.cumsum(first) - 1)

    @property
    def sizes(self) -> np.ndarray:
        """Tracks in each group [shape=(n_groups,), dtype=int64]."""
        return np.diff(self.starts, append=len(self.code))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of whole numbers [shape=(n_tracks, ...), dtype=int64] per group; they may wrap."""
        return np.add.reduceat(values, self.starts, axis=0) if len(values) else values

    def counts(self, values: np.ndarray) -> np.ndarray:
        """Tracks per group whose value is not NaN [shape=(n_groups, m), dtype=int64]."""
        known = ~np.isnan(values)
        if known.all():
            return np.repeat(self.sizes[:, None], values.shape[1], axis=1)
        return self.sums(known.astype(np.int64))

    def means(self, values: np.ndarray) -> np.ndarray:
        """Means [shape=(n_groups, m), dtype=float32] of values [shape=(n_tracks, m)] that are not NaN.

        NaN for a group without any.
        """
        return self._averaged(_fixed(values), self.counts(values)).astype(np.float32)

    def means_and_deviations(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations (of the population) per group.

        Parameters
        ----------
        values : np.ndarray [shape=(n_tracks, m)]
            NaN takes no part.

        Returns
        -------
        means, deviations : np.ndarray [shape=(n_groups, m), dtype=float32]
            NaN for a group without a value.
        """
        fixed, counts = _fixed(values), self.counts(values)
        means = self._averaged(fixed, counts)
        squares = self._averaged(fixed * fixed, counts) / FIXED_UNIT
        deviations = np.sqrt(np.maximum(squares - means * means, 0.0))
        return means.astype(np.float32), deviations.astype(np.float32)

    def _averaged(self, fixed: np.ndarray, counts: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # 0 / 0: no track has the feature
            return self.sums(fixed) / counts / FIXED_UNIT


def _fixed(values: np.ndarray) -> np.ndarray:
    """Values in whole `FIXED_UNIT` parts; 0, which adds nothing to a sum, in place of NaN."""
    scaled = np.rint(values * np.float32(FIXED_UNIT))
    return np.where(np.isnan(scaled), np.float32(0), scaled).astype(np.int64)
