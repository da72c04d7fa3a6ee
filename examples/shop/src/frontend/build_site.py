# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the static site of one version: ``python3 build_site.py VERSION OUTPUT``.

Every file below ``site/assets`` gets its content's hash into its name, and ``index.html`` the names. What is new in a
version lies in ``overlays/<version>``: ``section.html`` goes into the page, any other file is added to the asset of its
name. A build has the overlays of its own version and of all before it.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BANNER = {".js": "// shop {}\n", ".css": "/* shop {} */\n"}


def build(version: str, output: Path, source: Path = HERE) -> dict[str, str]:
    """Write ``html/`` and ``nginx.conf`` below *output*; return the hashed path of each asset."""
    overlays = [path for path in sorted((source / "overlays").iterdir(), key=overlay_key) if applies(path, version)]
    html = output / "html"
    (html / "assets").mkdir(parents=True)
    names = {}
    for asset in sorted((source / "site" / "assets").iterdir()):
        text = with_overlays(asset, overlays)
        # The banner makes the assets of two versions different even where nothing else changed.
        data = (BANNER.get(asset.suffix, "").format(version) + text).encode()
        names[asset.name] = "/assets/" + hashed_name(asset.name, data)
        (html / names[asset.name].lstrip("/")).write_bytes(data)
    page = (source / "site" / "index.html").read_text(encoding="utf-8")
    sections = "".join(section.read_text(encoding="utf-8") for section in existing(overlays, "section.html"))
    page = page.replace("@sections@\n", sections).replace("@VERSION@", version)
    (html / "index.html").write_text(fill_in(page, names), encoding="utf-8")
    nginx = (source / "nginx.conf").read_text(encoding="utf-8")
    (output / "nginx.conf").write_text(nginx.replace("@VERSION@", version), encoding="utf-8")
    return names


def with_overlays(asset: Path, overlays: list[Path]) -> str:
    """Return the text of *asset*, and after it what the overlays add."""
    return "".join(path.read_text(encoding="utf-8") for path in [asset, *existing(overlays, asset.name)])


def existing(overlays: list[Path], name: str) -> list[Path]:
    """Return the files called *name* in the overlays, oldest first."""
    return [overlay / name for overlay in overlays if (overlay / name).is_file()]


def applies(overlay: Path, version: str) -> bool:
    """Whether a build of *version* has this overlay."""
    return version_key(version) >= overlay_key(overlay)


def overlay_key(overlay: Path) -> tuple[int, ...]:
    """Order overlays by version, not by letters: 1.2 comes before 1.10."""
    return version_key(overlay.name)


def version_key(version: str) -> tuple[int, ...]:
    """Return ``(1, 10, 0)`` for ``1.10.0-rc1``."""
    match = re.match(r"\d+(\.\d+)*", version)
    if match is None:
        raise ValueError(f"version is {version!r}, wanted numbers with dots, such as 1.4.2")
    return tuple(int(part) for part in match.group().split("."))


def hashed_name(name: str, data: bytes) -> str:
    """Return ``app.1a2b3c4d5e.js`` for ``app.js``: another content, another name."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(data).hexdigest()[:10]}{dot}{suffix}"


def fill_in(page: str, names: dict[str, str]) -> str:
    """Replace ``@asset(app.js)@`` by the hashed path; an asset that does not exist is a KeyError with its name."""
    return re.sub(r"@asset\(([^)]+)\)@", lambda match: names[match.group(1)], page)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python3 build_site.py VERSION OUTPUT")
    for asset_name, asset_path in build(sys.argv[1], Path(sys.argv[2])).items():
        print(f"{asset_name} -> {asset_path}")
