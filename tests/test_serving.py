"""The server: questions of UM-Bridge 1.0 answered as JAX answers them, and what is no question refused in its way."""

import json
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from command_line import call
from sobolev_pruning import InputError
from sobolev_pruning.interchange import BridgeServer
from surrogates import LAYERED, layered_surrogate, surrogate_of_shape
from tolerances import FLOAT64_ACROSS_PROGRAMS

X = [0.5, 1.0, 1.5]
NET = replace(
    layered_surrogate(*LAYERED["a skip"]),
    training_range=(jnp.zeros(3), jnp.full(3, 2.0)),
    inputs=["spot [USD]", "vol", "τ"],
)
KINKED = surrogate_of_shape([1, 2, 1], "relu", scalar=True)
STEEP = replace(KINKED, scaling=replace(KINKED.scaling, x_scale=jnp.full(1, 1e-300)))


@contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def address():
    with running(BridgeServer({"net": NET}, port=0)) as server:
        yield server.address


def asked(address: str, what: str, content=None):
    """Status and answer; a content that is no bytes is sent as JSON."""
    body = content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{address}/{what}", body), timeout=20) as found:
            return found.status, json.loads(found.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_client_of_um_bridge_gets_what_jax_gives(address):
    umbridge = pytest.importorskip("umbridge", reason="the client of UM-Bridge is not installed")
    model = umbridge.HTTPModel(address, "net")
    assert (model.get_input_sizes(), model.get_output_sizes()) == ([3], [2])
    generator = np.random.default_rng(0)
    points = generator.uniform(0.0, 2.0, (5, 3))
    value, slopes, bends = (
        np.asarray(array) for array in (NET.value(points), NET.gradient(points), NET.hessian(points))
    )
    for x, y, j, h in zip(points.tolist(), value, slopes, bends):
        sens, vec = generator.standard_normal(2).tolist(), generator.standard_normal(3).tolist()
        for found, expected in (
            (model([x])[0], y),
            (model.gradient(0, 0, [x], sens), sens @ j),
            (model.apply_jacobian(0, 0, [x], vec), j @ vec),
            (model.apply_hessian(0, 0, 0, [x], sens, vec), np.tensordot(sens, h, 1) @ vec),
        ):
            assert np.abs(np.array(found) - expected).max() <= FLOAT64_ACROSS_PROGRAMS * np.abs(expected).max()
    with pytest.raises(Exception, match=r"InvalidInput: Input spot \[USD\] is 2.5, but the network was trained from 0"):
        model([[2.5, 1.0, 1.0]])


def test_what_it_has_and_can_is_told(address):
    info = {"protocolVersion": 1.0, "models": ["net"]}
    assert asked(address, "Info") == (200, info) and asked(address, "Info", {}) == (200, info)
    status, told = asked(address, "ModelInfo", {"name": "net"})
    assert status == 200
    assert told["support"] == {"Evaluate": True, "Gradient": True, "ApplyJacobian": True, "ApplyHessian": True}
    assert told["inputs"][0] == {"name": "spot", "unit": "USD"} and told["outputs"][1] == {"name": "y1", "unit": None}
    assert asked(address, "OutputSizes", {"name": "net", "config": {}}) == (200, {"outputSizes": [2]})


GRADIENT = {"name": "net", "input": [X], "outWrt": 0, "inWrt": 0, "sens": [1, 0.5]}
HESSIAN = {"name": "net", "input": [X], "outWrt": 0, "inWrt1": 0, "inWrt2": 0, "sens": [1, 0.5], "vec": X}
WRONG = {
    "no such model": ("Evaluate", {"name": "other", "input": [X]}, 400, "ModelNotFound", "there are net"),
    "no name": ("InputSizes", {}, 400, "ModelNotFound", "no model None"),
    "a name that is none": ("ModelInfo", {"name": ["net"]}, 400, "ModelNotFound", "no model"),
    "a list": ("Evaluate", [1], 400, "InvalidInput", "must be a JSON object"),
    "no JSON": ("Evaluate", b"{'name'", 400, "InvalidInput", "is no JSON"),
    "no text": ("Evaluate", b"\xff\xfe\xfd", 400, "InvalidInput", "is no JSON"),
    "nested without end": ("Evaluate", b"[" * 100_000, 400, "InvalidInput", "is no JSON"),
    "an endless number": ("Evaluate", b'{"name":"net","input":[[' + b"9" * 5000 + b",1,1]]}", 400, "InvalidInput", ""),
    "a config that is none": ("Evaluate", {"name": "net", "config": 3}, 400, "InvalidInput", "config must be"),
    "no input": ("Evaluate", {"name": "net"}, 400, "InvalidInput", "a list of one list"),
    "a flat input": ("Evaluate", {"name": "net", "input": X}, 400, "InvalidInput", "a list of one list"),
    "a short input": ("Evaluate", {"name": "net", "input": [[1]]}, 400, "InvalidInput", "be a list of 3 numbers"),
    "text": ("Evaluate", {"name": "net", "input": [["1", 1, 1]]}, 400, "InvalidInput", "else than finite numbers"),
    "true": ("Evaluate", {"name": "net", "input": [[True, 1, 1]]}, 400, "InvalidInput", "else than finite numbers"),
    "NaN": ("Evaluate", b'{"name":"net","input":[[NaN,1,1]]}', 400, "InvalidInput", "else than finite numbers"),
    "beyond float64": ("Evaluate", {"name": "net", "input": [[10**400, 1, 1]]}, 400, "InvalidInput", "finite numbers"),
    "outside": ("Evaluate", {"name": "net", "input": [[1, 1, -0.1]]}, 400, "InvalidInput", "Input τ is -0.1"),
    "outside, a slope": ("Gradient", GRADIENT | {"input": [[9, 1, 1]]}, 400, "InvalidInput", "trained from 0 to 2"),
    "another output": ("Gradient", GRADIENT | {"outWrt": 1}, 400, "InvalidInput", "outWrt must be 0"),
    "a place that is true": ("Gradient", GRADIENT | {"inWrt": False}, 400, "InvalidInput", "inWrt must be 0"),
    "a short sens": ("Gradient", GRADIENT | {"sens": [1]}, 400, "InvalidInput", "sens must be a list of 2 numbers"),
    "no vec": ("ApplyJacobian", GRADIENT, 400, "InvalidInput", "vec must be a list of 3 numbers"),
    "another input": ("ApplyHessian", HESSIAN | {"inWrt2": -1}, 400, "InvalidInput", "inWrt2 must be 0"),
    "no such question": ("EvaluateShMem", {"name": "net"}, 404, "UnsupportedFeature", "there are /Info"),
    "by GET": ("Evaluate", None, 405, "InvalidInput", "is asked by POST"),
    "too much": ("Evaluate", b" " * (2**22 + 1), 413, "InvalidInput", "more than 4194304"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_questions_are_refused_by_the_errors_of_the_protocol(address, case):
    what, content, status, kind, sentence = WRONG[case]
    found, told = asked(address, what, content)
    assert (found, told["error"]["type"]) == (status, kind) and sentence in told["error"]["message"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"PUT /Evaluate HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST /Evaluate HTTP/1.1\r\n\r\n", 411),
        (b"POST /Evaluate HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 411),
        (b"POST /Evaluate HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 411),
        (b"POST /Evaluate HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
    ids=["no HTTP", "PUT", "a long address", "no length", "a negative length", "in pieces", "many headers"],
)
def test_what_is_hardly_http_is_refused_as_json_and_the_connection_closed(address, sent, status, capfd):
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(sent)
        head, _, body = b"".join(iter(lambda: connection.recv(2**16), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert json.loads(body)["error"]["type"] == "InvalidInput"
    assert capfd.readouterr().err == ""


def test_who_asks_first_whether_a_question_may_come_is_told_at_once(address):
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(b"POST /Info HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(2**16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(2**16).startswith(b"HTTP/1.1 200 ")


def test_one_connection_takes_many_questions_and_many_connections_get_their_own_answers(address):
    from http.client import HTTPConnection

    connection = HTTPConnection(address.removeprefix("http://"), timeout=20)
    for content, status in ((b"{", 400), (b'{"name": "net"}', 200), (b"[]", 400), (b'{"name": "net"}', 200)):
        connection.request("POST", "/InputSizes", content)
        found = connection.getresponse()
        assert (found.status, found.read() != b"") == (status, True)
    connection.close()
    points = np.random.default_rng(1).uniform(0.0, 2.0, (64, 3))
    with ThreadPoolExecutor(8) as executor:
        answers = executor.map(lambda x: asked(address, "Evaluate", {"name": "net", "input": [x.tolist()]})[1], points)
        found = np.array([told["output"][0] for told in answers])
    expected = np.asarray(NET.value(points))
    assert np.abs(found - expected).max() <= FLOAT64_ACROSS_PROGRAMS * np.abs(expected).max()


def test_it_extrapolates_when_told_and_kinked_networks_have_no_hessians():
    with running(BridgeServer({"kinked": KINKED, "steep": STEEP}, port=0, extrapolate=True)) as server:
        found = asked(server.address, "Evaluate", {"name": "kinked", "input": [[1e6]]})
        assert found[1]["output"][0] == pytest.approx([float(KINKED.value([[1e6]])[0])], rel=1e-12)
        assert asked(server.address, "ModelInfo", {"name": "kinked"})[1]["support"]["ApplyHessian"] is False
        status, told = asked(server.address, "ApplyHessian", {"name": "kinked"})
        assert (status, told["error"]["type"]) == (400, "UnsupportedFeature")
        status, told = asked(server.address, "Evaluate", {"name": "steep", "input": [[1e300]]})
        assert (status, told["error"]["type"]) == (500, "InvalidOutput")


def test_the_command_serves_files_by_their_names(tmp_path, capsys, monkeypatch):
    NET.save(tmp_path / "price.safetensors")
    KINKED.save(tmp_path / "kinked.safetensors")
    (tmp_path / "other").mkdir()
    NET.save(tmp_path / "other" / "price.safetensors")
    told = {}
    monkeypatch.setattr(BridgeServer, "serve_forever", lambda server: told.update(models=list(server.models)))
    answer = call(
        capsys, "serve", tmp_path / "price.safetensors", tmp_path / "kinked.safetensors", "--extrapolate", "--port", 0
    )
    assert answer.status == 0 and told == {"models": ["price", "kinked"]}
    assert "Serving price, kinked at http://127.0.0.1:" in answer.printed
    for arguments, sentence in (
        (["kinked.safetensors"], "network kinked holds no training range, so points outside of it cannot be refused"),
        (["price.safetensors", "other/price.safetensors"], "are both called price; rename one of them"),
        (["price.safetensors", "--host", "999.1.1.1"], "999.1.1.1 cannot be listened on at port 4242"),
        (["price.safetensors", "--port", "70000"], "127.0.0.1 cannot be listened on at port 70000"),
    ):
        answer = call(
            capsys, "serve", tmp_path / arguments[0], *(tmp_path / a if "/" in a else a for a in arguments[1:])
        )
        assert answer.status == 2 and sentence in answer.errors, answer.errors


def test_no_models_and_a_taken_port_are_told():
    with pytest.raises(InputError, match="There are no models to serve"):
        BridgeServer({})
    with BridgeServer({"kinked": KINKED}, port=0, extrapolate=True) as server:
        with pytest.raises(InputError, match=r"cannot be listened on at port .* in use"):
            BridgeServer({"kinked": KINKED}, port=server.server_address[1], extrapolate=True)
