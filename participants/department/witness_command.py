"""`yurong department witness`: what this department saw of the log, and what its operator does about an alarm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from models.hosting.command.options import HERE, AsJson, HomeOption, show, show_rows
from models.hosting.command.trust import read_limited
from models.hosting.storage.files import private_directory, private_file
from participants.command.times import readable_time
from participants.department.settings import DepartmentSettings
from participants.home import Home

if TYPE_CHECKING:
    from models.hosting.storage.database import Database
    from participants.department.log.alarms import Alarm
    from participants.department.log.view import LogView

ALARMED: Final = 4
"""The exit code of `status` while an alarm is open, and of `compare` for a note that contradicts what was seen."""

Notes = Annotated[list[Path], typer.Argument(metavar="NOTE...", help="what `witness evidence` wrote")]
AlarmArgument = Annotated[int, typer.Argument(metavar="ALARM", help="the alarm, as `witness status` numbers it")]


class WitnessCommands:
    """The commands; `open_home` opens the department's home."""

    def __init__(self, open_home: Callable[[Path], Home]) -> None:
        self._open_home = open_home

    def add_to(self, app: typer.Typer) -> None:
        """Add the group to the department's commands."""
        group = typer.Typer(help="This department as a witness of the log: what it saw, and alarms.")
        group.command("status")(self.status)
        group.command("evidence")(self.evidence)
        group.command("compare")(self.compare)
        group.command("settle")(self.settle)
        app.add_typer(group, name="witness")

    def status(self, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Show how much of the log was seen, whom it is held against, and alarms. Exit code 4 while one is open."""
        from participants.department.log.status import witness_status

        found = witness_status(*self._view(home))
        facts = {
            "log": found.origin,
            "entries": found.size,
            "root": found.root.hex(),
            "cosigned": readable_time(found.cosigned_at),
            "quorum": found.quorum,
            "witnesses": found.witnesses,
            "clock_ahead_seconds": found.clock_ahead_seconds,
            "alarms": [_about(alarm) for alarm in found.alarms],
        }
        show(facts, as_json=as_json)
        if found.is_alarmed:
            raise typer.Exit(ALARMED)

    def evidence(
        self,
        alarm: AlarmArgument,
        *,
        out: Annotated[Path, typer.Option(help="the directory to write the notes into")],
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Write the signed notes that an alarm rests on, to show to others: what was seen, and what was shown."""
        from participants.department.database import open_database
        from participants.department.log.status import evidence_of_alarm

        found = evidence_of_alarm(open_database(self._open_home(home)), alarm)
        private_directory(out)
        facts = _about(found.alarm) | {"own_root": None if found.own_root is None else found.own_root.hex()}
        for name, note in {"seen": found.alarm.seen, "shown": found.alarm.shown}.items():
            facts[name] = None
            if note:
                path = out / f"alarm-{alarm}-{name}.note"
                private_file(path, note)
                facts[name] = str(path)
        show(facts, as_json=as_json)

    def compare(self, notes: Notes, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Hold notes that another department shows against what was seen here. Exit code 4 if one contradicts it."""
        from participants.department.log.status import Compared, compare

        view, database = self._view(home)
        found = {path: compare(view, database, read_limited(path)) for path in notes}
        rows = [
            {"note": str(path), "entries": state.size, "root": state.root.hex(), "here": said.value}
            for path, (state, said) in found.items()
        ]
        show_rows(rows, as_json=as_json, nothing="")
        if any(said is Compared.CONTRADICTS for _, said in found.values()):
            raise typer.Exit(ALARMED)

    def settle(self, alarm: AlarmArgument, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Say that you have looked at an alarm: what it stopped goes on. Of the clock: after you have set it right."""
        from crypto.identifiers import parse_participant_id
        from models.log.names import origin_of
        from participants.department.database import open_database
        from participants.department.log.status import settle_alarm

        opened = self._open_home(home)
        origin = origin_of(parse_participant_id(DepartmentSettings.read(home).bureau))
        now = int(opened.clock.now())
        settled = settle_alarm(open_database(opened), origin, alarm, now=now)
        show(_about(settled) | {"settled": readable_time(now)}, as_json=as_json)

    def _view(self, directory: Path) -> tuple[LogView, Database]:
        from participants.department.database import open_database
        from participants.department.evidence import Evidence

        opened = self._open_home(directory)
        database = open_database(opened)
        return Evidence.of_settings(opened, database, DepartmentSettings.read(directory)).view, database


def _about(alarm: Alarm) -> dict[str, Any]:
    from participants.department.log.status import checkpoint_in

    seen, shown = checkpoint_in(alarm.seen), checkpoint_in(alarm.shown)
    return {
        "alarm": alarm.alarm_id,
        "kind": alarm.kind.value,
        "raised": readable_time(alarm.raised_at),
        "settled": readable_time(alarm.settled_at),
        "seen_entries": None if seen is None else seen.size,
        "shown_entries": None if shown is None else shown.size,
        "shown_root": None if shown is None else shown.root.hex(),
    }
