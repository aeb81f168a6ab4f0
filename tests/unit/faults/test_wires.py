"""The wires of the fault laboratory do what they say, and nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from faults.wires import Mode, Wire, Wires

#: more than any buffer on the way takes at once
LONG = bytes(range(256)) * 8000


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A wire to a server that sends back what it is sent, and ends when its client does."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    with Wires() as wires:
        yield wires.to_port("echo", listener.getsockname()[1])
    listener.close()


def serve(listener: socket.socket) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=echo, args=(client,), daemon=True).start()


def echo(client: socket.socket) -> None:
    with client, contextlib.suppress(OSError):
        while data := client.recv(65536):
            client.sendall(data)


def connect(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", wire.port), timeout=10)


def say(client: socket.socket, data: bytes) -> None:
    def said() -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    threading.Thread(target=said, daemon=True).start()


def hear(client: socket.socket) -> bytes:
    """Return all that comes until the other side ends."""
    heard = b""
    while data := client.recv(65536):
        heard += data
    return heard


def test_an_open_wire_passes_every_byte_both_ways_and_the_end(wire: Wire) -> None:
    """What one side says and that it has ended reaches the other, whole and in its order."""
    with connect(wire) as client:
        say(client, LONG)
        assert hear(client) == LONG


def test_a_cut_wire_resets_what_is_open_and_what_is_new_until_it_is_mended(wire: Wire) -> None:
    """Connections end by a reset, not as if the other side had said all; afterwards new ones work."""
    with connect(wire) as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        wire.behave(Mode.CUT)
        with pytest.raises(ConnectionResetError):
            hear(client)
    with pytest.raises(ConnectionResetError), connect(wire) as client:
        hear(client)
    wire.behave(Mode.OPEN)
    with connect(wire) as client:
        say(client, b"again")
        assert hear(client) == b"again"


def test_a_silent_wire_holds_everything_and_loses_nothing(wire: Wire) -> None:
    """Old and new connections stay open and hear nothing; when the wire speaks again, all of it comes."""
    with connect(wire) as old:
        old.sendall(b"one ")
        assert old.recv(4) == b"one "
        wire.behave(Mode.SILENT)
        with connect(wire) as new:
            for client in (old, new):
                say(client, b"two")
                client.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    client.recv(1)
                client.settimeout(10)
            wire.behave(Mode.OPEN)
            assert [hear(old), hear(new)] == [b"two", b"two"]


def test_a_slow_wire_passes_every_byte_even_when_it_changes_meanwhile(wire: Wire) -> None:
    """A wire that becomes fast in the midst of a message neither repeats nor drops a part of it."""
    wire.behave(Mode.SLOW, 1_000_000)
    with connect(wire) as client:
        say(client, LONG)
        heard = client.recv(1)
        wire.behave(Mode.OPEN)
        assert heard + hear(client) == LONG


def test_a_torn_message_arrives_by_half_and_then_the_connection_is_reset(wire: Wire) -> None:
    """The connection does not end as if that had been all."""
    wire.behave(Mode.TORN, 2)  # the question passes, its answer is torn
    with connect(wire) as client:
        client.sendall(b"12345678")
        with pytest.raises(ConnectionResetError):
            hear(client)
