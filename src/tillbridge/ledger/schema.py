"""The ledger's tables. Amounts are integers of minor units; moments are epoch milliseconds, UTC.

`*_boot_s` is CLOCK_BOOTTIME of the boot named beside it: waits are measured with it.
A change here needs a migration in `migrations/versions`; a test compares the two.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

# SQLite makes a column its row id, and so fast, only if it is declared INTEGER.
_Json = JSON(none_as_null=True)
_Id = BigInteger().with_variant(Integer(), "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

location = Table(
    "location",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("lightspeed_id", BigInteger, nullable=False, unique=True),
    Column("connecteam_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("cursor_ms", BigInteger),  # everything closed before it has been read at least once
    Column("earliest_ms", BigInteger),  # Lightspeed has nothing before it
    Column("last_read_ms", BigInteger),
    Column("last_posted_ms", BigInteger),
    Column("paused", Boolean, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("last_error_ms", BigInteger),
)

rescan = Table(
    "rescan",
    metadata,
    Column("location_id", ForeignKey("location.id"), primary_key=True),
    Column("name", Text, primary_key=True),  # as configured: "every 3600s back 43200s"
    Column("done_ms", BigInteger, nullable=False),
)

backfill = Table(
    "backfill",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("location_id", ForeignKey("location.id"), nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("cursor_ms", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False, server_default=text("0")),
    UniqueConstraint("location_id", "start_ms", "end_ms"),
)

sale = Table(
    "sale",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("location_id", ForeignKey("location.id"), nullable=False),
    Column("reference", Text, nullable=False),  # accountReference, else a key made of what there is
    Column("fisc_id", Text),
    Column("receipt_id", Text),
    Column("opened_ms", BigInteger),
    Column("closed_ms", BigInteger),
    Column("source_type", Text),
    Column("net", Text),  # exact decimals as they came, added up
    Column("tax", Text),
    Column("service_charge", Text),
    Column("digest", LargeBinary),
    Column("rules", Text, nullable=False),
    Column("connecteam_id", BigInteger),
    Column("sale_type", Text),
    Column("created_at", BigInteger),  # whole seconds: what Connecteam is told
    Column("amount", BigInteger),
    Column("tax_amount", BigInteger),
    Column("currency", Text),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("kept", _Json),  # of a quarantined sale: the fields that tillbridge reads, as they came
    Column("fence", BigInteger),
    Column("revision", Integer, nullable=False, server_default=text("0")),  # of the content
    Column("part_id", ForeignKey("part.id")),
    Column("transaction_id", Text),
    Column("seen_ms", BigInteger, nullable=False),
    UniqueConstraint("location_id", "reference"),
    CheckConstraint("state != 'waiting' OR amount IS NOT NULL", name="waiting_has_amount"),
    Index(
        "sale_waiting",
        "connecteam_id",
        "lane",
        "created_at",
        "id",
        sqlite_where=text("state = 'waiting'"),
    ),
    Index("sale_part", "part_id", sqlite_where=text("part_id IS NOT NULL")),
    Index(
        "sale_transaction",
        "transaction_id",
        unique=True,
        sqlite_where=text("transaction_id IS NOT NULL"),
    ),
    Index("sale_fisc", "location_id", "fisc_id"),
    Index("sale_closed", "location_id", "closed_ms"),
    Index(
        "sale_receipt",
        "location_id",
        "receipt_id",
        sqlite_where=text("receipt_id IS NOT NULL"),
    ),
    Index("sale_created", "connecteam_id", "created_at"),
    Index(
        "sale_attention",
        "state",
        "location_id",
        # OR and not IN: SQLite sees that one of the two implies the condition only this way.
        sqlite_where=text("state = 'quarantined' OR state = 'held'"),
    ),
)

correction = Table(
    # What a sale shall be, while what was sent of it has first to be taken back.
    "correction",
    metadata,
    Column("sale_id", ForeignKey("sale.id"), primary_key=True),
    # Of ledger.removals.Purpose: amended at Lightspeed, or asked for by a person.
    Column("purpose", Text, nullable=False, server_default=text("'correction'")),
    Column("record", _Json, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
)

tally = Table(
    # Counts by state, kept in the same commit as every change, so that a status costs nothing.
    "tally",
    metadata,
    Column("location_id", ForeignKey("location.id"), primary_key=True),
    Column("state", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    CheckConstraint("count >= 0", name="not_negative"),
)

batch = Table(
    "batch",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("row_count", Integer, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("request_id", Text),
    Column("reason", Text),
)

part = Table(
    "part",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("batch_id", ForeignKey("batch.id"), nullable=False),
    Column("connecteam_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("first_created", BigInteger, nullable=False),
    Column("last_created", BigInteger, nullable=False),
    Column("sale_ids", _Json, nullable=False),  # in the order in which they were sent
    Column("boot_id", Text, nullable=False),
    Column("started_boot_s", Float, nullable=False),
    Column("ended_boot_s", Float),  # when we stopped waiting for the answer
    Column("reason", Text),
    Column(
        "refusal", Boolean, nullable=False, server_default=text("0")
    ),  # a 4xx that proves nothing
    Column("person_reason", Text),
    # Of all parts: SQLite uses an index of some rows only for a query whose condition is the same,
    # and these are asked for in several combinations. There is one for every hundred sales.
    Index("part_state", "state", "connecteam_id"),
    Index("part_created", "connecteam_id", "first_created"),
    Index("part_newest", "connecteam_id", "id"),
    Index("part_batch", "batch_id"),
)

target = Table(
    # A Connecteam location: what its totals must show, and since when.
    "target",
    metadata,
    Column("connecteam_id", BigInteger, primary_key=True, autoincrement=False),
    Column("base_id", ForeignKey("reading.id")),
    Column(
        "base_part_id", BigInteger, nullable=False, server_default=text("0")
    ),  # newest part then
    Column("acknowledged", BigInteger, nullable=False, server_default=text("0")),
    Column("span_first", Text),  # UTC dates that writes since the base may have touched
    Column("span_last", Text),
    Column("boot_id", Text),  # of the two below
    Column("acked_boot_s", Float),  # last acknowledged write
    Column("deleted_boot_s", Float),  # last unanswered delete
    Column("stop", Text),  # the name of what keeps posting from going on, if anything does
    Column("stop_reason", Text),
    Column("stop_ms", BigInteger),
    Column("verdict", Text),  # what the last reading suggested, to be confirmed by another
    Column("verdict_boot_s", Float),
    Column("lag_worst_s", Float),  # longest seen from an answer to its showing in the totals
    Column("lag_count", Integer, nullable=False, server_default=text("0")),
    Column("lag_seen_ms", BigInteger),  # when a lag was last observed
    Column("day_zone", Text),  # the zone of Connecteam's day, where its totals have shown it
    Column("foreign_days", _Json),  # days on which somebody else was seen to have written
    Column("totals_differ", Boolean, nullable=False, server_default=text("0")),
    Column("foreign_amounts", _Json),  # {"2026-11-01": minor units} last found to be others'
)

business_day = Table(
    # Whether a business day is final: see reconcile.finality.
    "business_day",
    metadata,
    Column("location_id", ForeignKey("location.id"), primary_key=True),
    Column("day", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("begins_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),  # the real cut-off, as Lightspeed says
    Column("changed_ms", BigInteger, nullable=False),
)

repair = Table(
    # A wish to make a Connecteam location right again, carried out by the process that posts.
    "repair",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("connecteam_id", BigInteger, nullable=False),
    Column("first_day", Text, nullable=False),
    Column("last_day", Text, nullable=False),
    Column("by_person", Boolean, nullable=False),
    Column("state", Text, nullable=False),  # working | done | left
    Column("asked_ms", BigInteger, nullable=False),
    Column("rounds", Integer, nullable=False, server_default=text("0")),
    Column("tried", _Json),  # what was tried already, so that no round repeats one before
    Column("result", _Json),  # what was done, and what was left and why
    Index("repair_open", "connecteam_id", sqlite_where=text("state = 'working'")),
)

reading = Table(
    "reading",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("connecteam_id", BigInteger, nullable=False),
    Column("taken_ms", BigInteger, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("boot_s", Float, nullable=False),
    Column("first_day", Text, nullable=False),
    Column("last_day", Text, nullable=False),
    Column("totals", _Json, nullable=False),  # {"2026-11-01": minor units}
    Index("reading_target", "connecteam_id", "id"),
)

removal = Table(
    # A delete by id, or of a window: durable before it is sent, like a part.
    "removal",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("connecteam_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("sale_id", ForeignKey("sale.id")),
    Column("transaction_id", Text),
    Column("part_id", ForeignKey("part.id")),
    Column("start_s", BigInteger),  # of a window: the two seconds named in the request; no row
    Column("end_s", BigInteger),  # was ever attempted in them, so it does not matter if they count
    Column("total", BigInteger, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("started_boot_s", Float, nullable=False),
    Column("unanswered_boot_s", Float),  # when the last attempt without an answer was given up
    Column("acknowledged", Boolean, nullable=False, server_default=text("0")),
    Column("reason", Text),
    Index("removal_open", "connecteam_id", "state", sqlite_where=text("state != 'done'")),
)

quota = Table(
    "quota",
    metadata,
    Column("window", Text, primary_key=True),  # minute | day
    Column("limit", Integer),
    Column("remaining", Integer),
    Column("reset_ms", BigInteger, nullable=False),
    Column("spent", Integer, nullable=False),  # by this ledger's processes since the last reset
    Column("seen_ms", BigInteger),  # when a header was last seen
    Column("told_s", BigInteger),  # the end as Connecteam stamped it; null while it is a guess
    Column("others", Integer, nullable=False, server_default=text("0")),  # sent by other programs
    Column("pause_ms", BigInteger, nullable=False, server_default=text("0")),  # after a 429
    Column("refused", Integer, nullable=False, server_default=text("0")),  # 429s in a row
    Column("recent", _Json),  # [slice of time, requests] while the end is a guess
)

alarm = Table(
    # What people were told, and have to be reminded of; a row goes once its end has been told too.
    "alarm",
    metadata,
    Column("cause", Text, primary_key=True),
    Column("level", Text, nullable=False),  # warning | critical
    Column("sentence", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("raised_ms", BigInteger, nullable=False),
    Column("told_ms", BigInteger),  # when it was last handed to the messengers
    Column("told_count", Integer, nullable=False, server_default=text("0")),
    Column("gone_ms", BigInteger),  # the cause is gone; its end is still to be told
)

event = Table(
    "event",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("location_id", BigInteger),
    Column("connecteam_id", BigInteger),
    Column("sale_id", BigInteger),
    Column("batch_id", BigInteger),
    Column("part_id", BigInteger),
    Column("request_id", Text),
    Column("detail", _Json),
    Index("event_sale", "sale_id", sqlite_where=text("sale_id IS NOT NULL")),
    Index("event_part", "part_id", sqlite_where=text("part_id IS NOT NULL")),
)
