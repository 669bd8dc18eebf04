"""A web server on this machine that behaves as badly as it is told to."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BadServer(ThreadingHTTPServer):
    """Serves ``files`` (path -> bytes). ``moods`` are taken one a request, then it behaves: functions of the handler
    and the body, which return True if they have answered."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], moods: list[Callable]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.moods = files, list(moods)
        self.requests: list[tuple[str, str | None]] = []  # path, Range

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        body = self.server.files.get(self.path)
        if self.server.moods and self.server.moods.pop(0)(self, body):
            return
        if body is None:
            self.send_error(404)
            return
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start >= len(body) > 0:
            self.send_error(416)
            return
        self.begin(206 if start else 200, len(body) - start)
        self.wfile.write(body[start:])

    def begin(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *arguments):
        pass


def stalls(handler, body):
    """Sends a third and then nothing, with the connection open."""
    handler.begin(200, len(body))
    handler.wfile.write(body[: len(body) // 3])
    handler.wfile.flush()
    time.sleep(1.5)
    handler.close_connection = True
    return True


def truncates(handler, body):
    """Announces everything, sends a half, hangs up. From where the client asked, if it did."""
    start = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
    handler.begin(206 if start else 200, len(body) - start)
    handler.wfile.write(body[start : start + (len(body) - start) // 2])
    handler.close_connection = True
    return True


def corrupts(handler, body):
    handler.begin(200, len(body))
    handler.wfile.write(bytes(255 - byte for byte in body))
    return True


def refuses(status):
    def mood(handler, body):
        handler.send_error(status)
        return True

    return mood


def redirects(to):
    def mood(handler, body):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return mood


def hangs_up(handler, body):
    handler.close_connection = True
    return True


def ignores_ranges(handler, body):
    handler.begin(200, len(body))
    handler.wfile.write(body)
    return True


@contextmanager
def serving(files: dict[str, bytes], *moods: Callable):
    server = BadServer(files, list(moods))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
