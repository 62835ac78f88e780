"""The engine of many machines: Apache Spark has pieces of files read, and the lines of each patient judged together.

The same reading, the same sieve, the same SQL and the same judging as on one machine; Spark only moves the lines. In a
notebook of a platform, whose session is there already, ``judged_by_spark`` makes rows of lines that Spark has read.

Effects: starts Spark if no session is there. Spark puts what it has read aside on the disks of its executors.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial, reduce
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyspark
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.storagelevel import StorageLevel

from cds_service.chart.bearing import Bearing
from cds_service.content.load import load_pack
from cds_service.content.prepared import Prepared
from cds_service.population.chunks import as_stream, batches_of
from cds_service.population.export_files import Export, ExportError, ExportFile, FilePiece, lines_of
from cds_service.population.joins import (
    LATEST,
    LATEST_OF_ONE_VERSION,
    LINES_TO_JUDGE,
    OTHER_VERSIONS,
    REFERRED,
    REPEATED,
    VERSIONS,
    WHOLE_LISTS,
    WRONG_LINES,
)
from cds_service.population.judging import Task, judge
from cds_service.population.line_problems import LineCounts, of_pieces
from cds_service.population.named_encounters import NamedEncounters
from cds_service.population.one_version import one_of_each
from cds_service.population.rows import problem_row
from cds_service.population.run_engine import EngineError, Tell
from cds_service.population.run_tables import JUDGED
from cds_service.population.selection import Selection
from cds_service.population.sieve import SIFTED, Sieve
from cds_service.population.sifting import in_turn, known_medications

# What was counted in a piece of a file is a row among the lines that were kept of it, so that it is counted once,
# however often Spark reads the piece.
_SIFTED = pa.schema([*SIFTED, ("counts", pa.binary())])
_STREAMS = pa.schema([("stream", pa.binary())])
_ROWS = 4096  # of one batch that is handed to Python
_PARTITIONS_OF_A_JOIN = "32"  # on one machine, where the 200 that Spark makes cost more than they help
_LINES_OF_PARTITION = 32_768  # what one task judges
# Most of what Java does for minutes of work is to compile itself; its better compiler does not earn what it costs. No
# more do collectors that work beside the program, where all cores are used.
_JAVA_FOR_MINUTES = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_LOOPBACK = "127.0.0.1"
_TABLE = re.compile(r"\b(FROM|JOIN) ([a-z]+)\b")  # where a query of ``joins`` names one
_CONDITION = re.compile(r"\[([A-Z_.]+)\]")  # how messages of Spark begin
_Work = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class Spark:
    """A session of Spark, that of the notebook or else one of our own at ``master``, such as ``local[2]`` or
    ``spark://host:7077``. ``memory``, such as ``2GB``, is what each of its Java processes may use.

    The settings of a cluster are Spark's own, in ``spark-defaults.conf``. Executors need the files of the export at the
    same place, this package, and the Python that ``PYSPARK_PYTHON`` names.
    """

    master: str = "local[*]"
    memory: str = "2GB"

    def told(self) -> dict[str, Any]:
        """What ``run.json`` says of it."""
        return {"name": "spark", "version": pyspark.__version__, "master": self.master, "memory": self.memory}

    def judged(
        self, export: Export, selection: Selection, task: Task, aside: Path, counts: LineCounts, tell: Tell
    ) -> Iterator[pa.RecordBatch]:
        """As every engine (``run_engine.Engine``).

        Raises:
            ExportError: a file cannot be read.
            EngineError: Spark did not start, or failed.
        """
        pieces = export.pieces()
        known = selection.knowing(known_medications(pieces))
        with _errors_told(), self._session(aside) as spark, ExitStack() as stack:
            keep = partial(_kept_until_the_end, stack)
            parts = []
            for some in filter(None, in_turn(pieces)):
                parts.append(keep(_read(spark, some, known)))
                read, encounters = _counted(parts[-1])
                counts.add(read)
                known = known.naming(encounters)
            tell(f"read {counts.lines:,} resources")
            tables = _Tables.of(reduce(DataFrame.unionAll, parts), keep)
            counts.problems.update(tables.wrong_lines())
            pickled = pickle.dumps(task.of_export(counts.types))
            streams = keep(_mapped(tables.by_patient(counts), partial(_as_streams, pickled), _STREAMS))
            streams.count()  # all partitions at once; below, they are fetched one after another
            for row in streams.toLocalIterator():
                yield from batches_of(bytes(row.stream))

    @property
    def _is_local(self) -> bool:
        return self.master.startswith("local")

    @contextmanager
    def _session(self, aside: Path) -> Iterator[SparkSession]:
        """The session that is there, or else one of our own until the end of the block."""
        session = SparkSession.getActiveSession()
        if session is not None:
            yield session
            return
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if self._is_local:
            os.environ.setdefault("SPARK_LOCAL_IP", _LOOPBACK)
        builder = SparkSession.builder.appName("cds-service population").master(self.master)
        for name, value in self._settings(aside).items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        try:
            yield session
        finally:
            session.stop()

    def _settings(self, aside: Path) -> dict[str, str]:
        memory = self.memory.lower().removesuffix("b")  # 2g, as Java writes it
        settings = {
            "spark.log.level": "ERROR",
            "spark.sql.execution.arrow.maxRecordsPerBatch": str(_ROWS),
            "spark.sql.inMemoryColumnarStorage.compressed": "false",  # what goes to disk is compressed there
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        if not self._is_local:
            return settings | {"spark.executor.memory": memory}
        return settings | {
            "spark.driver.bindAddress": _LOOPBACK,
            "spark.driver.host": _LOOPBACK,
            "spark.driver.memory": memory,
            "spark.driver.defaultJavaOptions": _JAVA_FOR_MINUTES,
            "spark.local.dir": str(aside),
            "spark.sql.shuffle.partitions": _PARTITIONS_OF_A_JOIN,
        }


def task_of(
    content: Path | str, *, hooks: Iterable[str], since: datetime, until: datetime, zone: str, key: bytes
) -> Task:
    """What to judge lines by: the content of a folder, on the orders written from ``since`` on and before ``until``.

    ``zone`` is the time zone of the hospital, such as ``Europe/Berlin``; ``key`` makes the hashes of patients.

    Raises:
        ProblemsError: the content cannot be used; every problem with file and line.
        ValueError: a hook that there is not, or a date without a time zone.
    """
    prepared = Prepared.of(load_pack(Path(content)), zone=ZoneInfo(zone), key=key)
    return Task({"content": prepared}, tuple(hooks), since, until, key)


def judged_by_spark(lines: DataFrame, task: Task) -> DataFrame:
    """Rows of the schema ``run_tables.JUDGED``, one an event, for lines of NDJSON in a column ``value``::

        from cds_service.population.spark import judged_by_spark, task_of
        task = task_of(content, hooks=["order-sign"], since=since, until=until, zone="Europe/Berlin", key=key)
        judged_by_spark(spark.read.text("abfss://export@lake/*.ndjson.gz"), task).write.parquet(out)

    The lines are read at once and kept on the disks of the executors; they are judged when the rows are used. Rows
    without a hook tell what is wrong with lines, by kind of problem and type. Of types that no line has it is not known
    whether a patient has any, unless ``task.exported`` says otherwise.
    """
    spark = lines.sparkSession
    selection = pickle.dumps(Selection(list(task.contents.values())))
    as_bytes = lines.select(F.col("value").cast("binary"))
    sifted = _kept(_mapped(as_bytes, partial(_lines_through_sieve, selection), _SIFTED))
    (counts, _), tables = _counted(sifted), _Tables.of(sifted, _kept)
    problems = counts.problems + tables.wrong_lines()
    wrong = pa.Table.from_pylist([problem_row(None, problems)] if problems else [], schema=JUDGED)
    pickled = pickle.dumps(task.of_export(counts.types))
    rows = _mapped(tables.by_patient(counts), partial(_as_rows, pickled), JUDGED)
    return rows.unionAll(spark.createDataFrame(wrong, rows.schema))


def _read(spark: SparkSession, pieces: list[FilePiece], selection: Selection) -> DataFrame:
    """What is kept of the pieces of an export, each of which is read by one task.

    Python reads them, as on one machine: lines that Spark read would be handed to Python one by one, nine of ten of
    them only to be dropped.
    """
    numbers = spark.range(0, len(pieces), 1, len(pieces))
    return _mapped(numbers, partial(_pieces_through_sieves, pickle.dumps((selection, pieces))), _SIFTED)


def _counted(sifted: DataFrame) -> tuple[LineCounts, NamedEncounters]:
    """What the sieves have counted, in all pieces, and the encounters in which orders were written.

    Raises:
        ExportError: a file cannot be read.
    """
    rows = sifted.where("counts IS NOT NULL").select("counts").collect()
    pieces = [pickle.loads(row.counts) for row in rows]  # noqa: S301  (our own workers)
    for piece in pieces:
        if isinstance(piece, ExportError):
            raise piece
    encounters = NamedEncounters()
    for _, _, _, named in pieces:
        encounters.add_all(named)
    return of_pieces((file, counts) for _, file, counts, _ in sorted(pieces, key=itemgetter(0))), encounters


class _Tables(NamedTuple):
    """What ``LINES_TO_JUDGE`` reads, and rows of problems, each with the type and how often. Only that query needs the
    texts, which are most of what is kept; the others read keys, the same without them.
    """

    latest: DataFrame
    whole: DataFrame
    referred: DataFrame
    problems: tuple[DataFrame, ...]

    @classmethod
    def of(cls, sifted: DataFrame, keep: Callable[[DataFrame], DataFrame]) -> _Tables:
        """The tables that are made of what the sieves have kept."""

        def made(query: str, **tables: DataFrame) -> DataFrame:
            """A table that is made at once: where Spark knows it to be small, the lines are joined where they are."""
            table = keep(_asked(query, **tables))
            table.count()
            return table

        rows = sifted.where("counts IS NULL")
        every_key = rows.drop("line")
        repeated = made(REPEATED, sifted=every_key)
        versions = None if repeated.isEmpty() else made(VERSIONS, sifted=every_key, repeated=repeated)
        if versions is None:
            latest = _asked(LATEST_OF_ONE_VERSION, sifted=rows)
        else:
            latest = _asked(LATEST, sifted=rows, versions=versions)
        keys = latest.drop("line")
        whole = made(WHOLE_LISTS, latest=keys)
        referred = made(REFERRED, latest=keys, whole=whole)
        queries = [_asked(WRONG_LINES, latest=keys, referred=referred)]
        if versions is not None:
            queries.append(_asked(OTHER_VERSIONS, sifted=every_key, versions=versions, referred=referred))
        return cls(latest, whole, referred, tuple(queries))

    def wrong_lines(self) -> Counter[tuple[str, str]]:
        """How many lines something is wrong with, by problem and type."""
        rows = [row for frame in self.problems for row in frame.collect()]
        return Counter({(row.problem, row.type): row.times for row in rows})

    def by_patient(self, counts: LineCounts) -> DataFrame:
        """The lines to judge, those of one patient one after another in one partition.

        Spark would make as many partitions as it is set to, which may be far too many or too few.
        """
        lines = sum(times for (_, bearing), times in counts.kept.items() if bearing > Bearing.ELSEWHERE)
        frame = _asked(LINES_TO_JUDGE, latest=self.latest, whole=self.whole, referred=self.referred)
        partitions = frame.repartition(1 + lines // _LINES_OF_PARTITION, "patient")
        return partitions.sortWithinPartitions("patient", "type", "id")


def _asked(query: str, **tables: DataFrame) -> DataFrame:
    """The answer to a query of ``joins``, which reads the tables by their names.

    Spark takes the names away after the query, and with them what it has kept of the frames that had them. So the names
    are given to frames that are equal, and not the same.
    """
    named = _TABLE.sub(r"\1 {\2} AS \2", query)
    frames = {name: table.where(F.lit(True)) for name, table in tables.items()}
    return next(iter(frames.values())).sparkSession.sql(named, **frames)


def _mapped(frame: DataFrame, work: _Work, schema: pa.Schema) -> DataFrame:
    return frame.mapInArrow(work, from_arrow_schema(schema))


def _kept(frame: DataFrame) -> DataFrame:
    """A frame that is made once, and kept on the disks of the executors."""
    return frame.persist(StorageLevel.DISK_ONLY)


def _kept_until_the_end(stack: ExitStack, frame: DataFrame) -> DataFrame:
    kept = _kept(frame)
    stack.callback(kept.unpersist)
    return kept


@contextmanager
def _errors_told() -> Iterator[None]:
    """Tells what went wrong in Spark in a sentence: its own are pages long, and may quote what was read."""
    try:
        yield
    except PySparkException as error:
        raise EngineError(f"Spark failed: {error.getCondition() or type(error).__name__}") from None
    except Py4JError as error:
        java = getattr(error, "java_exception", None)
        words = str(java.getMessage()) if java is not None else ""
        condition = _CONDITION.match(words)
        told = condition[1] if condition else java.getClass().getSimpleName() if java is not None else "it ended"
        raise EngineError(f"Spark failed: {told}") from None


# Below is what Python processes of the executors do. They are given the contents pickled, and are kept by Spark
# (spark.python.worker.reuse), so each unpickles them once.


@lru_cache(maxsize=2)
def _unpickled(pickled: bytes) -> Any:
    return pickle.loads(pickled)  # noqa: S301  (from the process that runs Spark)


@contextmanager
def _only_types_of_errors_told() -> Iterator[None]:
    """Spark writes errors of Python into its logs, and their words may be a patient's."""
    try:
        yield
    except Exception as error:
        raise RuntimeError(f"a fault of this software: {type(error).__name__}") from None


def _pieces_through_sieves(selection_and_pieces: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What is kept of the lines of pieces, whose numbers are given. A file that cannot be read is told as a row: Spark
    would try again and again, and then tell it in pages.
    """
    with _only_types_of_errors_told():
        selection, pieces = _unpickled(selection_and_pieces)
        for number in _column("id", batches):
            piece: FilePiece = pieces[number]
            try:
                yield from _through_sieve(Sieve(selection, piece.file.path), lines_of(piece), piece)
            except ExportError as error:
                yield _counts_row(ExportError(str(error)))


def _lines_through_sieve(selection: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What is kept of lines, of which nobody tells where they stand."""
    with _only_types_of_errors_told():
        piece = FilePiece(0, ExportFile(Path(), 0))
        yield from _through_sieve(Sieve(_unpickled(selection), piece.file.path), _column("value", batches), piece)


def _through_sieve(sieve: Sieve, lines: Iterable[bytes], piece: FilePiece) -> Iterator[pa.RecordBatch]:
    """What a sieve keeps of the lines of a piece, and after it what it has counted."""
    for batch in sieve.batches(lines):
        columns = [*batch.columns, pa.nulls(batch.num_rows, pa.binary())]
        yield pa.RecordBatch.from_arrays(columns, schema=_SIFTED)
    yield _counts_row((piece.number, piece.file.path, sieve.counts, sieve.encounters))


def _counts_row(counts: object) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"counts": pickle.dumps(counts)}], schema=_SIFTED)


def _column(name: str, batches: Iterable[pa.RecordBatch]) -> Iterator[Any]:
    for batch in batches:
        yield from batch[name].to_pylist()


def _as_rows(task: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What judging makes of lines that are sorted by patient, and how many were left out because they repeat others."""
    problems: Counter[tuple[str, str]] = Counter()
    with _only_types_of_errors_told():
        yield from judge(_unpickled(task), one_of_each(batches, problems))
    if left_out := +problems:  # without those that were met no time
        yield pa.RecordBatch.from_pylist([problem_row(None, left_out)], schema=JUDGED)


def _as_streams(task: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows as streams of Arrow, which reach the tables of a run as they are."""
    for batch in _as_rows(task, batches):
        yield pa.RecordBatch.from_pylist([{"stream": as_stream([batch])}], schema=_STREAMS)
