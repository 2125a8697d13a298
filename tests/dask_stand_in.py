"""What the package `distributed` offers, played by threads: nothing else of it is used."""

import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType


class Client:
    """Connects to one scheduler only; `connected` holds all that were made."""

    connected: list["Client"]

    def __init__(self, address):
        if address != "tcp://scheduler:8786":
            raise OSError("timed out")
        self.address, self.closed = address, False
        self.connected.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self.close()

    def close(self):
        self.closed = True

    def nthreads(self):
        return {"tcp://worker:1": 2}

    status = "running"

    def scheduler_info(self):
        return {"id": "scheduler"}

    def get_executor(self):
        return ThreadPoolExecutor(2)


def stand_in(monkeypatch) -> list[Client]:
    """Puts it in the place of `distributed` for one test; the clients made are added to the list."""
    monkeypatch.setattr(Client, "connected", [], raising=False)
    module = ModuleType("distributed")
    module.Client = Client
    monkeypatch.setitem(sys.modules, "distributed", module)
    return Client.connected
