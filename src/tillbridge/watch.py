"""After each pass: what stands, who must be told of it, and the dead man's switch.

It compares what the passes raised with what the ledger knows, keeps the book of what people were
told (in memory, and in the ledger so that a restart neither forgets nor repeats), and hands
messages to the messenger. Nothing here may hurt the bridge: a full disk keeps the book in memory,
a dead mail server keeps messages due. Only the process that holds the posting lock watches.
"""

from collections.abc import Iterable

from tillbridge import announce
from tillbridge.alarms import Alarm, Alarms
from tillbridge.announce import Entry, Habits
from tillbridge.clock import Clock
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import alarmed
from tillbridge.ledger.store import Ledger
from tillbridge.log import get_logger
from tillbridge.messenger import Messenger
from tillbridge.ping import Ping

_log = get_logger("tillbridge.watch")

_FINDING = "health:"


class Watch:
    """Keeps the book of alarms.

    Args:
        ledger: where it is kept.
        alarms: what the passes raise; what the ledger still knows is added to it.
        messenger: takes messages to people.
        ping: the dead man's switch.
        habits: when people want to hear what.
        name: of the installation.
        clock: the wall clock decides what is due.
    """

    def __init__(
        self,
        ledger: Ledger,
        alarms: Alarms,
        messenger: Messenger,
        ping: Ping,
        habits: Habits,
        name: str,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._alarms = alarms
        self._messenger = messenger
        self._ping = ping
        self._habits = habits
        self._name = name
        self._clock = clock
        self._book: dict[str, Entry] = {}
        self._saved: dict[str, Entry] = {}

    def begin(self) -> None:
        """Read the book; with the lock held, because its holder writes it.

        Raises:
            TillbridgeError: the ledger cannot be read.
        """
        with self._ledger.view() as view:
            self._book = alarmed.load(view)
        self._saved = dict(self._book)
        self._alarms.recall(one.alarm for one in self._book.values() if one.gone is None)

    def after_pass(self, findings: Iterable[Alarm] | None = None, *, good: bool) -> None:
        """Bring the book up to date, and tell people what is due.

        Args:
            findings: what stands by the account of health; None where that is not known now.
            good: whether the pass read everything and nothing refused it.
        """
        try:
            self._take_stock(findings)
        except TillbridgeError as error:
            _log.debug("alarms_not_compared", reason=error.message)
        now = self._clock.now()
        book = announce.not_delivered(self._book, self._messenger.failed())
        self._book = announce.update(book, self._alarms.standing, now)
        self._tell()
        self._save()
        if good:
            self._ping.good_pass()

    def close(self, within_s: float) -> None:
        """Let what was handed over go out; remember what did not."""
        self._messenger.close(within_s)
        self._ping.close(min(1.0, within_s))
        self._book = announce.not_delivered(self._book, self._messenger.failed())
        self._save()

    def _take_stock(self, findings: Iterable[Alarm] | None) -> None:
        standing = frozenset(self._alarms.standing)
        with self._ledger.view() as view:
            facts = alarmed.facts(view, standing)
        for cause, (sentence, remedy) in facts.stand.items():
            # A pass says it better: it knows what it was about to do.
            if cause not in standing or cause.startswith("quarantined:"):
                self._alarms.raise_(cause, sentence, remedy)
        for cause in facts.gone:
            self._alarms.resolve(cause)
        if findings is None:
            return
        found = {f"{_FINDING}{alarm.cause}": alarm for alarm in findings}
        for cause, alarm in found.items():
            self._alarms.raise_(cause, alarm.sentence, alarm.remedy, alarm.level)
        for cause in standing:
            if cause.startswith(_FINDING) and cause not in found:
                self._alarms.resolve(cause)

    def _tell(self) -> None:
        now = self._clock.now()
        told = announce.due(self._book, self._habits, now)
        if not told:
            return
        if self._messenger.has_addresses:
            before = self._book
            self._book = announce.handed_over(self._book, told, now)
            self._save()  # written down before it is sent; see `announce.handed_over`
            if not self._messenger.offer(announce.compose(self._name, told, self._habits.zone)):
                self._book = before
        else:
            # Nobody to be told: the book still remembers what stands, and forgets what is over.
            self._book = announce.handed_over(self._book, told, now)

    def _save(self) -> None:
        if self._book == self._saved:
            return
        try:
            with self._ledger.commit() as commit:
                alarmed.save(commit, self._book)
        except TillbridgeError as error:
            _log.debug("alarms_not_saved", reason=error.message)
            return
        self._saved = dict(self._book)
