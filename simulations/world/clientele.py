"""Whom the banks serve, and what they know of their own.

An enterprise borrows from one bank at most. Banks differ in size and in whom they like: large firms or small ones, some
sectors. A bank knows who of its borrowers defaulted; its decoys are enterprises that it may score and has no loan with.
30 % of the borrowers, stratified by bank and label, are marked as held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto.identifiers import ParticipantId
from participants.records.contract import KEY_COLUMN, Category, DataContract, Item, ItemType, UpdateFrequency
from simulations.federation_data import BankData
from simulations.world.economy import Array, Economy, GroundTruth
from simulations.world.parameters import WorldParameters

HOLDOUT_SHARE: Final = 0.3
_NOBODY: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bank:
    participant_id: str
    title: str
    volume: float
    """Relative to the average bank."""
    size_taste: float
    """Above 0: likes large firms."""
    sectors: str
    """The sections that it likes."""


_BANKS: Final = (
    _Bank(
        participant_id="bank-of-jiangbei", title="Bank of Jiangbei 江北银行", volume=1.3, size_taste=0.9, sectors="CEK"
    ),
    _Bank(
        participant_id="yuzhong-commercial-bank",
        title="Yuzhong Commercial Bank 渝中商业银行",
        volume=1.0,
        size_taste=0.1,
        sectors="FILM",
    ),
    _Bank(
        participant_id="jialing-rural-bank",
        title="Jialing Rural Bank 嘉陵农商银行",
        volume=0.7,
        size_taste=-0.9,
        sectors="AHFO",
    ),
    _Bank(
        participant_id="liangjiang-bank", title="Liangjiang Bank 两江银行", volume=1.1, size_taste=0.5, sectors="CGI"
    ),
    _Bank(participant_id="wujiang-bank", title="Wujiang Bank 乌江银行", volume=0.8, size_taste=-0.4, sectors="AEG"),
    _Bank(participant_id="nanshan-bank", title="Nanshan Bank 南山银行", volume=0.9, size_taste=0.0, sectors="HOR"),
    _Bank(
        participant_id="shapingba-tech-bank",
        title="Shapingba Tech Bank 沙坪坝科技银行",
        volume=0.6,
        size_taste=-0.2,
        sectors="IM",
    ),
    _Bank(
        participant_id="three-gorges-trust",
        title="Three Gorges Trust 三峡信托",
        volume=1.2,
        size_taste=1.1,
        sectors="EK",
    ),
    _Bank(
        participant_id="fuling-village-bank",
        title="Fuling Village Bank 涪陵村镇银行",
        volume=0.5,
        size_taste=-1.1,
        sectors="AF",
    ),
    _Bank(participant_id="wanzhou-bank", title="Wanzhou Bank 万州银行", volume=0.9, size_taste=-0.1, sectors="CFG"),
    _Bank(
        participant_id="jinfo-microfinance",
        title="Jinfo Microfinance 金佛小额",
        volume=0.6,
        size_taste=-1.3,
        sectors="FHO",
    ),
    _Bank(
        participant_id="banan-commercial-bank",
        title="Banan Commercial Bank 巴南商业银行",
        volume=1.0,
        size_taste=0.3,
        sectors="CFL",
    ),
)


def _own(name: str, title: str, unit: str, kind: ItemType = ItemType.NUMBER) -> Item:
    return Item(
        name=name,
        title=title,
        type=kind,
        unit=unit,
        update_frequency=UpdateFrequency.DAILY,
        minimum=0.0,
        feature=True,
    )


_ITEMS: Final = (
    _own("loan_amount", "Loan 贷款金额", "CNY 10k"),
    _own("account_turnover_12m", "Account turnover, last 12 months 近12个月账户流水", "CNY 10k"),
    _own("average_balance_3m", "Average balance, last 3 months 近3个月日均余额", "CNY 10k"),
    _own("overdrafts_12m", "Overdrafts, last 12 months 近12个月透支次数", "times", ItemType.INTEGER),
    _own("months_as_customer", "Months as a customer 客户关系月数", "months", ItemType.INTEGER),
)


def bank_books(parameters: WorldParameters, economy: Economy, truth: GroundTruth) -> tuple[BankData, ...]:
    """Return every bank's contract and book."""
    banks = _BANKS[: parameters.banks]
    lender = _lenders(parameters, economy, banks)
    held_out = _held_out(parameters, lender, truth.default)
    own = _own_features(parameters, economy)
    books = []
    for index, bank in enumerate(banks):
        rng = parameters.generator(f"{bank.participant_id}/book")
        borrowers = np.flatnonzero(lender == index)
        others = np.flatnonzero(lender != index)
        decoys = rng.choice(
            others, size=min(others.size, round(parameters.decoy_share * borrowers.size)), replace=False
        )
        rows = rng.permutation(np.concatenate([borrowers, decoys]))
        mine = lender[rows] == index
        default = pl.Series("default", truth.default[rows].astype(np.int8)).set(pl.Series(~mine), None)
        table = pl.DataFrame(
            [
                pl.Series(KEY_COLUMN, [economy.enterprise_ids[row] for row in rows.tolist()]),
                default,
                pl.Series("weight", mine.astype(np.float64)),
                pl.Series("holdout", (held_out[rows] & mine).astype(np.int8)),
                *(column.gather(rows) for column in own),
            ]
        )
        identifier = ParticipantId(bank.participant_id)
        contract = DataContract(
            holder=identifier,
            title=bank.title,
            categories=(Category(name="own_records", title="The bank's own records 本行数据", items=_ITEMS),),
        )
        books.append(BankData(participant_id=identifier, title=bank.title, contract=contract, table=table))
    return tuple(books)


def _lenders(parameters: WorldParameters, economy: Economy, banks: Sequence[_Bank]) -> npt.NDArray[np.int64]:
    """Return for each enterprise the number of the bank that it borrows from, or -1: (enterprises,)."""
    rng = parameters.generator("lenders")
    volumes = np.array([bank.volume for bank in banks])
    places = np.floor(volumes / volumes.sum() * len(banks) * parameters.borrowers_per_bank).astype(np.int64)
    lender = np.full(parameters.enterprises, _NOBODY)
    # Each bank chooses in turn a tenth of what it wants, so that no bank is left with what the others did not like.
    liking = np.stack([_liking(bank, economy, rng) for bank in banks])
    for _ in range(10):
        for index in rng.permutation(len(banks)).tolist():
            free = np.flatnonzero(lender == _NOBODY)
            wanted = places[index] // 10
            chosen = free[np.argsort(-liking[index, free], kind="stable")[:wanted]]
            lender[chosen] = index
    return lender


def _liking(bank: _Bank, economy: Economy, rng: np.random.Generator) -> Array:
    liked = np.isin(economy.sector, list(bank.sectors))
    liking: Array = bank.size_taste * economy.constant["size"] + 0.8 * liked + rng.gumbel(size=liked.size)
    return liking


def _held_out(
    parameters: WorldParameters, lender: npt.NDArray[np.int64], default: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    rng = parameters.generator("holdout")
    held_out = np.zeros(lender.size, dtype=np.bool_)
    for bank in range(parameters.banks):
        for label in (False, True):
            group = rng.permutation(np.flatnonzero((lender == bank) & (default == label)))
            held_out[group[: round(HOLDOUT_SHARE * group.size)]] = True
    return held_out


def _own_features(parameters: WorldParameters, economy: Economy) -> list[pl.Series]:
    """Return what a bank would know of each enterprise if that were its customer, one series an item."""
    now = economy.factors(parameters.month)
    rng = parameters.generator("bank features", parameters.month)
    noise = rng.standard_normal((5, parameters.enterprises))
    turnover = 0.75 * now["size"] + 0.2 * now["growth"] + 0.6 * noise[1]
    balance = 0.45 * now["size"] + 0.4 * now["liquidity"] + 0.75 * noise[2]
    overdrafts = rng.poisson(np.exp(-1.1 - 0.45 * now["liquidity"] - 0.2 * now["discipline"] + 0.85 * noise[3]))
    months = np.exp(3.2 + 0.35 * now["age"] + 0.6 * noise[4]).astype(np.int64) + parameters.month
    columns = {
        "loan_amount": np.round(np.exp(4.2 + 0.7 * now["size"] + 0.6 * noise[0]), 1),
        "account_turnover_12m": np.round(np.exp(5.8 + 1.4 * turnover), 1),
        "average_balance_3m": np.round(np.exp(2.8 + 1.2 * balance), 2),
        "overdrafts_12m": overdrafts.astype(np.int64),
        "months_as_customer": months,
    }
    gaps = rng.random(parameters.enterprises) < 0.04
    series = [pl.Series(name, values) for name, values in columns.items()]
    return [one.set(pl.Series(gaps), None) if one.name == "average_balance_3m" else one for one in series]
