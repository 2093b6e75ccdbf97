"""The origin: nginx, which stores what is PUT or POSTed to it whole, over IPv4 and IPv6."""

import time

from .digest import digest
from .network import ORIGIN_IPV4, ORIGIN_IPV6
from .process import Background

READY_SECONDS_MAX = 10
ENDING_SECONDS_MAX = 10

_CONFIGURATION = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log info;
events {{ worker_connections 2048; }}
http {{
  log_format uploads '$http_x_request_id $request_method $uri $status $request_length';
  access_log {folder}/nginx-access.log uploads;
  client_max_body_size 0;
  client_body_temp_path {folder}/origin-partial;
  keepalive_timeout 600;
  keepalive_requests 100000;
  server {{
    listen {ipv4}:80;
    listen [{ipv6}]:80;
    root {folder}/origin;
    location / {{
      dav_methods PUT;
      proxy_method PUT;
      if ($request_method = POST) {{ proxy_pass http://127.0.0.1:81; }}  # once the body is read
    }}
    location /small/ {{ client_max_body_size 1k; dav_methods PUT; }}
    location = /hello {{ return 200 "hello\\n"; }}
  }}
  server {{
    listen 127.0.0.1:81;
    root {folder}/origin;
    access_log off;
    location / {{ dav_methods PUT; }}
  }}
}}
"""


class Origin:
    """Thread: any, once started."""

    def __init__(self, network, folder):
        self._network = network
        self._folder = folder
        self._files = folder / "origin"
        self._process = None

    def start(self):
        self._files.mkdir()
        configuration = self._folder / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(
            folder=self._folder, ipv4=ORIGIN_IPV4, ipv6=ORIGIN_IPV6))
        self._process = Background(
            self._network.within(self._network.origin, "nginx", "-c", configuration,
                                 "-e", self._folder / "nginx-error.log"),
            self._folder / "nginx.log")
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not (self._folder / "nginx.pid").exists():
            if self._process.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start: {self._process.log_tail()}")
            time.sleep(0.02)

    def stop(self):
        if self._process:
            self._process.stop()

    def has(self, name):
        return (self._files / name).exists()

    def digest(self, name):
        """SHA-256 of a file that was PUT; None where there is none."""
        return digest(self._files / name) if self.has(name) else None

    def forget(self, name):
        (self._files / name).unlink()

    def ending(self, request_id):
        """The status with which it ended the request of this id: 201, or 400 where it was cut off.
        None where it still waits for the rest."""
        deadline = time.monotonic() + ENDING_SECONDS_MAX
        while True:
            for line in (self._folder / "nginx-access.log").read_text().splitlines():
                ended_id, _, _, status, _ = line.split(" ")
                if ended_id == request_id:
                    return int(status)
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)
