# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alembic and Django are asked, within the project's own interpreter (private to the collection).

The text of this file is the standard input of that interpreter: it imports nothing of this collection, says what it found as
JSON on standard output, and lets all else that is printed go to standard error.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import time
import traceback
import typing as t

ORDER, URL = "SLIPWAY_ORDER", "SLIPWAY_URL"  # environment

Order = dict[str, t.Any]
Answer = dict[str, t.Any]


class Refused(Exception):  # noqa: N818  # read by its name
    """What the project is asked for cannot be; its text says why."""


def main() -> None:
    """Do as C(SLIPWAY_ORDER) says."""
    order = json.loads(os.environ.pop(ORDER))
    url = os.environ.pop(URL, "")
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the project prints is no answer
    sys.argv = [order["tool"]]
    try:
        told = DOING[order["tool"]](order, url)
    except BaseException as error:  # SystemExit of a project's own settings too
        told = {"error": described(error, order["tool"])}
    with answer:
        json.dump(told, answer)
    raise SystemExit(1 if "error" in told else 0)


def described(error: BaseException, tool: str) -> Answer:
    """In words, with the file of the project that it came from, and the database's own code."""
    said = f"{type(error).__name__}: {error}" if str(error) else repr(error)
    told = {"said": str(error) if isinstance(error, Refused) else said, "refused": isinstance(error, Refused)}
    missing = isinstance(error, ImportError) and (error.name or "").partition(".")[0] == tool
    cause: BaseException | None = error
    while cause is not None:
        origin = getattr(cause, "orig", cause)  # SQLAlchemy's has the driver's
        told["code"] = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None) or told.get("code")
        cause = cause.__cause__ or cause.__context__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        folder = os.path.basename(os.path.dirname(frame.filename))
        if folder in ("versions", "migrations") and "/django/db/" not in frame.filename:
            told.update(file=frame.filename, line=frame.lineno)
            break
    return {**told, "missing": missing}


def notes(path: str) -> list[str]:
    """The lines of a file that may be annotations."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return [line for line in stream if "slipway:" in line]
    except OSError:
        return []


class Clock:
    """Milliseconds of each of some things that follow each other."""

    def __init__(self) -> None:
        self.took: dict[str, int] = {}
        self._since = time.monotonic()

    def note(self, name: str) -> None:
        """It has ended now."""
        now = time.monotonic()
        self.took[name] = round((now - self._since) * 1000)
        self._since = now


# Alembic ------------------------------------------------------------------------------------------------------


def alembic(order: Order, url: str) -> Answer:
    """List revisions, or run, undo, mark or show some (Alembic documentation, "API Details")."""
    config = alembic_config(order, url)
    script = importlib.import_module("alembic.script").ScriptDirectory.from_config(config)
    if order["do"] == "list":
        return alembic_list(script, order["target"])
    command = importlib.import_module("alembic.command")
    if order["do"] == "show":
        for words in order["ranges"]:
            (command.downgrade if order["undo"] else command.upgrade)(config, words, sql=True)
        return {"sql": config.output_buffer.getvalue()}
    clock = alembic_watched(order)
    for revision in order["revisions"]:
        getattr(command, order["do"])(config, revision)
    return {"took": clock.took}


def alembic_config(order: Order, url: str) -> t.Any:
    """The project's own, with our connection string; in place of the file, a directory of scripts will do."""
    config_of = importlib.import_module("alembic.config").Config
    path = order["config"]
    if os.path.isdir(path):
        config = config_of(output_buffer=io.StringIO())
        config.set_main_option("script_location", os.path.abspath(path).replace("%", "%%"))
    elif os.path.isfile(path):
        config = config_of(path, output_buffer=io.StringIO())
    else:
        raise Refused(f"there is no {path} in {os.getcwd()}")
    config.set_main_option("sqlalchemy.url", alembic_url(config, url).replace("%", "%%"))
    return config


def alembic_url(config: t.Any, url: str) -> str:
    """With the driver that the project names, or the one of PostgreSQL that it has."""
    scheme, _colon, rest = url.partition("://")
    named = (config.get_main_option("sqlalchemy.url") or "").partition("://")[0]
    if named.partition("+")[0] == scheme:
        return f"{named}://{rest}"
    if scheme == "postgresql":
        for driver in ("psycopg2", "psycopg"):
            try:
                importlib.import_module(driver)
            except ImportError:
                continue
            return f"postgresql+{driver}://{rest}"
    return f"{scheme}+pymysql://{rest}" if scheme in ("mysql", "mariadb") else url


def alembic_list(script: t.Any, target: str) -> Answer:
    """All revisions, those without a parent first."""
    revisions = list(script.walk_revisions())
    found = [
        {
            "version": one.revision,
            "parents": [*one._all_down_revisions],
            "description": one.doc or "",
            "file": one.path,
            "notes": notes(one.path),
        }
        for one in reversed(revisions)
    ]
    wanted = [one.revision for one in script.get_revisions(target)] if target not in ("", "base") else []
    return {"revisions": found, "target": wanted}


def alembic_watched(order: Order) -> Clock:
    """How long each took; and whether the project's own settings lead to the same database."""
    environment = importlib.import_module("alembic.runtime.environment").EnvironmentContext
    clock, configure = Clock(), environment.configure

    def watched(self: t.Any, connection: t.Any = None, **options: t.Any) -> t.Any:
        if connection is not None and order["database"]:
            expect_database(str(connection.engine.url.database or ""), order["database"])
        given = options.get("on_version_apply") or ()
        options["on_version_apply"] = (*(given if isinstance(given, (list, tuple)) else (given,)), noted)
        return configure(self, connection=connection, **options)

    def noted(step: t.Any, **_others: t.Any) -> None:
        for revision in step.up_revision_ids or ():
            clock.note(revision)

    environment.configure = watched
    return clock


def expect_database(found: str, wanted: str) -> None:
    """Not that of a settings file that does not read what it is given."""
    if os.path.basename(found) != os.path.basename(wanted):
        raise Refused(f"the project's own settings lead to the database {found}, and url to {wanted}")


# Django -------------------------------------------------------------------------------------------------------


def django(order: Order, url: str) -> Answer:
    """List migrations, or run or show some (Django's C(MigrationExecutor))."""
    connection = django_connection(order, json.loads(url))
    executor_of = importlib.import_module("django.db.migrations.executor").MigrationExecutor
    clock = Clock()

    def noted(action: str, migration: t.Any = None, _fake: bool = False) -> None:
        if migration is not None and action in ("apply_success", "unapply_success"):
            clock.note(f"{migration.app_label}.{migration.name}")

    executor = executor_of(connection, noted)
    if order["do"] == "list":
        return django_list(executor, order["target"])
    nodes = [django_node(executor, name) for name in order["names"]]
    django_conflicts(executor)
    executor.loader.check_consistent_history(connection)
    plan = executor.migration_plan(nodes)
    if any(backwards != order["undo"] for _migration, backwards in plan):
        raise Refused(f"{', '.join(order['names'])} is not applied: there is nothing above it to undo")
    if order["do"] == "show":
        return {"sql": "".join((django_undo_sql if order["undo"] else django_sql)(executor, connection, plan))}
    if plan:
        django_migrate(executor, connection, plan, nodes, order["do"] == "fake")
    return {"took": clock.took}


def django_migrate(executor: t.Any, connection: t.Any, plan: t.Any, nodes: t.Any, fake: bool) -> None:
    """As the command C(migrate), with its signals: permissions and content types come from the one after it."""
    sql = importlib.import_module("django.core.management.sql")
    models = importlib.import_module("django.db.migrations.state").ModelState
    registry = importlib.import_module("django.apps").apps
    state = executor._create_project_state(with_applied_migrations=True)
    sql.emit_pre_migrate_signal(0, False, connection.alias, stdout=sys.stderr, apps=state.apps, plan=plan)
    after = executor.migrate(nodes, plan=plan, state=state.clone(), fake=fake)
    after.clear_delayed_apps_cache()
    apps = after.apps
    with apps.bulk_update():
        keys = [(one.app_label, one.name_lower) for one in apps.real_models]
        for key in keys:
            apps.unregister_model(*key)
    apps.render_multiple([models.from_model(registry.get_model(*key)) for key in keys])
    sql.emit_post_migrate_signal(0, False, connection.alias, stdout=sys.stderr, apps=apps, plan=plan)


def django_connection(order: Order, where: Answer) -> t.Any:
    """That of the project's settings, led to our database."""
    if order["config"]:
        os.environ["DJANGO_SETTINGS_MODULE"] = order["config"]
    setup = importlib.import_module("django").setup
    settings = importlib.import_module("django.conf").settings
    alias = "default"
    if alias not in settings.DATABASES:
        raise Refused("the project's settings have no database of the name default")
    settings.DATABASES[alias].update(where["where"])
    own, ours = settings.DATABASES[alias].get("OPTIONS", {}), where["options"]
    if "options" in own and "options" in ours:
        ours["options"] = f"{own['options']} {ours['options']}"
    settings.DATABASES[alias]["OPTIONS"] = {**own, **ours}
    setup()
    connection = importlib.import_module("django.db").connections[alias]
    vendor = {"mariadb": "mysql"}.get(order["engine"], order["engine"])
    if connection.vendor != vendor:
        raise Refused(f"the project's settings are for {connection.vendor}, and url for {order['engine']}")
    return connection


def django_list(executor: t.Any, target: str) -> Answer:
    """All migrations in the order of their dependencies, and which of them a target includes."""
    loader = executor.loader
    every = [migration for migration, _back in executor.migration_plan(loader.graph.leaf_nodes(), clean_start=True)]
    found = [
        {
            "version": f"{one.app_label}.{one.name}",
            "atomic": bool(one.atomic),
            "replaces": [f"{app}.{name}" for app, name in one.replaces],
            "notes": notes(getattr(sys.modules.get(type(one).__module__), "__file__", "") or ""),
        }
        for one in every
    ]
    within = []
    if target:
        plan = loader.graph.forwards_plan(django_node(executor, target)) if not target.endswith(".zero") else []
        within = [f"{app}.{name}" for app, name in plan]
    return {"migrations": found, "target": within}


def django_node(executor: t.Any, name: str) -> t.Any:
    """C(app.0003_name), C(app.0003), C(app) for its last one, or C(app.zero)."""
    app, _dot, rest = name.partition(".")
    graph = executor.loader.graph
    if app not in executor.loader.migrated_apps:
        raise Refused(f"no application with migrations is called {app}")
    if rest == "zero":
        return (app, None)
    if not rest:
        return graph.leaf_nodes(app)[0]
    if (app, rest) in graph.nodes:
        return (app, rest)
    try:
        return (app, executor.loader.get_migration_by_prefix(app, rest).name)
    except (KeyError, importlib.import_module("django.db.migrations.exceptions").AmbiguityError) as error:
        raise Refused(f"{name} is no migration, or more than one: {error}") from None


def django_conflicts(executor: t.Any) -> None:
    """Two last migrations of one application."""
    conflicts = executor.loader.detect_conflicts()
    if conflicts:
        said = "; ".join(f"{app}: {', '.join(names)}" for app, names in conflicts.items())
        raise Refused(f"more than one last migration ({said}): makemigrations --merge joins them")


def django_sql(executor: t.Any, connection: t.Any, plan: t.Any) -> t.Iterator[str]:
    """As C(sqlmigrate) shows it."""
    state = executor._create_project_state(with_applied_migrations=True)
    for migration, _backwards in plan:
        with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
            state = migration.apply(state, editor, collect_sql=True)
        yield f"-- {migration.app_label}.{migration.name}\n"
        yield from (f"{line}\n" for line in editor.collected_sql)


def django_undo_sql(executor: t.Any, connection: t.Any, plan: t.Any) -> t.Iterator[str]:
    """Each from the state before it."""
    for migration, _backwards in plan:
        state = executor.loader.project_state((migration.app_label, migration.name), at_end=False)
        with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
            migration.unapply(state, editor, collect_sql=True)
        yield f"-- undo {migration.app_label}.{migration.name}\n"
        yield from (f"{line}\n" for line in editor.collected_sql)


DOING: dict[str, t.Callable[[Order, str], Answer]] = {"alembic": alembic, "django": django}

if __name__ == "__main__":
    main()
