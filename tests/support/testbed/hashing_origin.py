"""An origin that takes PUTs and keeps none: it counts and hashes them as they come, by
Content-Length or in chunks, and answers with what it found. Run inside the origin's namespace:
    hashing_origin.py ADDRESS PORT [--multipath]
It prints "listening", and then a JSON line for each request: path, bytes, sha256, whole."""

import hashlib
import json
import socket
import sys
import threading

BLOCK_BYTES = 1 << 20


class CutShort(Exception):
    """The client left before the request was whole."""


class Reader:
    """Lines and blocks of a connection."""

    def __init__(self, connection):
        self._file = connection.makefile("rb", buffering=BLOCK_BYTES)

    def line(self):
        line = self._file.readline(65_536)
        if not line.endswith(b"\n"):
            raise CutShort
        return line.strip()

    def blocks(self, count):
        while count > 0:
            block = self._file.read1(min(count, BLOCK_BYTES))
            if not block:
                raise CutShort
            count -= len(block)
            yield block


def body_blocks(reader, headers):
    if headers.get("transfer-encoding") != "chunked":
        yield from reader.blocks(int(headers.get("content-length", 0)))
        return
    while size := int(reader.line().split(b";")[0], 16):
        yield from reader.blocks(size)
        reader.line()
    while reader.line():
        pass


def serve(connection):
    path, count, sha256 = None, 0, hashlib.sha256()
    reader = Reader(connection)
    try:
        with connection:
            while True:
                path, count, sha256 = None, 0, hashlib.sha256()
                path = reader.line().split()[1].decode()
                headers = {}
                while line := reader.line():
                    name, value = line.decode("latin-1").split(":", 1)
                    headers[name.lower()] = value.strip()
                if headers.get("expect"):
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                for block in body_blocks(reader, headers):
                    count += len(block)
                    sha256.update(block)
                answer = said(path, count, sha256, True)
                connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s"
                                   % (len(answer), answer))
    except (CutShort, OSError):
        if path is not None and count > 0:
            said(path, count, sha256, False)


def said(path, count, sha256, whole):
    line = json.dumps({"path": path, "bytes": count, "sha256": sha256.hexdigest(), "whole": whole})
    print(line, flush=True)
    return line.encode()


def main():
    address, port, multipath = sys.argv[1], int(sys.argv[2]), "--multipath" in sys.argv
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    protocol = socket.IPPROTO_MPTCP if multipath else socket.IPPROTO_TCP
    listener = socket.socket(family, socket.SOCK_STREAM, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(1_024)
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
