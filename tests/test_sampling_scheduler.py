"""Calls over a Dask scheduler end, whatever becomes of it: played by clients that lose theirs."""

from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import pytest

from sobolev_pruning.sampling import scheduler
from sobolev_pruning.sampling.scheduler import SchedulerExecutor


class SilentExecutor:
    """Takes calls whose results never come, as those that are on their way when a scheduler dies."""

    def submit(self, fn, *args, **kwargs) -> Future:
        return Future()


class Client:
    def __init__(self, number: int, executor):
        self.number, self.executor, self.status = number, executor, "running"

    def get_executor(self):
        return self.executor

    def scheduler_info(self):
        if self.number is None:
            raise RuntimeError("the client is closed")
        return {"id": self.number}

    def close(self):
        self.status = "closed"


def closes(client):
    client.status = "closed"


def finds_another_scheduler(client):
    client.number += 7


def raises(client):
    client.number = None


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(scheduler, "_SECONDS_BETWEEN_TRIES", 0.02)
    monkeypatch.setattr(scheduler, "_SECONDS_AWAY", 0.3)


@pytest.mark.parametrize("lose", [closes, finds_another_scheduler, raises])
def test_calls_under_way_are_sent_again_when_the_scheduler_comes_back(quick, lose):
    clients = [Client(0, SilentExecutor()), Client(1, ThreadPoolExecutor(1))]
    answers = iter([clients[0], RuntimeError("nobody there"), clients[1]])

    def connect():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with SchedulerExecutor(connect, "tcp://there:1") as pool:
        calls = [pool.submit(pow, 2, n) for n in range(3)]
        assert not any(call.done() for call in calls)
        lose(clients[0])
        assert [call.result(timeout=10) for call in calls] == [1, 2, 4]
        assert pool.submit(pow, 3, 2).result(timeout=10) == 9
    clients[1].executor.shutdown()


def test_calls_end_where_it_does_not_come_back(quick):
    clients = iter([Client(0, SilentExecutor())])
    pool = SchedulerExecutor(lambda: next(clients), "tcp://there:1")
    call = pool.submit(pow, 2, 3)
    closes(pool._client)
    with pytest.raises(BrokenExecutor, match="did not come back within"):
        call.result(timeout=10)
    with pytest.raises(BrokenExecutor, match="is closed"):
        pool.submit(pow, 2, 3)
