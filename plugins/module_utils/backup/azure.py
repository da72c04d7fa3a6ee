# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in Azure Blob Storage (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import os
import typing as t

from ..errors import SlipwayError
from .remote import RemoteStore, Upload, cause_of, failed, sdk_missing
from .store import Entry, Leftover, every

PIECE = 4 << 20  # bytes of one answer
CONNECT, READ = 10, 60  # seconds
TRIES, PAUSE = 4, 3  # and seconds between them
CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"


class AzureStore(RemoteStore):
    """See RV(Store).

    :param container: of blobs.
    :param endpoint: of the account, such as C(https://ACCOUNT.blob.core.windows.net). Empty where the environment has a
        connection string, which is used then; else credentials are found by C(DefaultAzureCredential).
    """

    def __init__(self, *, container: str, prefix: str, endpoint: str = "") -> None:
        super().__init__(prefix)
        self._name = container
        with self._told(container):
            self._container = _service(endpoint).get_container_client(container)

    def entries(self) -> list[Entry]:
        with self._told(self.url("")):
            blobs = self._container.list_blobs(name_starts_with=self._prefix)
            found = [(self.key(blob.name), int(blob.size)) for blob in blobs]
        return sorted(Entry(key, size) for key, size in found if key and size)  # empty: see leftovers

    def _read(self, key: str) -> t.Iterator[bytes]:
        with self._told(self.url(key)):
            chunks = iter(self._container.download_blob(self.name(key)).chunks())
        while True:
            with self._told(self.url(key)):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk

    def delete(self, key: str) -> None:
        try:
            with self._told(self.url(key)):
                self._container.delete_blob(self.name(key))
        except SlipwayError as error:
            if error.cause != "missing":
                raise

    def leftovers(self, *, remove: bool, which: t.Callable[[Leftover], bool] = every) -> list[str]:
        """Blobs that have blocks but were never committed. Only an empty commit lets go of those, and makes an empty blob."""
        whole = {entry.key for entry in self.entries()}
        with self._told(self.url("")):
            blobs = self._container.list_blobs(name_starts_with=self._prefix, include=["uncommittedblobs"])
            begun = {self.key(blob.name): blob.last_modified for blob in blobs}
        found = [Leftover(key, when and when.timestamp()) for key, when in begun.items() if key and key not in whole]
        left = sorted(leftover.key for leftover in found if which(leftover))
        for key in left if remove else ():
            with self._told(self.url(key)):
                self._container.get_blob_client(self.name(key)).commit_block_list([])
            self.delete(key)
        return left

    def url(self, key: str) -> str:
        return f"{self._container.url}/{self.name(key)}".partition("?")[0]  # what follows may be a signature

    def _begin(self, key: str) -> Upload:
        return _Blocks(self, key)

    def _size(self, key: str) -> int | None:
        try:
            with self._told(self.url(key)):
                return int(self._container.get_blob_client(self.name(key)).get_blob_properties().size)
        except SlipwayError as error:
            if error.cause == "missing":
                return None
            raise

    @contextlib.contextmanager
    def _told(self, what: str) -> t.Iterator[None]:
        _blob()
        from azure.core import exceptions

        try:
            yield
        except exceptions.HttpResponseError as error:
            status, code = int(error.status_code or 0), str(getattr(error, "error_code", ""))
            if code == "ContainerNotFound":
                raise failed("store_missing", self._name, error.message) from None
            login = isinstance(error, exceptions.ClientAuthenticationError)
            cause = "store_refused" if login else "missing" if status == 404 else cause_of(status)
            raise failed(cause, what, error.message) from None
        except exceptions.AzureError as error:
            raise failed("store_unreachable", what, error.message) from None


class _Blocks(Upload):
    """Blocks, which become a blob all at once (Azure Storage, "Put Block List")."""

    def __init__(self, store: AzureStore, key: str) -> None:
        self._store, self._url = store, store.url(key)
        self._blob = store._container.get_blob_client(store.name(key))
        self._ids: list[str] = []

    def part(self, data: bytes) -> None:
        block = base64.b64encode(f"{len(self._ids):08d}".encode()).decode()  # all of one length
        with self._store._told(self._url):
            self._blob.stage_block(block, data, validate_content=True)
        self._ids.append(block)

    def finish(self) -> None:
        from azure.core import MatchConditions
        from azure.storage.blob import BlobBlock

        with self._store._told(self._url):
            blocks = [BlobBlock(block_id=block) for block in self._ids]
            self._blob.commit_block_list(blocks, match_condition=MatchConditions.IfMissing)

    def abort(self) -> None:
        """Blocks that nobody commits are no blob; the next run lets go of them, else the store does after a week."""


def _service(endpoint: str) -> t.Any:
    sdk = _blob()
    service = sdk.BlobServiceClient
    how = {
        "connection_timeout": CONNECT,
        "read_timeout": READ,
        "max_chunk_get_size": PIECE,
        "max_single_get_size": PIECE,
        "retry_policy": sdk.LinearRetry(backoff=PAUSE, retry_total=TRIES - 1, random_jitter_range=PAUSE),
    }
    string = os.environ.get(CONNECTION_STRING, "")
    if string and not endpoint:
        return service.from_connection_string(string, **how)
    if not endpoint:
        raise failed("store_refused", "endpoint", f"is empty, and {CONNECTION_STRING} is not set")
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise sdk_missing("azure.identity", "azure-identity (PyPI)", error) from None
    return service(endpoint, credential=DefaultAzureCredential(), **how)


def _blob() -> t.Any:
    try:
        import azure.storage.blob
    except ImportError as error:
        raise sdk_missing("azure.storage.blob", "azure-storage-blob (PyPI)", error) from None
    return azure.storage.blob
