"""How far Spark has come with what is being done: tracks, their rate, and the time left."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pyspark import SparkStageInfo, StatusTracker

    from genre_spark.cli.terminal import Terminal


class ReportProgress(Protocol):
    """Tells people, in one line, what is being done, and with how many tracks."""

    def __call__(self, message: str, tracks: int = 0) -> None:
        """Tells it; 0 tracks where their number is not known."""


def plainly(report_progress: Callable[[str], None]) -> ReportProgress:
    """For a callable that takes lines only."""
    return lambda message, tracks=0: report_progress(message)


def after(prefix: str, report_progress: ReportProgress) -> ReportProgress:
    """The same lines, with something before each."""
    return lambda message, tracks=0: report_progress(prefix + message, tracks)


class Pace:
    """How fast the passes over the tracks go; one for each step.

    Parameters
    ----------
    tracks : int
        How many each pass goes over; 0 where that is not known.
    """

    def __init__(self, tracks: int):
        self._tracks = tracks
        self._begun: dict[int, float] = {}

    def message(self, stage: int, share: float, now: float) -> str:
        """How far a pass has come.

        Parameters
        ----------
        stage : int
            Spark's number of it.
        share : float
            Of its tasks that are done, in [0, 1].
        now : float
            Seconds; of any clock that never goes back.

        Returns
        -------
        str
            Empty as long as nothing is done.
        """
        seconds = now - self._begun.setdefault(stage, now)
        if share <= 0 or seconds <= 0:
            return ""
        done = self._tracks * share
        how_many = f"{done:,.0f} tracks, {done / seconds:,.0f} a second" if done else f"{share:.0%}"
        left = _clock(seconds * (1 - share) / share)
        return f"pass {len(self._begun)}, {how_many}, {left} left"


class Watch:
    """Adds to the line of progress, from `start` to `stop`, how far Spark has come.

    Parameters
    ----------
    tracker : StatusTracker
    terminal : Terminal
    """

    def __init__(self, tracker: "StatusTracker", terminal: "Terminal"):
        self._tracker, self._terminal = tracker, terminal
        self._step: object = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begins to look, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it; the line may be taken away then."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_EVERY):
            try:
                self.look()
            except Exception:  # Spark has gone, which the work itself reports
                return

    def look(self) -> None:
        """Looks once."""
        step = self._terminal.step
        if step is not self._step:
            self._step, self._pace = step, Pace(step.tracks)
        stages = [self._tracker.getStageInfo(i) for i in self._tracker.getActiveStageIds()]
        if running := [stage for stage in stages if stage and stage.numTasks > 1]:
            largest: SparkStageInfo = max(running, key=lambda stage: stage.numTasks)
            share = largest.numCompletedTasks / largest.numTasks
            self._terminal.add(self._pace.message(largest.stageId, share, time.monotonic()))


# Seconds between looks.
_EVERY = 1.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
