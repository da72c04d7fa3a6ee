# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of a backup in a store in a network."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.backup import model, retention

from tests.integration_local.backup.faults import BAD, UNPROVEN, Site, Table

from .conftest import Server
from .proxy import Fault
from .test_store import ENDS, SENDS

ROWS = Table()
Generated = t.Iterator[None]
DUMP, MANIFEST, PROOF = 0, 1, 2  # what a backup sends, in this order
READS = {kind: r"^GET .*\.dump" for kind in ("s3", "gcs", "azure")}
LISTS = {"s3": r"^GET .*list-type", "gcs": r"^GET .*/o\?", "azure": r"^GET .*comp=list"}


@dataclasses.dataclass
class StoreSite(Site):
    server: Server = dataclasses.field(default=None)  # type: ignore[assignment]
    prefix: str = ""

    def plan(self, when: t.Mapping[str, str] | str, status: int, after: int = 0, times: int = 1 << 30) -> None:
        wanted = when if isinstance(when, str) else when[self.server.kind]
        self.server.proxy.plan(Fault(wanted, status, after, times))

    def lift(self) -> None:
        self.server.proxy.plan(None)


def fault(name: str, cause: str, words: str, leaves: str = "nothing", proof: str = "read", **plan: t.Any) -> None:
    """A row for requests that are answered with something else."""

    def planned(site: StoreSite) -> Generated:
        if plan.get("reads"):
            site.act = lambda: site.verified(site.good, "read")
        site.plan(plan["when"], plan["status"], plan.get("after", 0), plan.get("times", 1 << 30))
        before = site.listed

        def listed() -> dict[str, model.Backup]:  # what is there is asked without the fault
            planned_now = site.server.proxy.fault
            site.lift()
            try:
                return before()
            finally:
                site.server.proxy.plan(planned_now)

        site.listed = listed  # type: ignore[method-assign]
        yield
        assert site.server.proxy.faults, "no request met the fault"
        site.lift()
        del site.__dict__["listed"]

    ROWS.row(name, cause, words, leaves, proof)(planned)


GONE, REFUSED = "store_unreachable", "store_refused"
fault("500 to the dump", GONE, r"dump: cannot be reached", when=SENDS, status=500, after=DUMP, proof="restore")
fault(
    "503 to the dump, and to what would clear up",
    GONE,
    r"dump: cannot be reached",
    when="^(PUT|POST|DELETE)",
    status=503,
)
fault("403 to the dump", REFUSED, "dump: is refused.*credentials", when=SENDS, status=403)
fault("the connection ends within the dump", GONE, "dump: cannot be reached", when=SENDS, status=0)
fault("no answer to the dump", GONE, "dump: cannot be reached", when=SENDS, status=-2)
fault("500 at the end of the dump", GONE, "dump: cannot be reached", when=ENDS, status=500)
fault("500 to the manifest", GONE, "manifest.json: cannot be reached", when=SENDS, status=500, after=MANIFEST)
fault("403 to the manifest", REFUSED, "manifest.json: is refused", when=SENDS, status=403, after=MANIFEST)
fault("500 to the proof", GONE, "proof-1.json: cannot be reached", UNPROVEN, when=SENDS, status=500, after=PROOF)
fault("503 once, which is tried again", "", "is good, by restore", when=SENDS, status=503, times=1)
fault("the connection ends once, which is tried again", "", "is good", when=SENDS, status=0, times=1)
fault("403 to the list, which is not an empty one", REFUSED, "is refused by the store", when=LISTS, status=403)
fault("500 to the list", GONE, "cannot be reached", when=LISTS, status=500)
fault("no answer to the list", GONE, "cannot be reached", when=LISTS, status=-2)
fault("500 to who reads it", GONE, "dump: cannot be reached", when=READS, status=500, reads=True)
fault("403 to who reads it", REFUSED, "dump: is refused", when=READS, status=403, reads=True)
fault("an answer that ends in the middle", GONE, "dump: cannot be reached", when=READS, status=-1, reads=True)


@ROWS.row("nobody listens", GONE, "cannot be reached.*See the network")
def nobody_listens(site: StoreSite) -> Generated:
    gone = Server(site.server.kind, 1, site.server.proxy).store(site.prefix, direct=True)
    site.act = lambda: dataclasses.replace(site, stored=gone).back_up()
    yield
    site.server.store(site.prefix)  # its address stands in the environment for one of them


@ROWS.row("a bucket that is not there", "store_missing", "no-such-bucket.*: is no bucket or container.*Make it")
def a_bucket_that_is_not_there(site: StoreSite) -> Generated:
    other = site.server.store(site.prefix, bucket="no-such-bucket")
    site.act = lambda: dataclasses.replace(site, stored=other).back_up()
    yield


@ROWS.row("an object that is another one", "damaged", "is not what was written", BAD, "restore")
def an_object_that_is_another_one(site: StoreSite) -> Generated:
    made = site.another()
    key = made.manifest.parts["dump"].key
    content = bytearray(b"".join(site.store.get(key)))
    content[len(content) // 2] ^= 1
    site.store.delete(key)
    site.store.put(key, [bytes(content)])
    site.act = lambda: site.verified(made.manifest.id, "restore")
    yield


@ROWS.row("an object that a rule of the bucket has deleted", "missing", "dump: is not there", BAD)
def an_object_that_a_rule_of_the_bucket_has_deleted(site: StoreSite) -> Generated:
    made = site.another()
    site.store.delete(made.manifest.parts["dump"].key)
    site.act = lambda: site.verified(made.manifest.id, "read")
    yield


@ROWS.row("503 to what would be deleted, which is there or gone as a whole", GONE, "cannot be reached", "good")
def fault_503_to_what_would_be_deleted_which_is_there_or_gone_as(site: StoreSite) -> Generated:
    site.another()
    site.act = lambda: dataclasses.replace(site, policy=retention.Policy(last=1)).back_up()
    site.plan("^DELETE", 503)
    yield
    site.lift()
