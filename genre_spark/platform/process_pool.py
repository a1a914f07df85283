"""Work in processes of their own, a core each, with word of how far they are."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from genre_spark.errors import GenreSparkError

Task = TypeVar("Task")
Result = TypeVar("Result")
Step = Callable[[], None]
Work = Callable[[Task, Step], Result]

# Threads of one process would wait for each other more than they help on small layers; and a
# process that took a whole graphics card would leave none of it to the others.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
# Idle processes wait so long for more: they have loaded heavy libraries.
_IDLE_SECONDS = 60
_LISTEN_SECONDS = 0.5
_LOOK_SECONDS = 2.0


def run(
    work: Work[Task, Result],
    tasks: Sequence[Task],
    heard: Callable[[Task, int], None],
    most: int | None = None,
) -> list[Result]:
    """What the work makes of each task; at once, as far as there are cores.

    Parameters
    ----------
    work : callable
        A function of a module, to be called with a task and with what it should call at each step.
    tasks : sequence
        The longest first.
    heard : callable
        Told a task and how many steps of it are done.
    most : int, optional
        Processes; with one, the work is done here.

    Raises
    ------
    GenreSparkError
        Where a process was killed.
    """
    import loky

    n_processes = min(len(tasks), most or loky.cpu_count())
    if n_processes == 1:
        return [_here(work, task, heard) for task in tasks]
    pool = loky.get_reusable_executor(
        n_processes, timeout=_IDLE_SECONDS, env=_ENVIRONMENT, initializer=_end_with_parent
    )
    with tempfile.TemporaryDirectory(prefix="genre-spark-") as folder:
        # Each step is a byte of a task's file.
        steps = [Path(folder, str(i)) for i in range(len(tasks))]
        try:
            futures = [pool.submit(_there, work, *one) for one in zip(tasks, steps, strict=True)]
            _listen(futures, tasks, steps, heard)
            return [future.result() for future in futures]
        except BrokenProcessPool as err:
            raise GenreSparkError(
                "a process that fits the network was killed, most likely because memory ran out;"
                " free some, or learn from fewer tracks with --set max_labels=N"
            ) from err
        except BaseException:
            pool.shutdown(kill_workers=True)
            raise


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone: killed, it could not say so."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def _here(work: Work[Task, Result], task: Task, heard: Callable[[Task, int], None]) -> Result:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        heard(task, done)

    return work(task, step)


def _there(work: Work[Task, Result], task: Task, steps: Path) -> Result:
    def step() -> None:
        with steps.open("ab") as file:
            file.write(b".")

    return work(task, step)


def _listen(
    futures: Sequence[Future[Result]],
    tasks: Sequence[Task],
    steps: Sequence[Path],
    heard: Callable[[Task, int], None],
) -> None:
    """Passes on what is heard until all is done, or something fails."""
    known = [0] * len(tasks)
    going = True
    while going:
        finished = wait(futures, _LISTEN_SECONDS, FIRST_EXCEPTION)
        failed = any(future.exception() for future in finished.done)
        going = bool(finished.not_done) and not failed
        for i, file in enumerate(steps):
            done = file.stat().st_size if file.exists() else 0
            if done > known[i]:
                known[i] = done
                heard(tasks[i], done)
