#!/usr/bin/python3
"""A server whose answers take the time that their request asks for.

A thread per connection, HTTP/1.1, nothing but the standard library:
  GET /health           200 at once
  GET /wait/MS          200 after MS milliseconds
  GET /burn/MS          200 after MS milliseconds on a CPU
  GET /status/CODE      that status, no body
  GET /stream/MS/MS...  a chunk, then one more after each wait
  GET /close/MS         a body without a length, ended by closing after MS
  POST /echo            its own body
"""

import http.server
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, body):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))

    def stream(self, waits):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.chunk(b"data: first\n\n")
        for wait in waits:
            time.sleep(float(wait) / 1000)
            self.chunk(b"data: next\n\n")
        self.chunk(b"")

    def close_after(self, wait):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"begun")
        time.sleep(float(wait) / 1000)
        self.wfile.write(b"ended")
        self.close_connection = True

    def do_GET(self):
        word, *rest = self.path.strip("/").split("/")
        if word == "health":
            self.answer(200, b"ok")
        elif word == "wait":
            time.sleep(float(rest[0]) / 1000)
            self.answer(200, b"waited")
        elif word == "burn":
            until = time.thread_time() + float(rest[0]) / 1000
            while time.thread_time() < until:
                pass
            self.answer(200, b"burnt")
        elif word == "status":
            self.answer(int(rest[0]))
        elif word == "stream":
            self.stream(rest)
        elif word == "close":
            self.close_after(rest[0])
        else:
            self.answer(404)

    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))


class Server(http.server.ThreadingHTTPServer):
    """Quiet about clients that go away."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
