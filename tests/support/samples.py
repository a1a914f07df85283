import numpy as np
import pyarrow as pa

from genre_spark.classifier.representation import Artists
from genre_spark.classifier.similar_artists import Space
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.clustering.metric import nearest
from genre_spark.features import documents
from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import Keys, TrackInputs
from genre_spark.schema import FEATURE_NAMES
from support.generated import GENRES, make_scaler, make_tracks


def make_sample(n, seed=4, copies=1, genres=GENRES, groups=("artist", "album"), artists=None):
    """`n` labelled tracks, each `copies` times under other ids, those of an artist together."""
    tracks = make_tracks(n // copies, seed, genres=genres, artists=artists)
    tracks = tracks.loc[tracks.index.repeat(copies)]
    recordings = tracks.index.to_numpy(np.int64)
    code = {name: tracks[name].factorize()[0] + 1 for name in ("artist", "album")}
    own = np.arange(1, len(tracks) + 1)
    artist, album = (code[name] if name in groups else 0 * own for name in ("artist", "album"))
    order = np.lexsort((np.where(album, album, own), np.where(artist, artist, own)))
    tracks, recordings = tracks.iloc[order], recordings[order]
    scaler = make_scaler(tracks)
    scaled = scaler.to_numpy(tracks[list(FEATURE_NAMES)].to_numpy(np.float32))
    inputs = make_inputs(scaled, artist[order], album[order], tracks["title"], tracks["album"])
    artists = np.where(inputs.artist, inputs.artist, own)
    groups = Groups.of(artists)
    texts = documents.of_artists(inputs, groups)
    return LabelledTracks(
        inputs=inputs,
        synthetic=nearest(scaled, scaled[:12])[0],
        targets=np.eye(len(genres), dtype=np.float32)[[genres.index(g) for g in tracks["genre"]]],
        classes=tuple(genres),
        artists=artists,
        recordings=recordings,
        documents=texts,
        document=groups.code,
        bin_edges=scaler.bin_edges,
        features=tuple(one.feature for one in scaler.scaled_features),
        space=make_space(inputs, groups, texts),
    )


def make_space(inputs, groups, texts):
    """The representation of all artists of some tracks."""
    first = groups.starts
    difference = (inputs.scaled[first] - inputs.scaled[first + (groups.sizes > 1)]) / 2**0.5
    size = groups.sizes
    artists = Artists(size, size.astype(float), inputs.artist_mean[first], difference, texts)
    return Space.of(artists, seed=1)


def make_inputs(scaled, artist, album, title=None, album_name=None):
    """Tracks whose artists stand together, with the statistics of all of them."""
    own = np.arange(1, len(scaled) + 1)
    by_artist = Groups.of(np.where(artist, artist, own), artist == 0)
    by_album = Groups.of(by_artist.code, np.where(album, album, own), album == 0)
    means, deviations = by_album.means_and_deviations(scaled)
    artist_mean, artist_deviation = by_artist.means_and_deviations(scaled)
    return TrackInputs(
        scaled=scaled,
        artist=artist.astype(np.int64),
        album=album.astype(np.int64),
        other_artists=Keys.none(len(scaled)),
        artist_tracks=by_artist.sizes[by_artist.code],
        artist_counts=by_artist.counts(scaled).astype(np.float32)[by_artist.code],
        album_counts=by_album.counts(scaled).astype(np.float32)[by_album.code],
        artist_mean=artist_mean[by_artist.code],
        artist_deviation=artist_deviation[by_artist.code],
        album_mean=means[by_album.code],
        album_deviation=deviations[by_album.code],
        title=None if title is None else pa.array(title, pa.string()),
        album_name=None if album_name is None else pa.array(album_name, pa.string()),
    )
