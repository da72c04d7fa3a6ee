# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in Amazon S3, and in stores that talk like it (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import typing as t

from ..errors import SlipwayError
from .pipeline import CHUNK
from .remote import RemoteStore, Upload, cause_of, failed, sdk_missing
from .store import Entry, Leftover, every

MOST = 10_000  # parts of an upload (Amazon S3 User Guide, "Multipart upload limits")
TRIES = 4
CONNECT, READ = 10, 60  # seconds


class S3Store(RemoteStore):
    """See RV(Store). Credentials are found by the SDK's own chain.

    :param endpoint: of a compatible store; empty for Amazon's.
    :param profile: of the shared configuration files; empty for the default.
    """

    def __init__(self, *, bucket: str, prefix: str, endpoint: str = "", region: str = "", profile: str = "") -> None:
        super().__init__(prefix)
        self._bucket = bucket
        with self._told(bucket):
            self._client = _client(endpoint, region, profile)

    def entries(self) -> list[Entry]:
        with self._told(self.url("")):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            found = [(self.key(one["Key"]), one["Size"]) for page in pages for one in page.get("Contents", ())]
        return sorted(Entry(key, int(size)) for key, size in found if key)

    def _read(self, key: str) -> t.Iterator[bytes]:
        with self._told(self.url(key)):
            body = self._client.get_object(Bucket=self._bucket, Key=self.name(key))["Body"]
        with contextlib.closing(body):
            chunks = body.iter_chunks(CHUNK)
            while True:
                with self._told(self.url(key)):
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                yield chunk

    def delete(self, key: str) -> None:
        with self._told(self.url(key)):
            self._client.delete_object(Bucket=self._bucket, Key=self.name(key))

    def leftovers(self, *, remove: bool, which: t.Callable[[Leftover], bool] = every) -> list[str]:
        with self._told(self.url("")):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            found = [(one, _leftover(self.key(one["Key"]), one)) for page in pages for one in page.get("Uploads", ())]
            left = [one for one, leftover in found if leftover.key and which(leftover)]
            for one in left if remove else ():
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=one["Key"], UploadId=one["UploadId"])
        return sorted(self.key(one["Key"]) for one in left)

    def url(self, key: str) -> str:
        return f"s3://{self._bucket}/{self.name(key)}"

    def _begin(self, key: str) -> Upload:
        return _Multipart(self, key)

    def _size(self, key: str) -> int | None:
        try:
            with self._told(self.url(key)):
                return int(self._client.head_object(Bucket=self._bucket, Key=self.name(key))["ContentLength"])
        except SlipwayError as error:
            if error.cause == "missing":
                return None
            raise

    @contextlib.contextmanager
    def _told(self, what: str) -> t.Iterator[None]:
        """What the SDK raises, in words; all of it is below one class but for what the body of an answer raises."""
        _client_class()
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code == "NoSuchBucket":
                raise failed("store_missing", self._bucket, error) from None
            raise failed("missing" if status == 404 else cause_of(status), what, error) from None
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise failed("store_refused", what, error) from None
        except BotoCoreError as error:
            raise failed(_cause_of_sdk(error), what, error) from None


class _Multipart(Upload):
    """Parts with checksums, which the store compares (Amazon S3 API Reference, C(UploadPart))."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store, self._url = store, store.url(key)
        self._object = {"Bucket": store._bucket, "Key": store.name(key)}
        self._done: list[dict[str, t.Any]] = []
        with store._told(self._url):
            self._upload = store._client.create_multipart_upload(**self._object)["UploadId"]

    def part(self, data: bytes) -> None:
        number = len(self._done) + 1
        if number > MOST:
            raise failed("store_failed", self._url, f"is larger than {MOST} parts of {len(data)} bytes")
        with self._store._told(self._url):
            answer = self._store._client.upload_part(
                **self._object,
                UploadId=self._upload,
                PartNumber=number,
                Body=data,
                ContentMD5=base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
            )
        self._done.append({"PartNumber": number, "ETag": answer["ETag"]})

    def finish(self) -> None:
        with self._store._told(self._url):
            self._store._client.complete_multipart_upload(
                **self._object, UploadId=self._upload, MultipartUpload={"Parts": self._done}
            )

    def abort(self) -> None:
        with self._store._told(self._url):
            self._store._client.abort_multipart_upload(**self._object, UploadId=self._upload)


def _leftover(key: str, upload: t.Mapping[str, t.Any]) -> Leftover:
    began = upload.get("Initiated")
    return Leftover(key, None if began is None else began.timestamp())


def _client(endpoint: str, region: str, profile: str) -> t.Any:
    import botocore.config

    # Newer checksums are refused by many compatible stores; every one knows Content-MD5.
    wanted = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    known = {name: value for name, value in wanted.items() if name in botocore.config.Config.OPTION_DEFAULTS}
    config = botocore.config.Config(
        retries={"max_attempts": TRIES, "mode": "standard"}, connect_timeout=CONNECT, read_timeout=READ, **known
    )
    session = _client_class()(profile_name=profile or None, region_name=region or None)
    if endpoint and session.region_name is None:  # a compatible store seldom has any, the SDK wants one
        return session.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)
    return session.client("s3", endpoint_url=endpoint or None, config=config)


def _client_class() -> t.Any:
    try:
        import boto3
    except ImportError as error:
        raise sdk_missing("boto3", "python3-boto3 (Debian, Ubuntu) or boto3 (PyPI)", error) from None
    return boto3.Session


def _cause_of_sdk(error: Exception) -> str:
    """The SDK has tens of classes for networks that fail, and as many for options that are wrong."""
    from botocore import exceptions

    reached = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.ResponseStreamingError,
    )
    return "store_unreachable" if isinstance(error, reached) else "store_failed"
