"""How far Spark has come with what is being done: tracks, their rate, and the time left."""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from genre_spark.platform.session import is_classic

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Stage(NamedTuple):
    """A stage that runs, by Spark's number of it: its tasks, and how many of them are done."""

    number: int
    tasks: int
    done: int


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


# For work that nobody watches.
to_log = plainly(logging.getLogger(__name__).info)


class Step(NamedTuple):
    """Something that is being done, and with how many tracks; 0 where that is not known."""

    message: str
    tracks: int


class Pace:
    """How fast the passes over the tracks go; one for each step.

    `tracks`: How many each pass goes over; 0 where that is not known.
    """

    def __init__(self, tracks: int):
        self._tracks = tracks
        self._begun: dict[int, float] = {}

    def message(self, stage: int, share: float, now: float) -> str:
        """How far a pass has come; empty as long as nothing is done.

        `stage`: Spark's number of it.
        `share`: Of its tasks that are done, in [0, 1].
        `now`: Seconds; of any clock that never goes back.
        """
        seconds = now - self._begun.setdefault(stage, now)
        if share <= 0 or seconds <= 0:
            return ""
        done = self._tracks * share
        how_many = f"{done:,.0f} tracks, {done / seconds:,.0f} a second" if done else f"{share:.0%}"
        left = _clock(seconds * (1 - share) / share)
        return f"pass {len(self._begun)}, {how_many}, {left} left"


class Countdown:
    """Time left of steps whose lines end in a count, such as ``epoch 3 of 24``."""

    def __init__(self) -> None:
        self._of, self._first, self._begun = "", 0, 0.0

    def message(self, line: str, now: float) -> str:
        """The line, with the time left once two counts are known; `now` in seconds."""
        counted = _COUNTED.search(line)
        if not counted:
            return line
        done, of = map(int, counted.groups())
        step = line[: counted.start()] + counted[2]
        if step != self._of or done <= self._first:
            self._of, self._first, self._begun = step, done, now
            return line
        seconds = (now - self._begun) / (done - self._first) * (of - done)
        return f"{line}, {_clock(seconds)} left"


class Watch:
    """Adds to the line of progress, from `start` to `stop`, how far Spark has come.

    `active`: Gives the stages that run; see `stages_of`.
    `step`: Gives the step in progress: a new object for each step.
    `add`: Takes how far the step has come.
    """

    def __init__(
        self,
        active: Callable[[], list[Stage]],
        step: Callable[[], Step],
        add: Callable[[str], None],
    ):
        self._active, self._get_step, self._add = active, step, add
        self._step: Step | None = None
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
        step = self._get_step()
        if step is not self._step:
            self._step, self._pace = step, Pace(step.tracks)
        if running := [stage for stage in self._active() if stage.tasks > 1]:
            largest = max(running, key=lambda stage: stage.tasks)
            share = largest.done / largest.tasks
            self._add(self._pace.message(largest.number, share, time.monotonic()))


def stages_of(spark: "SparkSession") -> Callable[[], list[Stage]]:
    """What gives the stages that run in a session, classic or of Spark Connect."""
    if not is_classic(spark):
        return _stages_on_connect(spark)
    tracker = spark.sparkContext.statusTracker()

    def active() -> list[Stage]:
        found = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
        return [Stage(one.stageId, one.numTasks, one.numCompletedTasks) for one in found if one]

    return active


def _stages_on_connect(spark: "SparkSession") -> Callable[[], list[Stage]]:
    """The server reports them while a plan runs."""
    latest: list[Stage] = []

    def keep(stages: Any, done: bool, **_: Any) -> None:
        running = [] if done else [one for one in stages or () if not one.done]
        latest[:] = [Stage(one.stage_id, one.num_tasks, one.num_completed_tasks) for one in running]

    spark.registerProgressHandler(cast("Any", keep))  # called by keyword
    return lambda: list(latest)


_COUNTED = re.compile(r"(\d+) of (\d+)$")
# Seconds between looks.
_EVERY = 1.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
