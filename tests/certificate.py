"""A certificate for tests that use TLS on the loopback."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(certificate: Path, key: Path, name: str) -> None:
    """Write a self-signed certificate for a host name, and its key, both as PEM."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-days",
        "1",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]
    made = ["-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={name}"]
    subprocess.run([*command, *made, "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
