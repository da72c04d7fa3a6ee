# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in Google Cloud Storage (private to the collection)."""

from __future__ import annotations

import contextlib
import importlib
import typing as t

from ..errors import SlipwayError
from .pipeline import CHUNK
from .remote import PART, RemoteStore, Upload, cause_of, failed, sdk_missing
from .store import Entry, Leftover, every

TIMEOUT = (10, 60)  # seconds to connect, and without an answer
PATIENCE = 60.0  # seconds that a request is tried again


class GoogleStore(RemoteStore):
    """See RV(Store). Credentials are found by the SDK's own chain ("Application Default Credentials").

    :param endpoint: of another server; it is asked without credentials. Empty for Google's.
    """

    def __init__(self, *, bucket: str, prefix: str, endpoint: str = "") -> None:
        super().__init__(prefix)
        self._name = bucket
        with self._told(bucket):
            self._bucket = _client(endpoint).bucket(bucket)
            self._asks = {"timeout": TIMEOUT, "retry": _storage().retry.DEFAULT_RETRY.with_timeout(PATIENCE)}

    def entries(self) -> list[Entry]:
        with self._told(self.url("")):
            blobs = self._bucket.list_blobs(prefix=self._prefix, **self._asks)
            found = [(self.key(blob.name), int(blob.size)) for blob in blobs]
        return sorted(Entry(key, size) for key, size in found if key)

    def _read(self, key: str) -> t.Iterator[bytes]:
        with self._told(self.url(key)):
            reader = self._bucket.blob(self.name(key)).open("rb", chunk_size=PART, **self._asks)
        with contextlib.closing(reader):
            while True:
                with self._told(self.url(key)):
                    chunk = reader.read(CHUNK)
                if not chunk:
                    return
                yield chunk

    def delete(self, key: str) -> None:
        try:
            with self._told(self.url(key)):
                self._bucket.blob(self.name(key)).delete(**self._asks)
        except SlipwayError as error:
            if error.cause != "missing":
                raise

    def leftovers(self, *, remove: bool, which: t.Callable[[Leftover], bool] = every) -> list[str]:
        """Nobody can list uploads that were cut off; the store drops them after a week ("Resumable uploads")."""
        return []

    def url(self, key: str) -> str:
        return f"gs://{self._name}/{self.name(key)}"

    def _begin(self, key: str) -> Upload:
        return _Resumable(self, key)

    def _size(self, key: str) -> int | None:
        with self._told(self.url(key)):
            blob = self._bucket.get_blob(self.name(key), **self._asks)
        return None if blob is None else int(blob.size)

    @contextlib.contextmanager
    def _told(self, what: str) -> t.Iterator[None]:
        _storage()
        import requests.exceptions
        from google.api_core import exceptions
        from google.auth import exceptions as login
        from google.cloud.storage import exceptions as media

        try:
            yield
        except exceptions.NotFound as error:
            missing_bucket = "bucket" in str(error.message).lower()
            raise failed("store_missing" if missing_bucket else "missing", what, error.message) from None
        except exceptions.GoogleAPICallError as error:
            raise failed(cause_of(int(error.code or 500)), what, error.message) from None
        except media.InvalidResponse as error:  # in the middle of an upload or download
            status = int(error.response.status_code)
            raise failed("store_missing" if status == 404 else cause_of(status), what, error) from None
        except media.DataCorruption as error:
            raise failed("store_failed", what, error) from None
        except login.GoogleAuthError as error:
            raise failed("store_refused", what, error) from None
        except (exceptions.RetryError, requests.exceptions.RequestException) as error:
            raise failed("store_unreachable", what, error) from None


class _Resumable(Upload):
    """One session, whose checksum the store compares at its end."""

    def __init__(self, store: GoogleStore, key: str) -> None:
        self._store, self._url = store, store.url(key)
        blob = store._bucket.blob(store.name(key))
        with store._told(self._url):  # generation 0: only where there is none of this name
            self._writer = blob.open("wb", chunk_size=PART, if_generation_match=0, **store._asks)

    def part(self, data: bytes) -> None:
        with self._store._told(self._url):
            self._writer.write(data)

    def finish(self) -> None:
        with self._store._told(self._url):
            self._writer.close()

    def abort(self) -> None:
        try:
            with self._store._told(self._url):
                self._writer.terminate()
        finally:
            self._writer._buffer.close()  # else its destructor would finish the upload


def _client(endpoint: str) -> t.Any:
    storage = _storage()
    if not endpoint:
        return storage.Client()
    from google.auth.credentials import AnonymousCredentials

    options = {"api_endpoint": endpoint}
    return storage.Client(project="none", credentials=AnonymousCredentials(), client_options=options)


def _storage() -> t.Any:
    try:
        for module in ("retry", "exceptions"):  # the latter from version 3 on
            importlib.import_module(f"google.cloud.storage.{module}")
        return importlib.import_module("google.cloud.storage")
    except ImportError as error:
        raise sdk_missing("google.cloud.storage", "google-cloud-storage 3 or newer (PyPI)", error) from None
