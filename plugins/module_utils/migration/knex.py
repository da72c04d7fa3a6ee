# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knex, by its API within Node.js (private to the collection).

C(knex migrate:list) makes the history's table, and its batches can only be limited by what it is shown: so what there is is
asked of the project's source of migrations, and what is applied is read here.
"""

from __future__ import annotations

import json
import typing as t

from ..errors import SlipwayError
from ..masking import mask_all
from . import model
from .child import missing
from .model import Migration, Status
from .outside import Outside, Run, Setup, compared, failed, notes_of
from .tool import Order

TABLE = "knex_migrations"

# Runs in the directory of the project. What the project prints goes to standard error.
SCRIPT = r"""
const fs = require('fs'), path = require('path'), { pathToFileURL } = require('url');
process.stdout.write = process.stderr.write.bind(process.stderr);
const order = JSON.parse(process.env.SLIPWAY_ORDER), where = JSON.parse(process.env.SLIPWAY_URL);
delete process.env.SLIPWAY_ORDER; delete process.env.SLIPWAY_URL;
const refused = (said) => Object.assign(new Error(said), { refused: true });

async function settings() {
  const file = path.resolve(order.config);
  if (!fs.existsSync(file)) throw refused(`there is no ${order.config} in ${process.cwd()}`);
  process.chdir(path.dirname(file));
  let found = (await import(pathToFileURL(file).href)).default;
  found = (found && found.default) || found;
  if (typeof found === 'function') found = await found();
  const stage = process.env.NODE_ENV || 'development';
  if (!found.client && found[stage]) found = found[stage];
  if (!found.client) throw refused(`${order.config} says no client for ${stage}`);
  const given = typeof found.connection === 'object' ? found.connection : {};
  const migrations = { ...(found.migrations || {}), ...order.history, disableMigrationsListValidation: true };
  return { ...found, connection: { ...given, ...where }, migrations };
}

function limited(source, names) {
  const one = (migration) => names.includes(source.getMigrationName(migration));
  return {
    getMigrations: async (extensions) => (await source.getMigrations(extensions)).filter(one),
    getMigrationName: (migration) => source.getMigrationName(migration),
    getMigration: (migration) => source.getMigration(migration),
  };
}

async function told(source, migration) {
  const made = await source.getMigration(migration);
  const file = migration.file ? path.resolve(migration.directory || '.', migration.file) : '';
  const notes = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter((line) => line.includes('slipway:')) : [];
  return { version: source.getMigrationName(migration), notes, atomic: !(made.config && made.config.transaction === false) };
}

async function work() {
  const made = require(require.resolve('knex', { paths: [process.cwd(), path.dirname(path.resolve(order.config))] }));
  const knex = (made.knex || made.default || made)(await settings());
  try {
    const { migrationSource: source, loadExtensions, tableName, schemaName } = knex.migrate.config;
    if (order.do === 'list') {
      const all = await source.getMigrations(loadExtensions);
      const found = await Promise.all(all.map((one) => told(source, one)));
      return { migrations: found, table: tableName, schema: schemaName };
    }
    if (order.unlock) await knex.migrate.forceFreeMigrationsLock();
    if (order.do === 'up') await knex.migrate.latest({ migrationSource: limited(source, order.names) });
    if (order.do === 'down') for (const name of order.names) await knex.migrate.down({ name });
    return {};
  } finally {
    await knex.destroy();
  }
}

function described(error) {
  const missing = /Cannot find module '(knex|pg|mysql2?|sqlite3|better-sqlite3)'/.test(error.message);
  return { error: { said: error.message || String(error), refused: !!error.refused, code: error.code || '', missing } };
}

work().catch(described).then((answer) => {
  const text = Buffer.from(JSON.stringify(answer));
  let sent = 0;
  while (sent < text.length) sent += fs.writeSync(1, text, sent);
  process.exit(answer.error ? 1 : 0);
});
"""


class Knex(Outside):
    """See RV(Tool). Its SQL is known only while it runs."""

    name = "knex"
    states = ("latest", "target", "status", "undone")

    def __init__(self, setup: Setup, table: str = "") -> None:
        super().__init__(setup)
        self._table = table

    def _read(self, target: str, run: Run) -> Status:
        told = self._once("", lambda: self._ask(run, do="list"))
        known = [_known(one, notes_of(one["notes"], one["version"]).phase) for one in told["migrations"]]
        database = self._database
        database.settings = database.settings._replace(table=told["table"])
        rows = database.lines("id", "name", "migration_time")
        applied = [_applied(*row) for row in rows or []]
        found = compared(known, applied, _up_to(known, target) if target else None)
        return Status(applied[-1].version if applied else "", rows is not None, tuple(found), last=len(applied))

    def _carry_out(self, order: Order, before: Status, wanted: t.Sequence[Migration], run: Run) -> t.Mapping[str, int]:
        if order.state == "undone":
            self._ask(run, do="down", names=[one.version for one in self._undoing(order, before)], unlock=True)
        else:
            self._ask(run, do="up", names=[one.version for one in wanted], unlock=True)
        return {}

    def _show(self, order: Order, status: Status, wanted: t.Sequence[Migration], run: Run) -> str:
        names = wanted if order.state != "undone" else self._undoing(order, status)
        return "".join(f"-- {one.version} (Knex shows no SQL before it runs)\n" for one in names)

    def _undoing(self, order: Order, before: Status) -> list[Migration]:
        """What is above the target, or the last one alone; the newest first."""
        applied = [one for one in before.migrations if one.rank]
        names = [one.version for one in applied]
        if order.target and order.target not in names:
            raise _unknown(order.target)
        undoing = applied[names.index(order.target) + 1 :] if order.target else applied[-1:]
        self._expect_known(undoing)
        return undoing[::-1]

    def _ask(self, run: Run, **order: t.Any) -> dict[str, t.Any]:
        setup, where = self._setup, self._setup.address
        schema, table = setup.database.settings.schema, self._table
        history = {**({"tableName": table} if table else {}), **({"schemaName": schema} if schema else {})}
        connection: dict[str, t.Any] = {"filename": where.database}
        if where.engine != "sqlite":
            connection = {"user": where.user, "password": where.password, "database": where.database}
            connection.update({"host": where.host, "port": where.port} if where.host else {})
        told_by = {
            "SLIPWAY_ORDER": json.dumps({"config": setup.config, "history": history, **order}),
            "SLIPWAY_URL": json.dumps(connection),
        }
        ended = run("-", stdin=SCRIPT, env=told_by)
        try:
            told: dict[str, t.Any] = json.loads(ended.stdout)
        except ValueError:
            raise self._failed("", ended) from None
        if "error" in told:
            error = mask_all(told["error"], setup.child.secrets)
            if error["missing"]:
                raise missing(self.name, error["said"], setup.child.install)
            if error["refused"]:
                raise SlipwayError(error["said"], obj=self.name, remedy="Correct the project.", cause="bad_input")
            raise failed(self.name, f"{error['said']} {error['code']}".strip(), code=error["code"], output=ended.said)
        return told


def _up_to(known: t.Sequence[Migration], target: str) -> set[str]:
    names = [one.version for one in known]
    if target not in names:
        raise _unknown(target)
    return set(names[: names.index(target) + 1])


def _unknown(target: str) -> SlipwayError:
    return SlipwayError(
        "is no migration of this project", obj=target, remedy="Write its file's name.", cause="bad_input"
    )


def _known(told: t.Mapping[str, t.Any], phase: str) -> Migration:
    name = told["version"]
    return Migration(
        model.VERSIONED,
        name,
        "",
        name,
        model.PENDING,
        transactional=told["atomic"],
        phase=phase or "expand",
    )


def _applied(rank: int, name: str, when: object) -> Migration:
    return Migration(model.VERSIONED, name, "", name, model.SUCCESS, rank=int(rank), installed_on=str(when))
