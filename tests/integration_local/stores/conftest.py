# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores on this machine: moto for S3, fake-gcs-server for Google's, Azurite for Azure's.

None is the vendor's own. moto checks requests by botocore's models, Azurite is Microsoft's emulator.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import socket
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import azure, factory, gcs, remote, s3
from ansible_collections.slipway.deploy.plugins.module_utils.backup.store import Store
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests import sampling
from tests.integration_local.places import free_port

from .proxy import Proxy

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".cache" / "tools"
BUCKET = "backups"
PART = remote.PART if sampling.SOAK else 5 << 20  # bytes; the least that S3 takes
# Azurite's own, which Microsoft documents ("Well-known storage account and key").
AZURE = {
    "name": "devstoreaccount1",
    "key": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
}


class Server(t.NamedTuple):
    """One that runs, and what is between it and a test."""

    kind: str
    port: int
    proxy: Proxy

    def store(self, prefix: str, *, bucket: str = BUCKET, direct: bool = False) -> Store:
        port = self.port if direct else self.proxy.port
        where = {"kind": self.kind, "bucket": bucket, "prefix": prefix, "endpoint": f"http://127.0.0.1:{port}"}
        if self.kind == "azure":
            os.environ["AZURE_STORAGE_CONNECTION_STRING"] = azure_string(port)
            del where["endpoint"]
        return factory.store({"name": "shop", "store": where}, System())


def azure_string(port: int, key: str = AZURE["key"]) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={AZURE['name']};AccountKey={key};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{AZURE['name']};"
    )


@contextlib.contextmanager
def running(argv: t.Sequence[str], port: int, log: pathlib.Path) -> t.Iterator[None]:
    """A process that listens, ended with its context."""
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):  # a server that starts needs the processor, too
                process.wait(0.02)
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def command(kind: str, port: int, public: int, data: pathlib.Path) -> list[str]:
    if kind == "s3":
        return [str(pathlib.Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    if kind == "gcs":
        url = f"http://127.0.0.1:{public}"  # where it sends whoever begins an upload
        where = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-external-url", url]
        return [str(TOOLS / "bin/fake-gcs-server"), *where, "-filesystem-root", str(data)]
    where = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(data)]
    flags = ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    return ["node", str(TOOLS / "node_modules/azurite/dist/src/blob/main.js"), *where, *flags]


def make_bucket(kind: str, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    if kind == "s3":
        import boto3

        boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket=BUCKET)
    elif kind == "gcs":
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        options = {"api_endpoint": url}
        storage.Client("none", credentials=AnonymousCredentials(), client_options=options).create_bucket(BUCKET)
    else:
        from azure.storage.blob import BlobServiceClient

        BlobServiceClient.from_connection_string(azure_string(port)).create_container(BUCKET)


@pytest.fixture(scope="session", autouse=True)
def environment() -> t.Iterator[None]:
    """Credentials, less patience, and smaller parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gcs, "PATIENCE", 1.5)
        patch.setattr(azure, "PAUSE", 0)
        if not sampling.SOAK:
            patch.setattr(s3, "TRIES", 2)
        patch.setattr(remote, "parts", functools.partial(remote.parts, size=PART))
        patch.setattr(gcs, "PART", PART)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-store")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", "")
        yield


@pytest.fixture
def store(server: Server, request: pytest.FixtureRequest) -> t.Iterator[Store]:
    """An empty one of its own, behind the proxy."""
    server.proxy.plan(None)
    yield server.store(f"t{abs(hash(request.node.nodeid))}")
    server.proxy.plan(None)


@pytest.fixture(scope="session", params=["s3", "gcs", "azure"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Server]:
    kind, directory = request.param, tmp_path_factory.mktemp(request.param)
    port = free_port()
    with Proxy(port) as proxy, running(command(kind, port, proxy.port, directory / "data"), port, directory / "log"):
        make_bucket(kind, port)
        yield Server(kind, port, proxy)
