"""Servers that are no Hub at all: what a client meets at a wrong address. Each serves on `endpoint`."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
CERTIFICATE = Path(__file__).with_name("untrusted.pem")


class Impostor:
    """Listens, and serves each connection in a thread; leaving the block ends them all."""

    scheme = "http"

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self._closing = threading.Event()
        self.endpoint = f"{self.scheme}://{HOST}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        # A listener that is only closed still holds the thread that waits for a connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_until_gone, args=(connection,), daemon=True).start()

    def _serve_until_gone(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError


class TricklingHeaders(Impostor):
    """Answers with one header line every twentieth of a second, and never with the last one."""

    def serve(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not self._closing.wait(0.05):
            connection.sendall(b"X-Wait: a little\r\n")


class UntrustedTLS(Impostor):
    """Has a certificate that it signed itself."""

    scheme = "https"

    def serve(self, connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)
