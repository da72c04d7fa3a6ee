# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the images of one or more versions: ``python3 build.py 1.0.0 1.1.0``.

    python3 build.py 1.4.2 --registry registry.example.com/shop --push
    python3 build.py 1.0.0 1.1.0 1.2.0 --base my-debian-with-python-and-nginx --save shop.tar

Talks to the Docker Engine that the ``docker`` command talks to (``DOCKER_HOST`` is respected). Needs nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Two releases of this shop went wrong; they are kept to show what Slipway does about it.
BROKEN = {
    "1.2.0": "unhealthy",  # starts, then its health check answers 500
    "1.2.1": "errors",  # its health check is fine, every other answer is 500
}
VARIANTS = ("ok", "unhealthy", "errors", "crash", "slow-start")
SERVICES = ("backend", "frontend")  # the worker is the backend's image with another command


def main(argv: list[str]) -> None:
    """Build what the command line asks for."""
    options = arguments(argv)
    images = []
    for version in options.versions:
        for service in SERVICES:
            image = image_name(options.registry, service, version)
            started = time.monotonic()
            run(build_command(options, service, version, image))
            print(f"built {image} in {time.monotonic() - started:.1f} s", flush=True)
            images.append(image)
    if options.push:
        for image in images:
            run(["docker", "push", "--quiet", image])
    if options.save:
        run(["docker", "save", "--output", options.save, *images])
        print(f"saved {len(images)} images to {options.save}")


def build_command(options: argparse.Namespace, service: str, version: str, image: str) -> list[str]:
    """Return the ``docker build`` of one image."""
    build_args = {"VERSION": version}
    if service == "backend":
        build_args["VARIANT"] = options.variant or BROKEN.get(version, "ok")
    if options.base:
        build_args["BASE"] = options.base
        if service == "frontend":
            build_args["BUILD_BASE"] = options.base
    command = ["docker", "build", "--quiet", "--tag", image]
    for name, value in build_args.items():
        command += ["--build-arg", f"{name}={value}"]
    return [*command, str(HERE / "src" / service)]


def image_name(registry: str, service: str, version: str) -> str:
    """Return ``registry.example.com/shop/backend:1.0.0``."""
    return f"{registry}/{service}:{version}"


def run(command: list[str]) -> None:
    """Run *command*, quietly unless it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nfailed with {done.returncode}: {' '.join(command)}")


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("versions", nargs="+", metavar="VERSION")
    parser.add_argument("--registry", default="shop", help="what comes before /backend:VERSION (default: %(default)s)")
    parser.add_argument("--base", help="one base image for all, with python3, aiohttp, asyncpg and nginx in it")
    parser.add_argument("--variant", choices=VARIANTS, help="break the backend like this (default: by version)")
    parser.add_argument("--push", action="store_true", help="push the images when all are built")
    parser.add_argument("--save", metavar="FILE", help="write the images into one archive for `docker load`")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
