"""Certificates for loopback, made by openssl for one session of tests."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.needs import cannot_be_had


@dataclass(frozen=True)
class Certificates:
    """PEM files.

    Attributes:
        ca: of the authority that signed the others.
        other_ca: of an authority that signed nothing here.
        server: key and certificate in one file, as Kafka wants them.
        client: certificate of a client, and its key in `client_key`.
    """

    ca: Path
    other_ca: Path
    server: Path
    client: Path
    client_key: Path


def make_certificates(folder: Path) -> Certificates:
    if shutil.which("openssl") is None:
        cannot_be_had("certificates need openssl, which is not installed")
    folder.mkdir(parents=True)
    for name in ("ca", "other"):
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", f"/CN=tests {name}"),
            *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
        )
    for name in ("server", "client"):
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", f"/CN=tests {name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key"),
            *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
        )
    both = folder / "server.both.pem"
    both.write_bytes((folder / "server.key").read_bytes() + (folder / "server.pem").read_bytes())
    return Certificates(
        ca=folder / "ca.pem",
        other_ca=folder / "other.pem",
        server=both,
        client=folder / "client.pem",
        client_key=folder / "client.key",
    )


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)
