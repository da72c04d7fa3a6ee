# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo`` without Docker, shorter than a person sees it."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

import pytest

from tests.demo import __main__ as demo
from tests.demo import alone, namespace
from tests.lab import LabError

QUICK = {
    "slipway_watch": {"bake": "500ms", "interval": "100ms"},
    "slipway_drain": {"deadline": "1s"},
}


def traces() -> set[str]:
    """What a demo could leave: processes, and files where Slipway or its tools have theirs."""
    places = ["/etc/supervisor", "/etc/haproxy", "/var/lib/slipway", "/srv/slipway", "/var/log/slipway", "/run/haproxy"]
    found = [path for place in places for path in pathlib.Path(place).rglob("*")]
    files = {f"{path} {path.lstat().st_mtime_ns}" for path in found}
    files |= {str(path) for path in pathlib.Path(tempfile.gettempdir()).glob("slipway-demo-*")}
    commands = {path.parent.name: path for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")}
    for number, path in commands.items():
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "slipway-demo-" in text or ".venv-alone" in text:
            files.add(f"{number} {text}")
    return files


@pytest.mark.sample(1, of=" alone")
@pytest.mark.parametrize("ordinary", [False, True], ids=["as it is", "as an ordinary user"])
def test_it_shows_the_same_on_this_machine_and_leaves_nothing(
    ordinary: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Four releases under load, of which one is refused, as on machines of the lab."""
    if ordinary:  # whoever runs this: by a user namespace, in which no groups can be set and there is one user alone
        monkeypatch.setattr(namespace, "is_root", lambda: False)
    before = traces()
    status = alone.run(rate=60, variables=QUICK)
    said, errors = capfd.readouterr()
    assert status == 0, said[-6000:] + errors[-2000:]
    for line in (
        "nothing -> 1.0.0: succeeded",
        "1.0.0 -> 1.1.0: succeeded",
        "1.1.0 -> 1.2.0: refused, 1.1.0 serves as before",
        "1.1.0 -> 1.0.0: succeeded",
        "requests failed: with 95 % confidence",
        "nothing of it is left",
    ):
        assert line in said, said[-6000:]
    assert traces() - before == set()


WRITES = """
import pathlib, sys
from tests.demo.namespace import make_own
make_own(pathlib.Path(sys.argv[1]))
for name in ("/etc/haproxy/haproxy.cfg", "/etc/supervisor/supervisord.conf", "/run/haproxy/x", "/var/log/slipway/x"):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("of the demo")
assert pathlib.Path("/etc/passwd").read_text() and sorted(p.name for p in pathlib.Path("/etc/haproxy").iterdir()) == ["haproxy.cfg"]
"""


@pytest.mark.parametrize("ordinary", [False, True])
def test_nothing_of_the_machine_is_written_to(
    ordinary: bool, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it has such files itself."""
    if ordinary:
        monkeypatch.setattr(namespace, "is_root", lambda: False)
    before = traces()
    subprocess.run([*namespace.enter(), sys.executable, "-c", WRITES, str(tmp_path)], cwd=alone.ROOT, check=True)
    assert traces() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("docker", "wanted"), [(False, ""), (True, "1")])
def test_it_is_chosen_where_no_engine_can_be_had_or_none_is_wanted_and_says_so(
    docker: bool, wanted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ensure() -> str:
        if not docker:
            raise LabError("The lab needs docker.io: run `apt-get install docker.io` as root, then try again.")
        raise AssertionError("nobody may look for an engine")

    monkeypatch.setenv(demo.WITHOUT, wanted)
    monkeypatch.setattr(demo, "ensure_engine", ensure)
    monkeypatch.setattr(alone, "run", lambda: 7)
    assert demo.main() == 7
    said = capsys.readouterr().out
    assert "the demo runs on this machine itself" in said and ("docker.io" in said) is not docker


def test_what_it_needs_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none() -> list[str]:
        raise namespace.NoNamespaceError("unshare: unshare failed: Operation not permitted")

    monkeypatch.setattr(alone, "needs", lambda: "")
    monkeypatch.setattr(alone, "enter", none)
    assert alone.run() == 1
    assert "this machine gives none (unshare: unshare failed: Operation not permitted)" in capsys.readouterr().err
    monkeypatch.setattr(alone, "enter", lambda: ["unshare"])
    monkeypatch.setattr(alone, "needs", lambda: "without Docker it needs HAProxy.")
    assert alone.run() == 1
    assert capsys.readouterr().err == "\nmake demo: without Docker it needs HAProxy.\n"
