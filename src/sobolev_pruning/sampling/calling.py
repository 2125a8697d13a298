"""Jobs sent to an executor, few ahead of its workers, cheap ones in batches; whatever happens, each has its outcome."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from .._foundation.errors import InputError
from .simulator_calls import Job, Labels, Raised, do_jobs

_FOREIGN_WORKERS = 32
_SECONDS_OF_A_BATCH = 0.2
"""A batch takes about so long: a task of its own for every call costs up to 15 ms with a scheduler."""
_GROWTH = 8


@dataclass(frozen=True)
class Lost:
    """A call without an answer: what happened, and the message."""

    what: Literal["raised", "timed out", "died"]
    message: str


@dataclass(frozen=True)
class Caller:
    """Does jobs of `simulate` by `pool`; where `watched`, the pool itself ends calls that take too long, and takes them
    one by one.
    """

    pool: Executor
    simulate: Callable
    time_limit: float | None
    watched: bool

    def outcomes(self, jobs: Iterable[tuple[Hashable, Job]]) -> Iterator[tuple[Hashable, Labels | Lost]]:
        """Key and outcome of every job in the order in which they end.

        A batch that is lost as a whole is done again one by one, so that only the culprit pays.
        """
        workers = getattr(self.pool, "workers", getattr(self.pool, "_max_workers", _FOREIGN_WORKERS))
        left, again = deque(jobs), deque()
        running: dict[Future, tuple[list[tuple[Hashable, Job]], float]] = {}
        size, is_timed = 1, self.watched
        while left or again or running:
            while (left or again) and len(running) < 2 * workers:
                source, most = (again, 1) if again else (left, min(size, -(-len(left) // workers)))
                batch = [source.popleft() for _ in range(min(most, len(source)))]
                running[self._sent([job for _, job in batch])] = batch, monotonic()
                if not is_timed:  # a moment for the first answer, which tells how many go into a batch
                    wait(running, timeout=_SECONDS_OF_A_BATCH)
                    is_timed = True
                    break
            done, _ = wait(running, timeout=self._patience, return_when=FIRST_COMPLETED)
            for future in done:
                batch, _ = running.pop(future)
                answer = self._answer(future)
                if isinstance(answer, Lost) and len(batch) > 1:
                    again.extend(batch)
                elif isinstance(answer, Lost):
                    yield batch[0][0], answer
                else:
                    found, seconds = answer
                    if not self.watched:
                        fitting = int(_SECONDS_OF_A_BATCH * len(batch) / max(seconds, 1e-9))
                        size = max(1, min(fitting, _GROWTH * size))
                    for (key, _), one in zip(batch, found):
                        yield key, Lost("raised", one.message) if isinstance(one, Raised) else one
            for batch in self._given_up(running):
                if len(batch) > 1:
                    again.extend(batch)
                else:
                    yield batch[0][0], Lost("timed out", f"no answer within {self.time_limit:g} seconds")

    @property
    def _patience(self) -> float | None:
        return None if self.watched else self.time_limit

    def _sent(self, jobs: list[Job]) -> Future:
        try:
            return self.pool.submit(do_jobs, self.simulate, jobs)
        except InputError:
            raise
        except Exception as error:  # of an executor that is closed, or whose scheduler is gone
            raise InputError(f"The simulator cannot be called any more: {_text(error)}.") from None

    def _answer(self, future: Future):
        """What a batch gave; what the simulator itself raised is part of that, so the rest is the executor's."""
        try:
            return future.result()
        except InputError:
            raise
        except TimeoutError as error:
            return Lost("timed out", str(error))
        except (Exception, CancelledError) as error:
            return Lost("died", _text(error))

    def _given_up(self, running: dict) -> Iterator[list]:
        if self.watched or self.time_limit is None:
            return
        for future, (batch, since) in list(running.items()):
            # A call may wait behind another one, which has the limit to itself.
            if monotonic() - since > 2.0 * (self.time_limit + _SECONDS_OF_A_BATCH * (len(batch) > 1)):
                del running[future]
                future.cancel()
                yield batch


def _text(error: BaseException) -> str:
    named = type(error).__name__
    return str(error) if named == "BrokenExecutor" else f"{named}: {error}" if str(error) else named
