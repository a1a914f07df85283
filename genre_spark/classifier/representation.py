"""Artists as points, learned without labels: the directions in which they differ, and their titles.

Artists that lie close together sound alike or name their tracks alike, so that few labels inform
many tracks. A model of few labels (`similar_artists`) and the choice of tracks to label
(`questions`) work in this space.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_spark.features.artist_batches import GROUP, ArtistBatch
from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import TrackInputs

# Artists on the driver, about: drawn in proportion to their tracks.
MOST_ARTISTS = 30_000
# Buckets of hashed character n-grams of titles, and the dimensions that they are reduced to.
_BUCKETS = 2**12
_SHIFT = 52
_LATENT = 32
_NGRAMS = (3, 4)
# Directions in which artists differ less, in variances within an artist, are left out.
_LEAST_RATIO = 0.02
_RIDGE = 1e-3
# Odd constants of multiplicative hashing (Knuth, TAOCP 3), for grams and for drawing artists.
_HASH = np.uint64(0x9E3779B97F4A7C15)
_DRAW = np.uint64(0xC2B2AE3D27D4EB4F)

ARTISTS_SCHEMA = (
    "artist_key bigint, tracks bigint, mean array<float>, difference array<float>,"
    " grams array<int>, counts array<float>"
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
        Of the scaled features; 0 for a feature that all of its tracks lack.
    difference : np.ndarray [shape=(n, n_scaled), dtype=float32]
        Between two of its tracks, divided by the root of 2; 0 if it has one, or features lack.
    grams : csr_matrix [shape=(n, 4096)]
        How often its titles and album names have each hashed gram.
    """

    tracks: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    difference: np.ndarray
    grams: Any

    def __len__(self) -> int:
        return len(self.tracks)

    @classmethod
    def of(cls, table: pa.Table, n_tracks: int) -> "Artists":
        """From rows of `ARTISTS_SCHEMA`, drawn from a catalogue of so many tracks."""
        from scipy.sparse import csr_matrix

        tracks = table["tracks"].to_numpy()
        lists = {name: table[name].combine_chunks() for name in table.column_names[2:6]}
        mean, difference = (
            lists[name].flatten().to_numpy().reshape(len(tracks), -1)
            for name in ("mean", "difference")
        )
        ends = np.cumsum(lists["grams"].value_lengths().to_numpy())
        values = [lists[name].flatten().to_numpy() for name in ("counts", "grams")]
        grams = csr_matrix((*values, np.concatenate([[0], ends])), (len(tracks), _BUCKETS))
        weight = tracks / np.minimum(1.0, tracks * _share(n_tracks))
        return cls(tracks, weight, mean, difference, grams)


@dataclass(frozen=True)
class Representation:
    """The fitted space: discriminants of artists, and latent dimensions of their titles.

    Attributes
    ----------
    center : np.ndarray [shape=(n_scaled,)]
        Mean of the scaled features over tracks.
    directions : np.ndarray [shape=(n_scaled, n_directions)]
        In standard deviations within artists.
    ratios : np.ndarray [shape=(n_directions,)]
        Variance between artists over variance within them.
    rarity : np.ndarray [shape=(4096,)]
        Weight of each gram: less, the more artists have it.
    titles : np.ndarray [shape=(4096, n_latent)]
        From weighted grams to latent dimensions.
    offset : np.ndarray [shape=(n_latent,)]
        Subtracted from the latent dimensions.

    References
    ----------
    Fisher (1936), "The Use of Multiple Measurements in Taxonomic Problems"; Deerwester et al.
    (1990), "Indexing by Latent Semantic Analysis".
    """

    center: np.ndarray
    directions: np.ndarray
    ratios: np.ndarray
    rarity: np.ndarray
    titles: np.ndarray
    offset: np.ndarray

    def artists(self, mean: np.ndarray, tracks: np.ndarray, grams: Any) -> np.ndarray:
        """Points of artists [shape=(n_artists, n_dimensions)].

        Parameters
        ----------
        mean : np.ndarray [shape=(n_artists, n_scaled), dtype=float32]
        tracks : np.ndarray [shape=(n_artists,), dtype=int64]
        grams : csr_matrix [shape=(n_artists, 4096)]
        """
        known = tracks[:, None] * self.ratios
        levels = self._directed(mean) * (known / (known + 1))
        return np.hstack([levels, _weighted(grams, self.rarity) @ self.titles - self.offset])

    def own(self, scaled: np.ndarray) -> np.ndarray:
        """A track's own place along the directions [shape=(n_tracks, n_directions)].

        What varies within artists counts little.
        """
        return self._directed(scaled) * (self.ratios / (1 + self.ratios) ** 1.5)

    def _directed(self, scaled: np.ndarray) -> np.ndarray:
        return (scaled - self.center) @ self.directions


def fit(artists: Artists, seed: int) -> Representation:
    """Fit the space on artists of a catalogue; no labels take part."""
    center = np.average(artists.mean, axis=0, weights=artists.weight)
    directions, ratios = _discriminants(artists, center)
    rarity, titles, offset = _latent(artists.grams, seed)
    return Representation(center, directions, ratios, rarity, titles, offset)


def draw(batch: ArtistBatch, n_tracks: int) -> np.ndarray:
    """Groups of a batch that are drawn [dtype=int64]: about `MOST_ARTISTS` of the catalogue.

    An artist is drawn by the hash of its key, with a probability in proportion to its tracks.

    Parameters
    ----------
    batch : ArtistBatch
    n_tracks : int
        In the whole catalogue.
    """
    keys = batch.rows[GROUP].to_numpy()[batch.groups.starts].astype(np.uint64)
    uniform = ((keys * _DRAW) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return np.flatnonzero(uniform < batch.groups.sizes * _share(n_tracks))


def artist_rows(batch: ArtistBatch, chosen: np.ndarray) -> pa.RecordBatch:
    """Rows of `ARTISTS_SCHEMA`.

    Parameters
    ----------
    batch : ArtistBatch
    chosen : np.ndarray [dtype=int64]
        Groups to take.
    """
    inputs, groups = batch.inputs, batch.groups
    first = groups.starts[chosen]
    second = first + (groups.sizes[chosen] > 1)
    difference = (inputs.scaled[first] - inputs.scaled[second]) / np.float32(np.sqrt(2))
    grams = title_grams(inputs, groups)[chosen]
    return pa.RecordBatch.from_pydict(
        {
            "artist_key": pa.array(inputs.artist[first]),
            "tracks": pa.array(groups.sizes[chosen].astype(np.int64)),
            # 0 is the catalogue's mean: artists without a feature are average ones.
            "mean": _lists(np.nan_to_num(inputs.artist_mean[first])),
            "difference": _lists(np.nan_to_num(difference)),
            "grams": _parts(grams.indptr, grams.indices.astype(np.int32)),
            "counts": _parts(grams.indptr, grams.data.astype(np.float32)),
        }
    )


def title_grams(inputs: TrackInputs, groups: Groups) -> Any:
    """Count hashed character 3- and 4-grams of the titles and album names of each artist.

    Parameters
    ----------
    inputs : TrackInputs
    groups : Groups

    Returns
    -------
    csr_matrix [shape=(n_groups, 4096), dtype=float32]
    """
    from scipy.sparse import coo_matrix

    shape = (len(groups.starts), _BUCKETS)
    rows, buckets = [], []
    for texts in (inputs.title, inputs.album_name):
        if texts is not None:
            track, bucket = _grams(texts)
            rows.append(groups.code[track])
            buckets.append(bucket)
    if not rows:
        return coo_matrix(shape, dtype=np.float32).tocsr()
    at = (np.concatenate(rows), np.concatenate(buckets))
    return coo_matrix((np.ones(len(at[0]), np.float32), at), shape).tocsr()


def _grams(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """Track and bucket of each gram, by a hash over windows of the bytes of all texts."""
    spaced = pc.binary_join_element_wise("", pc.utf8_lower(texts.fill_null("")), "", " ")
    data = pa.concat_arrays([spaced]).cast(pa.large_binary())
    offsets = np.frombuffer(data.buffers()[1], np.int64)[data.offset :][: len(data) + 1]
    letters = np.frombuffer(data.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    letters = letters.astype(np.uint64)
    ends = offsets[1:] - offsets[0]
    track = np.repeat(np.arange(len(data)), np.diff(offsets))
    rows, buckets = [], []
    for n in _NGRAMS:
        size = max(0, len(letters) - n + 1)
        hashed = np.full(size, n, np.uint64)
        for i in range(n):
            hashed = (hashed ^ letters[i : size + i]) * _HASH
        inside = np.arange(size) + n <= ends[track[:size]]
        rows.append(track[:size][inside])
        buckets.append((hashed[inside] >> np.uint64(_SHIFT)).astype(np.int64))
    return np.concatenate(rows), np.concatenate(buckets)


def _discriminants(artists: Artists, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions [shape=(n_scaled, n)] in standard deviations within artists, and their ratios."""
    from scipy.linalg import eigh

    # Two tracks without features, or one track twice, do not tell how an artist's tracks differ.
    several = artists.difference.any(axis=1)
    pairs, n = artists.difference[several], artists.tracks[several].astype(np.float64)
    if len(pairs) <= pairs.shape[1]:  # too few to compare with: each feature as it is
        return np.eye(pairs.shape[1]), np.ones(pairs.shape[1])
    within = pairs.T @ pairs / len(pairs) + _RIDGE * np.eye(artists.mean.shape[1])
    means = artists.mean[several] - center
    # One-way analysis of variance: the mean of n tracks varies by between + within / n.
    between = means.T @ means / len(means) - within * np.mean(1.0 / n)
    ratios, directions = eigh(between, within)
    kept = np.argsort(-ratios)[: max(1, int((ratios > _LEAST_RATIO).sum()))]
    return directions[:, kept], np.maximum(ratios[kept], _LEAST_RATIO)


def _latent(grams: Any, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of grams, from grams to latent dimensions, and their mean; none without titles."""
    from sklearn.utils.extmath import randomized_svd

    frequency = np.bincount(grams.indices, minlength=_BUCKETS)
    rarity = np.where(frequency > 1, np.log((1 + grams.shape[0]) / (1 + frequency)), 0.0)
    n = min(_LATENT, int((rarity > 0).sum()) - 1, grams.shape[0] - 1)
    if n < 1:
        return rarity, np.zeros((_BUCKETS, 0)), np.zeros(0)
    weighted = _weighted(grams, rarity)
    _, singular, components = randomized_svd(weighted, n, n_iter=3, random_state=seed)
    points = weighted @ components.T
    spread = np.maximum(points.std(axis=0), 1e-9) * singular[0] / np.maximum(singular, 1e-9)
    return rarity, components.T / spread, points.mean(axis=0) / spread


def _weighted(grams: Any, rarity: np.ndarray) -> Any:
    """Logarithms of counts times rarity, as rows of length 1 [csr_matrix, dtype=float32]."""
    from scipy.sparse import csr_matrix

    values = np.log1p(grams.data) * rarity[grams.indices]
    row = np.repeat(np.arange(grams.shape[0]), np.diff(grams.indptr))
    length = np.sqrt(np.bincount(row, values**2, minlength=grams.shape[0]))
    scaled = (values / np.maximum(length, 1e-9)[row]).astype(np.float32)
    return csr_matrix((scaled, grams.indices, grams.indptr), grams.shape)


def _share(n_tracks: int) -> float:
    """Probability with which an artist is drawn, per track of it."""
    return MOST_ARTISTS / max(n_tracks, MOST_ARTISTS)


def _lists(values: np.ndarray) -> pa.ListArray:
    return _parts(np.arange(len(values) + 1) * values.shape[1], values.astype(np.float32).ravel())


def _parts(offsets: np.ndarray, values: np.ndarray) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))
