"""Tables are made and changed by Alembic alone, once, however many instances start."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from cds_service.store import migrate, tables
from cds_service.store.database import StoreDown, read_url
from cds_service.store.engine import open_engine
from cds_service.store.revision import REVISION
from cds_service.store.store import Store


@pytest.fixture
def engine(store_url):
    made = open_engine(read_url(store_url))
    yield made
    made.dispose()


def test_from_empty_to_exactly_the_tables_of_the_code_and_again_to_no_change(engine):
    for _ in range(2):
        migrate.bring_up_to_date(engine)
        with engine.connect() as connection:
            assert migrate.revision(connection) == REVISION
            differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
            assert differences == []


def test_what_was_kept_before_is_there_after_the_upgrade(engine, store_url):
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(migrate._SCRIPTS))
        command.upgrade(config, "0001")
    with engine.begin() as connection:
        assert migrate.revision(connection) == "0001" and not inspect(connection).has_table("call")
        row = {"day": date(2026, 1, 1), "service": "s", "decision": "d", "rule": "R", "version": "1.0.0"}
        connection.execute(tables.shown.insert(), {**row, "indicator": "info", "times": 7})
    store = Store(store_url)
    assert [(rule.rule, rule.shown, rule.at) for rule in store.report().rules] == [("R", 7, {})]
    store.count_call("s", "2.0.0", [("code", "other")])
    assert [day.times for day in store.report().not_understood] == [1]
    store.close()


def test_the_revision_of_the_code_is_the_last_of_the_scripts():
    config = Config()
    config.set_main_option("script_location", str(migrate._SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_a_failed_migration_leaves_nothing_behind(engine, monkeypatch):
    """A fault in the midst of it: the database is as before, and the next try succeeds."""
    from alembic import op

    made = op.create_index

    def fail(*arguments, **more):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(op, "create_index", fail)
    with pytest.raises(RuntimeError):
        migrate.bring_up_to_date(engine)
    with engine.connect() as connection:
        assert migrate.revision(connection) is None
    monkeypatch.setattr(op, "create_index", made)
    migrate.bring_up_to_date(engine)


def test_tables_of_newer_software_are_left_alone(engine, store_url):
    migrate.bring_up_to_date(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreDown, match="newer version"):
        migrate.bring_up_to_date(engine)
    store = Store(store_url)
    assert "9999" in store.problem
    with pytest.raises(StoreDown):
        store.add([])
    assert not store.reachable() and len(store.key) == 32  # hooks go on
    store.close()


def test_alembic_is_imported_only_when_there_is_something_to_do(store_url):
    code = (
        "import sys; from cds_service.store.store import Store; s = Store(sys.argv[1]); s.close();"
        "print('alembic' in sys.modules, s.problem)"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, store_url], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        for _ in range(2)
    ]
    assert outputs == ["True", "False"]


def test_threads_of_one_process_make_tables_at_the_same_time(tmp_path):
    """As the store and the used tokens do where their file was deleted."""
    started = threading.Barrier(4)

    def make(number):
        started.wait()
        migrate.make_tables(read_url(f"sqlite:///{tmp_path / f'{number}.sqlite3'}"))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(make, range(4))) == [None] * 4
