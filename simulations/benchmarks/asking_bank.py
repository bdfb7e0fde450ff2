"""A bank at work: a process of its own that asks for scores with the bank's library and says how long they took.

    python -m simulations.benchmarks.asking_bank HOME IDS              one after the other
    python -m simulations.benchmarks.asking_bank HOME IDS --rate 15    so many a second, answered or not

HOME is the bank's home, IDS a file with one enterprise id a line, none of which is asked about twice. Prints one JSON
object. The time of the bank's own cryptography is measured where it is done, in the course of a score; its processor
time is that of asking, without the start of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from crypto.errors import YurongError
from crypto.identifiers import RequestId
from models.hosting.https.door import WayOut
from models.wire.online import Offer, ScoreAnswer
from participants.bank.asking import Asker
from participants.bank.client import AsyncBankClient, the_bureau, the_only_model
from participants.bank.consent_desk import ConsentDesk
from participants.bank.consents import ConsentBook, ConsentUse
from participants.bank.database import open_database
from participants.bank.receipts import ReceiptStore
from participants.bank.score_request import OpenRequest, Score, ScoreClient
from participants.bank.score_store import ScoreStore
from participants.bank.settings import relying_party_of
from participants.home import Home

_AT_ONCE: Final = 32


class TimedScoreClient(ScoreClient):
    """A `ScoreClient` that knows how long it computed. `seconds`: in all, of sealing, signing and opening."""

    seconds: float = 0.0

    def request(self, use: ConsentUse, offer: Offer, request_id: RequestId) -> OpenRequest:
        """As `ScoreClient.request`."""
        began = time.perf_counter()
        asked = super().request(use, offer, request_id)
        self.seconds += time.perf_counter() - began
        return asked

    def open(self, asked: OpenRequest, answer: ScoreAnswer) -> Score:
        """As `ScoreClient.open`."""
        began = time.perf_counter()
        score = super().open(asked, answer)
        self.seconds += time.perf_counter() - began
        return score


class AskingBank:
    """One bank, and what came of its requests. `missing` counts departments that did not answer, over all scores."""

    def __init__(self, home: Home) -> None:
        self.timed = TimedScoreClient(home, the_only_model(home), clock=home.clock)
        database, bureau = open_database(home), WayOut(home).peer(the_bureau(home))
        receipts, book = ReceiptStore(database), ConsentBook(home, database, relying_party_of(home))
        asker = Asker(self.timed, ScoreStore(database), bureau, consents=book, receipts=receipts, clock=home.clock)
        desk = ConsentDesk(home, book, receipts, bureau)
        self._client = AsyncBankClient(asker, home, desk=desk, at_once=_AT_ONCE)
        self.milliseconds: list[float] = []
        self.errors: Counter[str] = Counter()
        self.missing = 0

    async def ask(self, enterprise_id: str) -> None:
        """One score."""
        began = time.perf_counter()
        try:
            score = await self._client.score(enterprise_id)
        except YurongError as error:
            self.errors[type(error).__name__] += 1
            return
        self.milliseconds.append(1e3 * (time.perf_counter() - began))
        self.missing += len(score.missing)

    async def one_by_one(self, ids: Sequence[str]) -> dict[str, Any]:
        """Ask, wait, ask again."""
        for enterprise_id in ids:
            await self.ask(enterprise_id)
        return self._figures() | {"cryptography_ms": 1e3 * self.timed.seconds / max(1, len(self.milliseconds))}

    async def at_a_rate(self, ids: Sequence[str], rate: float) -> dict[str, Any]:
        """Ask at fixed times, whatever became of those before."""
        began = time.perf_counter()
        asked = []
        for number, enterprise_id in enumerate(ids):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            asked.append(asyncio.create_task(self.ask(enterprise_id)))
        await asyncio.gather(*asked)
        return self._figures() | {"seconds": time.perf_counter() - began}

    def _figures(self) -> dict[str, Any]:
        return {"milliseconds": self.milliseconds, "errors": dict(self.errors), "missing": self.missing}


def main() -> None:
    """Ask as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("ids", type=Path)
    parser.add_argument("--rate", type=float, default=0.0)
    arguments = parser.parse_args()
    ids = arguments.ids.read_text(encoding="ascii").split()

    async def ask() -> dict[str, Any]:
        bank = AskingBank(Home.open(arguments.home))
        began = time.process_time()
        figures = await (bank.at_a_rate(ids, arguments.rate) if arguments.rate else bank.one_by_one(ids))
        return figures | {"processor_seconds": time.process_time() - began}

    print(json.dumps(uvloop.run(ask())))  # noqa: T201 - to the process that asked


if __name__ == "__main__":
    main()
