# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker Engine of this machine behind a dozen plain calls (private to the collection).

The docker SDK (at least 5.0.3, Debian's python3-docker) is imported on first use; each of its errors becomes a
C(SlipwayError) with a cause and a remedy.
"""

from __future__ import annotations

import contextlib
import math
import sys
import typing as t

from ..errors import SlipwayError
from ..side.parallel import parallel

MIN_SDK = (5, 0, 3)
MIN_API = (1, 40)  # Docker 19.03
LOG_LINES = 30
CALL_TIMEOUT = 60.0


class Found(t.NamedTuple):
    """A container as the engine reports it."""

    id: str
    name: str
    labels: dict[str, str]
    status: str  # created, running, paused, restarting, exited, dead
    exit_code: int
    oom: bool
    health: str  # of the image's HEALTHCHECK, empty without one
    restart: str  # no, always, unless-stopped, on-failure
    image: str  # id
    environment: dict[str, str]
    user: str
    started: str
    restarts: int  # by the restart policy
    pid: int = 0  # of its first process; 0 when it has none

    @property
    def running(self) -> bool:
        """Whether it has a process (a paused or restarting one holds its ports too)."""
        return self.status in ("running", "paused", "restarting")

    def label(self, name: str) -> str:
        """The value of C(slipway.<name>), or nothing."""
        return self.labels.get(f"slipway.{name}", "")


class Image(t.NamedTuple):
    """An image that is present."""

    id: str
    tags: list[str]


class Engine:
    """Docker through its SDK. Safe for use by several threads at once."""

    def __init__(self) -> None:
        self._client: t.Any = None

    # Facts --------------------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, str]:
        """Version and API version of the engine, version of the SDK.

        :raises SlipwayError: C(sdk_missing), C(sdk_too_old), C(engine_missing), C(engine_stopped),
            C(engine_permission), C(engine_too_old) or C(engine_unreachable).
        """
        client = self._connect()
        import docker

        with _said("cannot ask the engine for its version", "docker"):
            version = client.api.version()
        return {"version": str(version.get("Version")), "api": str(client.api._version), "sdk": str(docker.__version__)}

    def keywords(self) -> frozenset[str]:
        """The keyword arguments that C(containers.create) of this SDK takes."""
        self._connect()
        from docker.models.containers import RUN_CREATE_KWARGS, RUN_HOST_CONFIG_KWARGS

        return frozenset([*RUN_CREATE_KWARGS, *RUN_HOST_CONFIG_KWARGS, "network", "networking_config", "volumes"])

    # Containers ---------------------------------------------------------------------------------------------------

    def containers(self, labels: t.Mapping[str, str]) -> list[Found]:
        """Every container, running or not, that has all these labels."""
        client = self._connect()
        wanted = [f"{name}={value}" for name, value in labels.items()]
        with _said("cannot list containers", "docker"):
            summaries = client.api.containers(all=True, filters={"label": wanted})
        found = parallel(self.inspect, [summary["Id"] for summary in summaries])
        return sorted((item for item in found if item is not None), key=lambda item: item.name)

    def used_images(self) -> set[str]:
        """Ids of the images that any container of this machine has, whoever made it."""
        client = self._connect()
        with _said("cannot list containers", "docker"):
            return {str(summary["ImageID"]) for summary in client.api.containers(all=True)}

    def users_of(self, image_id: str) -> set[str]:
        """Ids of the containers of this machine that have an image, whoever made them."""
        client = self._connect()
        with _said("cannot list containers", "docker"):
            listed = client.api.containers(all=True)
        return {str(summary["Id"]) for summary in listed if str(summary["ImageID"]) == image_id}

    def volumes(self, container: Found) -> list[str]:
        """Names of the volumes that a container has mounted; the engine makes one up for those without."""
        client = self._connect()
        facts: t.Mapping[str, t.Any] = {}
        with _said("cannot inspect the container", container.name, missing_ok=True):
            facts = client.api.inspect_container(container.id)
        return [str(one["Name"]) for one in facts.get("Mounts") or [] if one.get("Type") == "volume"]

    def inspect(self, container: str) -> Found | None:
        """One container by id or name, or None when there is no such."""
        client = self._connect()
        facts = None
        with _said("cannot inspect the container", container, missing_ok=True):
            facts = client.api.inspect_container(container)
        return _found(facts) if facts else None

    def create(
        self,
        name: str,
        image: str,
        *,
        command: str | list[str] | None = None,
        environment: t.Mapping[str, str] | None = None,
        labels: t.Mapping[str, str],
        keywords: t.Mapping[str, t.Any] | None = None,
    ) -> Found:
        """Create a container that is not started and has the restart policy C(no)."""
        client = self._connect()
        with _said("cannot create the container", name):
            made = client.containers.create(
                image,
                command,
                name=name,
                environment=dict(environment or {}),
                labels=dict(labels),
                **dict(keywords or {}),
            )
        return _found(made.attrs)

    def start(self, container: Found) -> None:
        """Start it; one that runs is left alone."""
        client = self._connect()
        with _said("cannot start the container", container.name):
            client.api.start(container.id)

    def stop(self, container: Found, grace: float) -> Found | None:
        """Stop signal, up to ``grace`` seconds, then SIGKILL; returns what is read back."""
        client = self._connect()
        with _said("cannot stop the container", container.name, missing_ok=True):
            client.api.stop(container.id, timeout=math.ceil(grace))
        return self.inspect(container.id)

    def set_restart(self, container: Found, policy: str) -> None:
        """Change the restart policy."""
        client = self._connect()
        with _said("cannot set the restart policy", container.name, missing_ok=True):
            client.api.update_container(container.id, restart_policy={"Name": policy})

    def remove(self, container: Found) -> None:
        """Remove a container and its anonymous volumes; one that is gone is fine."""
        client = self._connect()
        with _said("cannot remove the container", container.name, missing_ok=True):
            client.api.remove_container(container.id, v=True, force=True)

    def logs(self, container: Found) -> list[str]:
        """The last lines that it wrote; a reason instead where the log driver keeps none."""
        client = self._connect()
        try:
            with _said("cannot read the log", container.name):
                data = client.api.logs(container.id, stdout=True, stderr=True, tail=LOG_LINES)
        except SlipwayError as error:
            return [f"({error.message})"]
        return t.cast(bytes, data).decode("utf-8", "replace").splitlines()[-LOG_LINES:]

    def log(self, container: str, *, since: int = 0, tail: int = 0) -> t.Iterator[bytes]:
        """All that it wrote, in pieces, each line after its time; nothing of one that is gone.

        :param since: seconds since the epoch; 0 for the beginning.
        :param tail: the last so many lines; 0 for all.
        """
        client = self._connect()
        how = {"timestamps": True, "stream": True, "follow": False, "since": since or None, "tail": tail or "all"}
        with _said("cannot read the log", container, missing_ok=True):
            yield from client.api.logs(container, stdout=True, stderr=True, **how)

    def archive(self, container: Found, path: str) -> t.Iterator[bytes] | None:
        """A path inside the container as a tar stream, or None when there is no such path."""
        client = self._connect()
        stream: t.Iterator[bytes] | None = None
        with _said(f"cannot read {path} from the container", container.name, missing_ok=True):
            stream, _stat = client.api.get_archive(container.id, path)
        return stream

    # Images -------------------------------------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        """An image by name or id, or None when it is not here."""
        client = self._connect()
        facts = None
        with _said("cannot inspect the image", reference, missing_ok=True):
            facts = client.api.inspect_image(reference)
        return Image(str(facts["Id"]), list(facts.get("RepoTags") or [])) if facts else None

    def pull(self, reference: str, expired: t.Callable[[], bool]) -> None:
        """Pull an image.

        :param expired: asked at each message of the engine; true ends the pull.
        :raises SlipwayError: C(image_missing) with the registry's words, C(pull_timeout), C(no_space).
        """
        client = self._connect()
        from docker.utils import parse_repository_tag

        repository, tag = parse_repository_tag(reference)
        words = ""
        try:
            with _said("cannot pull the image", reference):
                for event in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
                    words = words or str(event.get("error") or "")
                    if expired():
                        raise SlipwayError("the pull did not end in time", obj=reference, cause="pull_timeout")
        except SlipwayError as error:
            if error.cause in ("pull_timeout", "engine_timeout", "no_space"):
                raise
            words = str(error.actual or error.what)
        if words:
            raise image_missing(reference, words)

    def tag(self, image_id: str, reference: str) -> None:
        """Give an image one more name."""
        client = self._connect()
        repository, _colon, tag = reference.rpartition(":")
        with _said("cannot tag the image", reference):
            client.api.tag(image_id, repository, tag, force=True)

    def untag(self, reference: str) -> None:
        """Take a name from an image; the image goes with its last one."""
        client = self._connect()
        with _said("cannot remove the image", reference, missing_ok=True):
            client.api.remove_image(reference)

    # Connection ---------------------------------------------------------------------------------------------------

    def _connect(self) -> t.Any:
        if self._client is None:
            docker = _sdk()
            with _said("cannot reach the Docker Engine", "docker"):
                self._client = docker.from_env(version="auto", timeout=CALL_TIMEOUT)
            api = str(self._client.api._version)
            if _numbers(api) < MIN_API:
                raise SlipwayError(
                    "the Docker Engine is too old",
                    obj="docker",
                    actual=f"API {api}",
                    wanted="API {}.{}".format(*MIN_API),
                    remedy="Install Docker Engine 19.03 or newer on this machine.",
                    cause="engine_too_old",
                )
        return self._client


def image_missing(reference: str, words: str) -> SlipwayError:
    """The error for an image that is neither here nor in its registry."""
    return SlipwayError(
        "the image is not there",
        obj=reference,
        actual=words,
        remedy="Push it, correct its name, or log this machine in to the registry (docker login).",
        cause="image_missing",
        evidence={"registry": words},
    )


def _sdk() -> t.Any:
    try:
        import docker
    except ImportError as error:
        raise SlipwayError(
            "the Docker SDK for Python is missing",
            obj=sys.executable,
            actual=str(error),
            wanted="docker >= 5.0.3",
            remedy="Install python3-docker on this machine, or set ansible_python_interpreter to a Python that has it.",
            cause="sdk_missing",
        ) from None
    if _numbers(docker.__version__) < MIN_SDK:
        raise SlipwayError(
            "the Docker SDK for Python is too old",
            obj=sys.executable,
            actual=docker.__version__,
            wanted="docker >= 5.0.3",
            remedy="Install a newer one on this machine.",
            cause="sdk_too_old",
        )
    return docker


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _found(facts: t.Mapping[str, t.Any]) -> Found:
    state, config = facts["State"], facts["Config"]
    policy = (facts["HostConfig"].get("RestartPolicy") or {}).get("Name") or "no"
    return Found(
        id=str(facts["Id"]),
        name=str(facts["Name"]).lstrip("/"),
        labels=dict(config.get("Labels") or {}),
        status=str(state.get("Status")),
        exit_code=int(state.get("ExitCode") or 0),
        oom=bool(state.get("OOMKilled")),
        health=str((state.get("Health") or {}).get("Status") or ""),
        restart=str(policy),
        image=str(facts["Image"]),
        environment=dict(item.partition("=")[::2] for item in config.get("Env") or []),
        user=str(config.get("User") or ""),
        started=str(state.get("StartedAt") or ""),
        restarts=int(facts.get("RestartCount") or 0),
        pid=int(state.get("Pid") or 0),
    )


# -- errors --------------------------------------------------------------------------------------------------------

#: Words of the engine or of the connection to it, the cause they mean, and what to do.
_WORDS = (
    ("permissionerror", "engine_permission", "Connect as root or set become: true."),
    ("filenotfounderror", "engine_missing", "Install a Docker Engine on this machine (Debian, Ubuntu: docker.io)."),
    ("connectionrefusederror", "engine_stopped", "Start the Docker Engine: systemctl start docker."),
    ("not supported url scheme", "sdk_broken", "Update python3-docker: it does not fit the requests library."),
    ("unexpected keyword argument", "invalid", "Correct services.<name>.container: only keywords of the docker SDK."),
    ("port is already allocated", "port_taken", "Stop what holds the port, or move the service with publish_from."),
    ("address already in use", "port_taken", "Stop what holds the port, or move the service with publish_from."),
    ("cannot assign requested address", "address_missing", "Publish on an address that this machine has."),
    ("executable file not found", "command_missing", "Correct the command of the service or its image."),
    ("no such file or directory: unknown", "command_missing", "Correct the command of the service or its image."),
    ("permission denied: unknown", "command_missing", "Make the program of the image executable."),
    ("no space left", "no_space", "Free disk space on this machine."),
    ("is already in use by container", "name_taken", "Remove or rename the container that has this name."),
    ("no such image", "image_missing", "Pull or load the image on this machine."),
)


@contextlib.contextmanager
def _said(what: str, obj: str, *, missing_ok: bool = False) -> t.Iterator[None]:
    """Turn every error of the SDK, of requests and of the socket into a C(SlipwayError); 404 may be fine."""
    try:
        yield
    except SlipwayError:
        raise
    except Exception as error:
        if missing_ok and _status(error) == 404:
            return
        words = str(getattr(error, "explanation", None) or error).strip()
        cause, remedy = _cause(words)
        raise SlipwayError(what, obj=obj, actual=words, remedy=remedy, cause=cause) from None


def _status(error: Exception) -> int:
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)


def _cause(words: str) -> tuple[str, str]:
    lower = words.lower()
    for needle, cause, remedy in _WORDS:
        if needle in lower:
            return cause, remedy
    if "timed out" in lower:
        return "engine_timeout", "Look at the load of this machine and at the log of the Docker Engine."
    if "connection aborted" in lower or "fetching server api version" in lower:
        return "engine_unreachable", "See that the Docker Engine runs: systemctl status docker."
    return "engine_error", "See the log of the Docker Engine: journalctl -u docker."
