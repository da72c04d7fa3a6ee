# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of process_deploy: hands over the secrets as one opaque parameter, and the code that the controller has."""

from __future__ import annotations

import functools
import os
import shlex
import typing as t

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.packages import package_of
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import PROCESS_DEPLOY
from ansible_collections.slipway.deploy.plugins.plugin_utils.builds import Builds
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets, site_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.packages import Depot, local_sources, with_contents
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction, plain, unreachable

display = Display()


class ActionModule(StageAction):
    """Runs process_deploy alone or as a stage of a release."""

    module = "slipway.deploy.process_deploy"
    takes = PROCESS_DEPLOY

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        services = [item for item in (args.get("services") or {}).values() if isinstance(item, t.Mapping)]
        secrets = args.get("secrets") or site_secrets([*services, *keys(services)], variables, self._templar)
        return {**args, "secrets": encode_secrets(secrets)}

    def _alone(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        try:
            return self._collected(super()._alone(self._handed_over(args, variables), variables), args, variables)
        except SlipwayError as error:
            return {"failed": True, **error.result()}

    def _try(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        try:
            return self._collected(super()._try(self._handed_over(args, variables), variables), args, variables)
        except SlipwayError as error:
            return {"failed": True, **error.result()}
        except AnsibleConnectionFailure as error:
            return unreachable(error)

    def _handed_over(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Arguments that say what the controller's code is; it is on the machine when it is needed there.

        :raises SlipwayError: what is wrong with it.
        """
        services = plain(args.get("services"))
        prepares = args.get("state", "prepared") in ("built", "fetched", "prepared") and not args.get("kept_release")
        # Otherwise it matters only where it is part of a release's name.
        if not isinstance(services, dict) or not (prepares or not (args.get("identity") or args.get("release"))):
            return args
        builds = Builds.of(args) if prepares else None
        if builds:
            here = variables["inventory_hostname"]
            services = (
                builds.services_of(here, services) if args.get("state") == "built" else builds.told(services, variables)
            )
        built = {name: one["built"] for name, one in services.items() if isinstance(one, dict) and one.get("built")}
        own = {name: one for name, one in services.items() if name not in built}
        local, depot = local_sources(own, variables, self._templar), self._depot()
        contents = {name: services[name]["source"].get("content") or depot.content(one) for name, one in local.items()}
        args = {**args, "services": with_contents(services, contents)}
        packages = {one["package"] for one in built.values()} - {""}
        retained = plain(args.get("retained")) or []
        if not prepares or self._task.check_mode or not (contents or packages or retained):
            return args
        there = self._there(args)
        missing = {*contents.values(), *packages} - there
        files = {contents[name]: one for name, one in local.items() if contents[name] in missing}
        sends = {content: depot.package(content, one) for content, one in files.items()}
        args["packages"] = self._sent({**sends, **depot.all_brought(missing & packages)})
        if retained:
            args["retained"] = self._with_packages(retained, there | set(args["packages"]))
        return args

    def _with_packages(self, retained: t.Sequence[dict[str, t.Any]], there: set[str]) -> list[dict[str, t.Any]]:
        """Releases from before this machine came, each with what other machines hand on of it; what cannot be sent holds nothing
        up.

        :param there: the packages that this machine has.
        """
        found, depot = [], self._depot()
        for about in retained:
            names = {package_of(service) for service in about["services"].values()} - there - {""}
            sent: dict[str, str] = {}
            try:
                sent = self._sent(depot.all_brought(names))
            except AnsibleConnectionFailure:
                raise
            except AnsibleError as error:
                display.warning(
                    f"{about['version']} ({about['release']}): what is handed on of it cannot be sent: {error}"
                )
            there = there | set(sent)
            found.append({**about, "packages": sent})
        return found

    def _collected(
        self, outcome: dict[str, t.Any], args: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]
    ) -> dict[str, t.Any]:
        """The result of a state; what this machine has built, or has of releases before, is on the controller when another one
        lacks it.

        :raises SlipwayError: C(checksum), and why what was built could not be written. Of releases before that is a warning.
        """
        builds = Builds.of(args)
        if args.get("state") != "built" or outcome.get("failed") or builds is None or self._task.check_mode:
            return outcome
        for name in sorted(builds.lacking(plain(outcome.get("built") or {}), variables)):
            self._bring(args, name)
        for name, about in builds.kept_on(variables["inventory_hostname"]).items():
            try:
                self._bring(args, name, whole=about["whole"])
            except SlipwayError as error:
                what = f"{', '.join(about['of'])} cannot be handed on to {', '.join(about['for'])}"
                outcome.setdefault("warnings", []).append(f"{what} [{error.cause}]: {error.message}")
        return outcome

    def _bring(self, args: t.Mapping[str, t.Any], name: str, *, whole: bool = True) -> None:
        path = os.path.join(*self._base(args), "packages", name)
        self._depot().bring(name, path, functools.partial(self._fetched, path), whole=whole)

    def _fetched(self, path: str, target: str) -> None:
        """A file of root's, copied to the controller by way of one that whoever logs in may read."""
        action = t.cast(t.Any, self)
        shell = action._connection._shell
        passing = shell.join_path(shell.tmpdir or action._make_tmp_path(), os.path.basename(path))
        source, place = shlex.quote(path), shlex.quote(passing)
        command = f"cp -- {source} {place} && chown --reference={shlex.quote(os.path.dirname(passing))} {place}"
        done = self._execute(command, b"")
        if done["rc"]:
            raise _not_handed_on(path, str(done["stderr"] or done["stdout"]))
        try:
            action._connection.fetch_file(passing, target)
        except AnsibleConnectionFailure:
            raise
        except (AnsibleError, OSError) as error:
            raise _not_handed_on(path, str(error)) from None
        finally:
            self._execute(f"rm -f -- {place}", b"")

    def _depot(self) -> Depot:
        return Depot(t.cast(t.Any, constants).DEFAULT_LOCAL_TMP)

    def _base(self, args: t.Mapping[str, t.Any]) -> list[str]:
        return [str(args.get(key) or default) for key, default in BASE]

    def _there(self, args: t.Mapping[str, t.Any]) -> set[str]:
        """The contents that the machine has."""
        place = shlex.quote(os.path.join(*self._base(args), "packages"))
        listed = self._execute(f"ls -1 {place} 2>/dev/null || true", b"")
        return set(str(listed["stdout"]).split())

    def _sent(self, files: t.Mapping[str, str]) -> dict[str, str]:
        """Content → where on the machine it is for as long as this task runs."""
        if not files:
            return {}
        action, sent = t.cast(t.Any, self), {}
        directory = action._make_tmp_path()
        for content, path in sorted(files.items()):
            sent[content] = action._transfer_file(path, action._connection._shell.join_path(directory, content))
        action._fixup_perms2([directory, *sent.values()])
        return sent


BASE = (("code_root", PROCESS_DEPLOY.options["code_root"]["default"]), ("platform", ""), ("environment", ""))


def _not_handed_on(path: str, why: str) -> SlipwayError:
    return SlipwayError(
        "what is to be handed on cannot be brought to the controller",
        obj=path,
        actual=why.strip()[-300:],
        remedy="See that both have room for it in their directories for temporary files, then run the release again.",
        cause="not_handed_on",
    )


def keys(services: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The private keys that sources name, as a service names its secrets."""
    sources = [service.get("source") for service in services]
    return [{"secrets": [source["key"]]} for source in sources if isinstance(source, t.Mapping) and source.get("key")]
