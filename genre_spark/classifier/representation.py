"""Artists as points, learned without labels: the directions in which they differ, and their titles.

Artists that lie close together sound alike or name their tracks alike, so that few labels inform
many tracks. A model of few labels (`similar_artists`) and the choice of tracks to label
(`questions`) work in this space.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_spark.features import documents
from genre_spark.features.artist_batches import GROUP, ArtistBatch
from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import Keys, TrackInputs, lists
from genre_spark.schema import TRACK_ID

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Artists on the driver, about: drawn in proportion to their tracks.
MOST_ARTISTS = 30_000
# Buckets of an artist's document are merged to fewer, which are reduced to latent dimensions.
_MERGED_BITS = 3
N_GRAMS = 2 ** (documents.BITS - _MERGED_BITS)
_LATENT = 32
# Largest weight of a gram as a 16-bit number.
_LARGEST = 2**15 - 1
# Directions in which artists differ less, in variances within an artist, are left out.
_LEAST_RATIO = 0.02
_RIDGE = 1e-3
# Odd constant of multiplicative hashing (Knuth, TAOCP 3), for drawing artists.
_DRAW = np.uint64(0xC2B2AE3D27D4EB4F)

ARTISTS_SCHEMA = (
    "artist_key bigint, tracks bigint, mean array<float>, difference array<float>, grams array<int>"
)


@dataclass(frozen=True)
class Artists:
    """Artists of a catalogue, drawn in proportion to their tracks.

    Attributes
    ----------
    tracks : np.ndarray [shape=(n,), dtype=int64]
        Number of tracks of each.
    weight : np.ndarray [shape=(n,), dtype=float64]
        Tracks of the catalogue that each represents: more than its own where not all are drawn.
    mean : np.ndarray [shape=(n, n_scaled), dtype=float32]
        Of the scaled features; NaN for a feature that all of its tracks lack.
    difference : np.ndarray [shape=(n, n_scaled), dtype=float32]
        Between two of its tracks, divided by the root of 2; 0 if it has one, or features lack.
    documents : Keys
        See `documents.of_artists`.
    """

    tracks: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    difference: np.ndarray
    documents: Keys

    def __len__(self) -> int:
        return len(self.tracks)

    @classmethod
    def of(cls, table: pa.Table, n_tracks: int) -> "Artists":
        """From rows of `ARTISTS_SCHEMA`, drawn from a catalogue of so many tracks."""
        tracks = table["tracks"].to_numpy()
        mean, difference = (
            table[name].combine_chunks().flatten().to_numpy().reshape(len(tracks), -1)
            for name in ("mean", "difference")
        )
        weight = tracks / np.minimum(1.0, tracks * _share(n_tracks))
        return cls(tracks, weight, mean, difference, Keys.of(table["grams"].combine_chunks()))


@dataclass(frozen=True)
class Representation:
    """The fitted space: discriminants of artists, and latent dimensions of their documents.

    Attributes
    ----------
    center : np.ndarray [shape=(n_scaled,), dtype=float32]
        Mean of the scaled features over tracks.
    directions : np.ndarray [shape=(n_scaled, n_directions), dtype=float32]
        In standard deviations within artists.
    ratios : np.ndarray [shape=(n_directions,), dtype=float32]
        Variance between artists over variance within them.
    grams : np.ndarray [shape=(N_GRAMS, n_latent + 1), dtype=int16]
        From grams to latent dimensions, and the square of each gram's weight, in `units`. As whole
        numbers their sums do not depend on the order of an artist's tracks.
    units, offset : np.ndarray [shape=(n_latent + 1,)], [shape=(n_latent,)], dtype=float32
        What is subtracted from the latent dimensions.

    References
    ----------
    Fisher (1936), "The Use of Multiple Measurements in Taxonomic Problems"; Deerwester et al.
    (1990), "Indexing by Latent Semantic Analysis".
    """

    center: np.ndarray
    directions: np.ndarray
    ratios: np.ndarray
    grams: np.ndarray
    units: np.ndarray
    offset: np.ndarray

    def artists(self, mean: np.ndarray, tracks: np.ndarray, texts: Keys) -> np.ndarray:
        """Points of artists [shape=(n_artists, n_directions + n_latent), dtype=float32].

        Parameters
        ----------
        mean : np.ndarray [shape=(n_artists, n_scaled), dtype=float32]
        tracks : np.ndarray [shape=(n_artists,), dtype=int64]
        texts : Keys
            Their documents.
        """
        known = tracks[:, None].astype(np.float32) * self.ratios
        levels = self._directed(mean) * (known / (known + 1))
        merged = Keys(texts.offsets, texts.values >> _MERGED_BITS)
        sums = documents.sums(merged, self.grams.T).astype(np.float32) * self.units
        squared = sums[:, -1:]
        latent = sums[:, :-1] / np.sqrt(np.maximum(squared, self.units[-1])) - self.offset
        return np.hstack([levels, np.where(squared > 0, latent, 0)])

    def of_inputs(self, inputs: TrackInputs, groups: Groups, texts: Keys) -> np.ndarray:
        """Points of the artists of tracks; see `artists`."""
        first = groups.starts
        return self.artists(inputs.artist_mean[first], inputs.artist_tracks[first], texts)

    def own(self, scaled: np.ndarray) -> np.ndarray:
        """A track's own place along the directions [shape=(n_tracks, n_directions)].

        What varies within artists counts little.
        """
        return self._directed(scaled) * (self.ratios / (1 + self.ratios) ** np.float32(1.5))

    def _directed(self, scaled: np.ndarray) -> np.ndarray:
        # Not `@`: BLAS gives other last digits for a track alone than for the same among others.
        return np.einsum("ij,jk->ik", np.nan_to_num(scaled - self.center), self.directions)


def fit(artists: Artists, seed: int) -> Representation:
    """Fit the space on artists of a catalogue; no labels take part."""
    mean = np.nan_to_num(artists.mean)
    center = np.average(mean, axis=0, weights=artists.weight)
    directions, ratios = _discriminants(artists, mean - center)
    grams, offset = _latent(artists.documents, seed)
    units = np.maximum(np.abs(grams).max(axis=0), 1e-9) / _LARGEST
    small = {
        "center": center, "directions": directions, "ratios": ratios, "units": units,
        "offset": offset,
    }  # fmt: skip
    return Representation(
        grams=np.rint(grams / units).astype(np.int16),
        **{name: one.astype(np.float32) for name, one in small.items()},
    )


def draw(batch: ArtistBatch, n_tracks: int) -> np.ndarray:
    """Groups of a batch that are drawn [dtype=int64]: about `MOST_ARTISTS` of the catalogue.

    An artist is drawn by the hash of its key, with a probability in proportion to its share of the
    `n_tracks` of the catalogue.
    """
    keys = batch.rows[GROUP].to_numpy()[batch.groups.starts].astype(np.uint64)
    uniform = ((keys * _DRAW) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return np.flatnonzero(uniform < batch.groups.sizes * _share(n_tracks))


def artist_rows(batch: ArtistBatch, chosen: np.ndarray, texts: Keys) -> pa.RecordBatch:
    """Rows of `ARTISTS_SCHEMA` of some groups, with the documents of all."""
    inputs, groups = batch.inputs, batch.groups
    first, second = _two_tracks(batch, chosen)
    difference = (inputs.scaled[first] - inputs.scaled[second]) / np.float32(np.sqrt(2))
    return pa.RecordBatch.from_pydict(
        {
            "artist_key": batch.rows[GROUP].take(pa.array(first)),
            "tracks": pa.array(groups.sizes[chosen].astype(np.int64)),
            "mean": lists(inputs.artist_mean[first]),
            "difference": lists(np.nan_to_num(difference)),
            "grams": texts.take(chosen).lists,
        }
    )


def _two_tracks(batch: ArtistBatch, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second track of some groups by album and id, in whatever order the rows arrived.

    The second of a group of one track is the same.
    """
    rank = pc.rank(batch.rows[TRACK_ID]).to_numpy()
    order = np.lexsort((rank, batch.inputs.album, batch.groups.code))
    first = batch.groups.starts[chosen]
    return order[first], order[first + (batch.groups.sizes[chosen] > 1)]


def _counts(texts: Keys) -> "csr_matrix":
    """How often documents have each merged gram [csr_matrix, shape=(n, N_GRAMS), dtype=int32]."""
    from scipy.sparse import csr_matrix

    merged = texts.values >> _MERGED_BITS
    shape = (len(texts.offsets) - 1, N_GRAMS)
    return csr_matrix((np.ones(len(merged), np.int32), merged, texts.offsets), shape)


def _discriminants(artists: Artists, centered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions [shape=(n_scaled, n)] in standard deviations within artists, and their ratios."""
    from scipy.linalg import eigh

    # Two tracks without features, or one track twice, do not tell how an artist's tracks differ.
    several = artists.difference.any(axis=1)
    pairs, n = artists.difference[several].astype(np.float64), artists.tracks[several]
    if len(pairs) <= pairs.shape[1]:  # too few to compare with: each feature as it is
        return np.eye(pairs.shape[1]), np.ones(pairs.shape[1])
    within = pairs.T @ pairs / len(pairs) + _RIDGE * np.eye(pairs.shape[1])
    means = centered[several]
    # One-way analysis of variance: the mean of n tracks varies by between + within / n.
    between = means.T @ means / len(means) - within * np.mean(1.0 / n)
    ratios, directions = eigh(between, within)
    kept = np.argsort(-ratios)[: max(1, int((ratios > _LEAST_RATIO).sum()))]
    return directions[:, kept], np.maximum(ratios[kept], _LEAST_RATIO)


def _latent(texts: Keys, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """From grams to latent dimensions and squared weights, and the means; none without titles."""
    from scipy.sparse import diags
    from sklearn.utils.extmath import randomized_svd

    counts = _counts(texts)
    frequency = np.bincount(texts.values >> _MERGED_BITS, minlength=N_GRAMS)
    rarity = np.where(frequency > 1, np.log((1 + counts.shape[0]) / (1 + frequency)).clip(0), 0.0)
    n = min(_LATENT, np.count_nonzero(rarity) - 1, counts.shape[0] - 1)
    if n < 1:
        return np.zeros((N_GRAMS, 1)), np.zeros(0)
    length = np.sqrt(counts @ rarity**2)
    weighted = (diags(1 / np.maximum(length, 1e-9)) @ counts @ diags(rarity)).astype(np.float32)
    _, singular, components = randomized_svd(weighted, n, n_iter=3, random_state=seed)
    points = weighted @ components.T
    spread = np.maximum(points.std(axis=0), 1e-9) * singular[0] / np.maximum(singular, 1e-9)
    to_latent = rarity[:, None] * components.T / spread
    return np.hstack([to_latent, rarity[:, None] ** 2]), points.mean(axis=0) / spread


def _share(n_tracks: int) -> float:
    """Probability with which an artist is drawn, per track of it."""
    return MOST_ARTISTS / max(n_tracks, MOST_ARTISTS)
