"""Networks in files behind HTTP."""

from collections.abc import Sequence
from pathlib import Path

from .._foundation.errors import InputError
from ..interchange import BridgeServer, read_network


def opened_server(models: Sequence[str | Path], *, host: str, port: int, extrapolate: bool) -> BridgeServer:
    """A server for the networks in the files `models`, each called like its file without the ending."""
    by_name: dict[str, Path] = {}
    for path in map(Path, models):
        if path.stem in by_name:
            raise InputError(f"{by_name[path.stem]} and {path} are both called {path.stem}; rename one of them.")
        by_name[path.stem] = path
    networks = {name: read_network(path) for name, path in by_name.items()}
    return BridgeServer(networks, host, port, extrapolate)
