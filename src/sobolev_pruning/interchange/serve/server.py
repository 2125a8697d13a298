"""Surrogates behind HTTP, to whoever speaks UM-Bridge 1.0."""

import json
import socket
import socketserver
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler

from ..._foundation.errors import InputError
from ..._foundation.precision import require_float64
from ...surrogate import Surrogate
from .answers import QUESTIONS, BridgedModel, Content, Refusal, answer

_LARGEST = 2**22
"""Bytes of a question: three vectors of 40,000 numbers."""

_DISCARDED = 2**26
"""Bytes of a larger one that are taken and thrown away, so that the answer finds its reader."""

_PATIENCE = 60.0
"""Seconds that a connection may be silent."""


class BridgeServer(socketserver.ThreadingTCPServer):
    """Answers the questions of UM-Bridge 1.0 about `models`, by name, with a thread for each connection.

    `serve_forever()` answers until `shutdown()`; `server_close()` gives the port back; `address` is where it listens,
    with `port` 0 at a free port. Points outside of the training range are refused unless it may `extrapolate`. What is
    wrong with a question is said by an error of the protocol.

    Raises `InputError` where a training range is not known and it may not `extrapolate`, and where `host` and `port`
    cannot be listened on.

    >>> import jax, threading, urllib.request
    >>> from sobolev_pruning import Samples
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> net = Surrogate.create([1, 4, 1], samples, key=jax.random.key(0))
    >>> with BridgeServer({"price": net}, port=0) as server:
    ...     threading.Thread(target=server.serve_forever).start()
    ...     with urllib.request.urlopen(f"{server.address}/Info") as found:
    ...         print(found.read().decode())
    ...     server.shutdown()
    {"protocolVersion": 1.0, "models": ["price"]}
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, models: Mapping[str, Surrogate], host: str = "127.0.0.1", port: int = 4242, extrapolate: bool = False
    ):
        require_float64("A server")
        if not models:
            raise InputError("There are no models to serve; give at least one.")
        self.models = {name: BridgedModel(surrogate, name, extrapolate) for name, surrogate in models.items()}
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Connection)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{host} cannot be listened on at port {port} ({reason}); give another one.") from None

    @property
    def address(self) -> str:
        """Where it listens, as `http://127.0.0.1:4242`."""
        host, port = self.server_address[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def handle_error(self, request, client_address) -> None:
        """Says nothing of connections that break off."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet

    server: BridgeServer

    def handle_expect_100(self) -> bool:
        """Says at once that a large question may come, as who asks whether waits for it."""
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def do_POST(self) -> None:
        try:
            question = self._question()
            content = self._content()
            self._answered(200, answer(self.server.models, question, content))
        except Refusal as refusal:
            self._refused(refusal)

    def do_GET(self) -> None:
        try:
            if self._question() != "Info":
                raise Refusal("InvalidInput", f"{self.path} is asked by POST.", 405)
            self._answered(200, answer(self.server.models, "Info", None))
        except Refusal as refusal:
            self._refused(refusal)

    def _question(self) -> str:
        question = self.path.partition("?")[0].strip("/")
        if question not in QUESTIONS:
            self.close_connection = True  # the content was not read
            there = ", ".join(f"/{known}" for known in QUESTIONS)
            raise Refusal("UnsupportedFeature", f"There is no {self.path[:100]!r}; there are {there}.", 404)
        return question

    def _content(self) -> object:
        stated = self.headers.get("Content-Length", "")
        if not (stated.isascii() and stated.isdecimal()) or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Refusal("InvalidInput", "The question has no Content-Length; send it in one piece.", 411)
        length = int(stated[:20])
        if length > _LARGEST:
            self.close_connection = True
            left = min(length, _DISCARDED)
            while left > 0 and (taken := len(self.rfile.read(min(left, 2**16)))):
                left -= taken
            raise Refusal("InvalidInput", f"The question has {length} bytes, more than {_LARGEST}.", 413)
        body = self.rfile.read(length)
        if not body and self.path.strip("/") == "Info":
            return None
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Refusal("InvalidInput", f"The content is no JSON ({str(error)[:100]}).") from None

    def _answered(self, status: int, content: Content) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _refused(self, refusal: Refusal) -> None:
        self._answered(refusal.status, {"error": {"type": refusal.kind, "message": str(refusal)}})

    def send_error(self, code, message=None, explain=None) -> None:
        """What is not even HTTP, or asked by another method, is refused in the protocol's way, too."""
        self.close_connection, self.request_version = True, self.protocol_version  # which may not have been read
        short, _ = self.responses.get(code, ("Error", ""))
        self._refused(Refusal("InvalidInput", f"{message or short}.", int(code)))

    def log_message(self, *arguments) -> None:
        """Says nothing."""


def serve(
    models: Mapping[str, Surrogate], *, host: str = "127.0.0.1", port: int = 4242, extrapolate: bool = False
) -> None:
    """Answers questions about `models`, by name, over UM-Bridge 1.0 until it is interrupted; see `BridgeServer`."""
    with BridgeServer(models, host, port, extrapolate) as server:
        server.serve_forever()
