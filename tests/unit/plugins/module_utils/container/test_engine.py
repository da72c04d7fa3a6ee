# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine's and the SDK's errors mean. The words are those of Docker 20.10 and of docker SDK 5.0.3 and 7."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.engine import _found, _said
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.side.parallel import parallel

REFUSED = "Error while fetching server API version: ('Connection aborted.', {})"


class ApiError(Exception):
    """Has the attributes of docker.errors.APIError."""

    def __init__(self, explanation, status):
        super().__init__(f"{status} Client Error: {explanation}")
        self.explanation = explanation
        self.response = type("Response", (), {"status_code": status})()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(REFUSED.format("FileNotFoundError(2, 'No such file or directory')")), "engine_missing"),
        (OSError(REFUSED.format("PermissionError(13, 'Permission denied')")), "engine_permission"),
        (OSError(REFUSED.format("ConnectionRefusedError(111, 'Connection refused')")), "engine_stopped"),
        (OSError(REFUSED.format("BrokenPipeError(32)")), "engine_unreachable"),
        (OSError("Error while fetching server API version: Not supported URL scheme http+docker"), "sdk_broken"),
        (OSError("UnixHTTPConnectionPool(host='localhost', port=None): Read timed out."), "engine_timeout"),
        (ApiError("driver failed: Bind for 0.0.0.0:80 failed: port is already allocated", 500), "port_taken"),
        (ApiError("listen tcp4 0.0.0.0:80: bind: address already in use", 500), "port_taken"),
        (ApiError("listen tcp4 10.9.9.9:80: bind: cannot assign requested address", 500), "address_missing"),
        (
            ApiError('OCI runtime create failed: exec: "x": executable file not found in $PATH: unknown', 400),
            "command_missing",
        ),
        (ApiError('Conflict. The container name "/x" is already in use by container "1"', 409), "name_taken"),
        (ApiError("write /var/lib/docker: no space left on device", 500), "no_space"),
        (ApiError("No such image: web:1", 404), "image_missing"),
        (TypeError("run() got an unexpected keyword argument 'mem'"), "invalid"),
        (ApiError("something new", 500), "engine_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_known_failure_has_a_cause_and_a_remedy(error, cause):
    with pytest.raises(SlipwayError) as caught, _said("cannot do it", "web-1"):
        raise error
    assert caught.value.cause == cause
    assert caught.value.remedy
    assert caught.value.obj == "web-1"
    assert (getattr(error, "explanation", None) or str(error)) in str(caught.value.actual)


@pytest.mark.parametrize("missing_ok", [True, False])
def test_what_is_not_there_is_an_error_only_where_it_must_be_there(missing_ok):
    reached = []
    try:
        with _said("cannot do it", "web-1", missing_ok=missing_ok):
            raise ApiError("No such container: web-1", 404)
    except SlipwayError:
        reached.append("error")
    assert reached == ([] if missing_ok else ["error"])


def test_an_inspected_container_without_optional_parts_is_understood():
    facts = {
        "Id": "1",
        "Name": "/web-1",
        "Image": "sha256:1",
        "State": {"Status": "created"},
        "Config": {},
        "HostConfig": {},
    }
    found = _found(facts)
    assert (found.name, found.restart, found.running, found.environment) == ("web-1", "no", False, {})


def test_all_are_tried_before_the_first_error_is_raised():
    done = []

    def work(number):
        done.append(number)
        if number == 1:
            raise SlipwayError("one failed")

    with pytest.raises(SlipwayError):
        parallel(work, [1, 2, 3])
    assert sorted(done) == [1, 2, 3]
