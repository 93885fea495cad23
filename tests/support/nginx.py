"""nginx in front of an application, as a proxy that takes a prefix away."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import HOST, free_port
from tests.support.programs import program
from tests.support.waiting import wait_until

CONFIGURATION = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port};
        location {prefix}/ {{
            proxy_pass {upstream}/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Host $http_host;
            {more}
        }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, upstream: str, prefix: str, *, more: str = "") -> Iterator[str]:
    """Pass requests below a prefix on to a server, without the prefix; gives the URL of nginx, without the prefix.

    `upstream` is a URL, or `http://unix:/path/to/socket:`; `more` are further lines of the configuration.
    """
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # or its worker could not enter the folders of the tests
    values = {
        "user": user,
        "folder": folder,
        "host": HOST,
        "port": port,
        "prefix": prefix,
        "upstream": upstream,
        "more": more,
    }
    path = folder / "nginx.conf"
    path.write_text(CONFIGURATION.format(**values))
    with (folder / "error.log").open("wb") as log:
        process = subprocess.Popen(
            [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until((folder / "nginx.pid").exists, "nginx")
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(30)
