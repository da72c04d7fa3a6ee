# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Django as projects have it: a small one, and all that Wagtail brings."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from tests.integration_local.backup.conftest import Server

from .outside import PYTHON, Project, states

SETTINGS = """
print("settings that print")
SECRET_KEY = "x"
INSTALLED_APPS = [{apps}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.{backend}", "NAME": "elsewhere", "HOST": "nowhere.invalid"}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "/static/"
WAGTAIL_SITE_NAME = "x"
WAGTAILADMIN_BASE_URL = "http://localhost"
"""
MIGRATION = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [{needs}]
    operations = [{what}]
"""
ITEM = 'migrations.CreateModel("Item", [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())])'
PRICE = 'migrations.AddField("item", "price", models.IntegerField(null=True))'
INDEX = 'migrations.AddIndex("item", models.Index(fields=["price"], name="item_price"))'
MODELS = """
from django.db import models
class Item(models.Model):
    name = models.TextField()
    price = models.IntegerField(null=True)
    class Meta:
        indexes = [models.Index(fields=["price"], name="item_price")]
"""
# What makes hundreds of migrations, of which some run Python on rows.
WAGTAIL = (
    "wagtail.contrib.forms",
    "wagtail.contrib.redirects",
    "wagtail.contrib.search_promotions",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
)


class Django(Project):
    """An application, item, with three migrations."""

    def __init__(self, server: Server, directory: pathlib.Path, *more: str) -> None:
        super().__init__(server, directory, "django", program=[PYTHON], config="site_settings")
        self.settings("item", *more)
        self.write("item/__init__.py", "")
        self.write("item/models.py", MODELS)
        self.write("item/migrations/__init__.py", "")
        self.migration("0001_initial", ITEM)
        self.migration("0002_price", PRICE, "0001_initial")
        self.migration("0003_index", INDEX, "0002_price")

    def settings(self, *apps: str, backend: str = "postgresql") -> None:
        text = SETTINGS.format(apps=", ".join(map(repr, apps)), backend=backend)
        self.write("site_settings.py", text)

    def migration(self, name: str, what: str, needs: str = "") -> pathlib.Path:
        needs = f"('item', {needs!r})" if needs else ""
        return self.write(f"item/migrations/{name}.py", MIGRATION.format(needs=needs, what=what))


rest = pytest.mark.sample(1)  # the first one always runs


@pytest.fixture(name="project")
def _project(tool_server: Server, tmp_path: pathlib.Path) -> Django:
    return Django(tool_server, tmp_path)


def test_it_is_applied_once(project: Django) -> None:
    shown = project.run(check=True)
    assert shown["changed"] and 'ADD COLUMN "price" integer' in shown["sql"] and "item_price" in shown["sql"]
    assert project.empty()  # no history either
    told = project.run()
    assert [one["version"] for one in told["applied"]] == ["item.0001_initial", "item.0002_price", "item.0003_index"]
    assert told["changed"] and project.tables() == {"item_item"}
    again = project.run()
    assert not again["changed"] and not project.run(check=True)["changed"]


@rest
def test_the_sql_that_is_shown_is_the_sql_that_runs(project: Django) -> None:
    sql = project.run(check=True)["sql"]
    other = Project(project.server, project.directory, "django")
    other.ask(sql)
    project.run()
    project.ask("DROP TABLE django_migrations")
    assert project.schema() == other.schema()


@rest
def test_up_to_a_target_and_back(project: Django) -> None:
    assert states(project.run("target", target="item.0002"))["item.0003_index"] == "above_target"
    project.run()
    assert not project.run("target", target="item.0001")["changed"]  # a target undoes nothing
    shown = project.run("undone", target="item.0002", check=True)
    assert "DROP INDEX" in shown["sql"].upper() and "DROP COLUMN" not in shown["sql"].upper()
    assert [one["version"] for one in project.run("undone", target="item.0001")["applied"]] == [
        "item.0003_index",
        "item.0002_price",
    ]
    assert project.refused("undone")["cause"] == "unable"
    assert project.refused("undone", target="item.0003")["cause"] == "bad_input"  # which would apply it
    project.run("undone", target="item.zero")
    assert project.tables() == set()


@rest
def test_a_later_version_has_been_here(project: Django) -> None:
    last = project.migration(
        "0004_more", 'migrations.AddField("item", "more", models.TextField(null=True))', "0003_index"
    )
    project.run()
    last.unlink()
    told = project.run()
    assert not told["changed"] and [one["version"] for one in told["ahead"]] == ["item.0004_more"]


@rest
def test_a_baseline(project: Django) -> None:
    project.ask("CREATE TABLE item_item (id bigserial PRIMARY KEY, name text NOT NULL, price integer)")
    told = project.run("baselined", target="item.0002")
    assert told["changed"] and states(told)["item.0002_price"] == "success"
    assert project.refused("baselined")["cause"] == "exists"
    assert [one["version"] for one in project.run()["applied"]] == ["item.0003_index"]
    assert not project.run("baselined")["changed"]


@rest
def test_a_statement_that_is_refused(project: Django) -> None:
    project.migration("0002_price", 'migrations.RunSQL("SELECT nothing")', "0001_initial")
    error = project.refused()
    assert error["cause"] == "migration_failed" and error["evidence"]["code"] == "42703"
    assert [one["version"] for one in error["evidence"]["applied"]] == ["item.0001_initial"]


@rest
def test_contract_waits_for_its_own_run(project: Django) -> None:
    path = project.migration("0002_price", PRICE, "0001_initial")
    path.write_text("# slipway: phase=contract\n" + path.read_text())
    assert [one["version"] for one in project.run(phase="expand")["applied"]] == ["item.0001_initial"]
    assert [one["version"] for one in project.run(phase="contract")["applied"]] == ["item.0002_price"]


@rest
def test_two_last_migrations(project: Django) -> None:
    project.migration("0003_other", 'migrations.RunSQL("SELECT 1")', "0002_price")
    error = project.refused()
    assert error["cause"] == "bad_input" and "0003_other" in error["what"]
    assert project.tables() == set()


@rest
def test_settings_for_another_kind_of_database(project: Django) -> None:
    project.settings("item", backend="sqlite3")
    assert project.refused()["cause"] == "bad_input"


@rest
def test_what_is_not_there(project: Django, tmp_path: pathlib.Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(bare)], check=True)
    error = project.refused(project={**project.project, "program": [str(bare / "bin/python")]})
    assert error["cause"] == "tool_missing" and "pip install django" in error["remedy"]
    error = project.refused(project={**project.project, "config": "no_such_settings"})
    assert error["cause"] == "migration_failed" and "no_such_settings" in error["actual"]
    assert project.refused("target", target="nothing.0001")["cause"] == "bad_input"
    assert project.refused("target", target="item.0009")["cause"] == "bad_input"


@rest
def test_all_of_wagtail(tool_server: Server, tmp_path: pathlib.Path) -> None:
    """As C(manage.py migrate) leaves it, rows that its migrations and signals make included."""
    project = Django(tool_server, tmp_path, *WAGTAIL)
    told = project.run()
    assert len(told["applied"]) > 190
    assert not project.run()["changed"]
    theirs = Project(tool_server, tmp_path, "django")
    settings = (tmp_path / "site_settings.py").read_text().replace("elsewhere", theirs.database)
    settings = settings.replace(
        '"HOST": "nowhere.invalid"', "**__import__('json').loads(__import__('os').environ['LOGIN'])"
    )
    (tmp_path / "their_settings.py").write_text(settings)
    theirs.by_hand(PYTHON, "-m", "django", "migrate", "--settings=their_settings", "--skip-checks", "-v0")
    assert project.schema() == theirs.schema()
    for table in (
        "auth_permission",
        "django_content_type",
        "wagtailcore_page",
        "wagtailcore_site",
        "django_migrations",
    ):
        assert project.ask(f"SELECT count(*) FROM {table}") == theirs.ask(f"SELECT count(*) FROM {table}"), table
    assert len(project.run("undone", target="wagtailsearchpromotions.zero")["applied"]) >= 4
