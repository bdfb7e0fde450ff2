"""`yurong enterprise`: what an enterprise does in its browser, typed, until there is the portal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from crypto.identifiers import parse_consent_id, parse_participant_id
from crypto.passkeys import RelyingParty
from models.enterprise_id import parse_enterprise_id
from models.hosting.clock import SystemClock
from models.hosting.command.options import HERE, AsJson, show, show_rows
from models.wire.consent import Computation, Purpose, ReasonsOpenedBy, SignatoryRole
from models.wire.consent_change import Reason, What
from simulations.command.verify import Keys, LogKey, Quorum, WitnessKey, limited, readable_time, trusted

if TYPE_CHECKING:
    from simulations.enterprise.home import EnterpriseHome, KeptConsent
    from simulations.enterprise.uses import Use

_DAY: Final = 86_400
_MAXIMUM_BINDING_BYTES: Final = 1 << 14
_MAXIMUM_BOXES_BYTES: Final = 1 << 18
_MAXIMUM_MANIFEST_BYTES: Final = 1 << 24

app = typer.Typer(
    help="An enterprise: register its passkey, consent, change its mind, see every use.", no_args_is_help=True
)

HomeOption = Annotated[
    Path, typer.Option("--home", help="where passkey and consents are kept", show_default="the present directory")
]
OutOption = Annotated[Path | None, typer.Option(help="write it to this file", show_default=False)]
ConsentArgument = Annotated[str, typer.Argument(help="the consent, as `consents` names it")]
ReasonOption = Annotated[Reason, typer.Option(help="why: a code that everybody may read")]
Origins = Annotated[list[str], typer.Option("--origin", help="a page of the portal; several")]
Departments = Annotated[list[str], typer.Option("--department", help="whose data count; three at least")]
OpenedBy = Annotated[ReasonsOpenedBy | None, typer.Option(help="who opens the reasons of a score")]
AtMost = Annotated[int | None, typer.Option(min=1, show_default="all that the fair-use rule allows")]


@app.command()
def register(
    enterprise_id: Annotated[str, typer.Argument(metavar="ID", help="unified social credit code")],
    *,
    registrar: Annotated[str, typer.Option(help="the department that looks who you are")],
    name: Annotated[str, typer.Option(help="who signs for the enterprise")] = "王小明",
    role: Annotated[SignatoryRole, typer.Option(help="what lets you sign")] = SignatoryRole.LEGAL_REPRESENTATIVE,
    domain: Annotated[str, typer.Option(help="the portal's domain")] = "localhost",
    origin: Origins = ["http://localhost"],  # noqa: B006 - typer copies it
    out: OutOption = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a passkey, and write what the registrar is to sign. Said again, it makes another request for the same."""
    from simulations.enterprise.errors import DirectoryUnusable
    from simulations.enterprise.home import EnterpriseHome
    from simulations.enterprise.signatory import Signatory

    enterprise = parse_enterprise_id(enterprise_id)
    if EnterpriseHome.exists(home):
        opened = EnterpriseHome.open(home)
        if opened.signatory.enterprise_id != enterprise:
            raise DirectoryUnusable(f"{home} is another enterprise's", advice="name another one with --home")
    else:
        party = RelyingParty(relying_party_id=domain, origins=tuple(origin))
        opened = EnterpriseHome.create(home, Signatory.create(enterprise, party, name=name, role=role))
    request = opened.signatory.binding_request(parse_participant_id(registrar), at=_now())
    path = _write(out or home / "registration", request.encode())
    show(
        {
            "registration": path,
            "for": registrar,
            "name": opened.signatory.name,
            "role": opened.signatory.role.value,
            "passkey": opened.signatory.passkey.credential_id.hex(),
        },
        as_json=as_json,
    )


@app.command()
def registered(
    file: Annotated[Path, typer.Argument(help="what the registrar wrote")], *, home: HomeOption = HERE
) -> None:
    """Keep what the registrar made of the registration: from now on consents can be given."""
    _open(home).keep_binding(limited(file, _MAXIMUM_BINDING_BYTES))
    typer.echo("the passkey is registered")


@app.command()
def consent(
    *,
    bank: Annotated[str, typer.Option(help="who may ask")],
    department: Departments,
    purpose: Annotated[Purpose, typer.Option(help="what the answer is wanted for")] = Purpose.APPLICATION,
    computation: Annotated[Computation, typer.Option(help="what may be computed")] = Computation.SCORE,
    reasons_opened_by: OpenedBy = None,
    days: AtMost = None,
    uses: AtMost = None,
    uses_a_month: AtMost = None,
    keep_days: AtMost = None,
    following: Annotated[str | None, typer.Option(help="the consent whose place it takes", show_default=False)] = None,
    out: OutOption = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Consent to what a bank may ask, and write it to a file for that bank. It is a secret of yours and the bank's."""
    from simulations.enterprise.signatory import Bounds

    opened = _open(home)
    bounds = Bounds(
        valid_for_seconds=None if days is None else days * _DAY,
        maximum_uses=uses,
        uses_a_month=uses_a_month,
        result_life_days=keep_days,
    )
    bundle = opened.signatory.consent(
        parse_participant_id(bank),
        map(parse_participant_id, department),
        created_at=_now(),
        purpose=purpose,
        computation=computation,
        reasons_opened_by=reasons_opened_by,
        bounds=bounds,
        following=None if following is None else opened.consent(parse_consent_id(following)).consent,
    )
    opened.keep_within_rules(bundle)
    given = bundle.claimed()
    path = _write(out or home / f"{given.consent_id}.consent", bundle.encode())
    show(_about(opened.consent(given.consent_id)) | {"file": path}, as_json=as_json)


@app.command()
def consents(*, home: HomeOption = HERE, as_json: AsJson = False) -> None:
    """Show what was consented to, and in which state it is if all changes are in the log."""
    rows = [_about(one) for one in _open(home).consents()]
    show_rows(rows, as_json=as_json, nothing="nothing was consented to yet")


class _Change:
    """A command that changes a consent."""

    def __init__(self, what: What) -> None:
        self._what = what

    def __call__(
        self,
        consent_id: ConsentArgument,
        *,
        reason: ReasonOption = Reason.OTHER,
        out: OutOption = None,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        from models.consent.states import require_possible

        opened, now = _open(home), _now()
        kept = opened.consent(parse_consent_id(consent_id))
        signed = opened.signatory.change(kept.consent, self._what, at=now, reason=reason)
        require_possible(kept.consent, kept.claimed_changes(), signed.claimed(), now)
        opened.keep_change(kept.consent.consent_id, signed)
        number = len(kept.changes)
        path = _write(out or home / f"{kept.consent.consent_id}-{number}-{self._what}.change", signed.encode())
        show(_about(opened.consent(kept.consent.consent_id)) | {"file": path}, as_json=as_json)


for _what, _help in {
    What.PAUSE: "Let nobody use a consent until you resume it. Hand the file to the bank or the bureau.",
    What.RESUME: "Let a consent that was paused be used again. Hand the file to the bank or the bureau.",
    What.REVOKE: "End a consent, for good. Hand the file to the bank or the bureau.",
    What.REJECT: "Reject a consent that has not begun, for good. Hand the file to the bank or the bureau.",
}.items():
    app.command(_what.value, help=_help)(_Change(_what).__call__)


@app.command()
def uses(
    *,
    log: Annotated[Path, typer.Option(help="a copy of the log, as the bureau publishes it")],
    log_key: LogKey = None,
    witness_key: WitnessKey = None,
    keys: Keys = None,
    quorum: Quorum = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Show every use of your consents. None can be left out: all entries together lead to what witnesses signed."""
    from simulations.enterprise.log_copy import LogCopy
    from simulations.enterprise.uses import uses_of

    bundles = [one.bundle for one in _open(home).consents()]
    copy = LogCopy.read(log, trusted(log_key, witness_key, keys, quorum))
    found = uses_of(bundles, copy)
    show_rows([_row(use) for use in found], as_json=as_json, nothing="none of your consents was used")
    if not as_json:
        typer.echo(f"\nthe log has {copy.checkpoint.size} entries, seen by {len(copy.witnesses)} witnesses", err=True)


@app.command()
def reasons(
    file: Annotated[Path, typer.Argument(help="the boxes that a bank handed on")],
    *,
    manifest: Annotated[
        Path | None, typer.Option(help="the model's, to say which departments a reason is from", show_default=False)
    ] = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Open the reasons of a score, where your consent lets you: up to four, and the points that each one cost."""
    from simulations.enterprise.opened_reasons import opened_reasons

    boxes = limited(file, _MAXIMUM_BOXES_BYTES)
    facts = None if manifest is None else limited(manifest, _MAXIMUM_MANIFEST_BYTES)
    rows = [
        {
            "code": one.code,
            "zh": one.zh,
            "en": one.en,
            "points_lost": one.points_lost,
            "departments": list(one.departments),
        }
        for one in opened_reasons(_open(home).signatory, boxes, facts)
    ]
    show_rows(rows, as_json=as_json, nothing="nothing cost a point")


def _row(use: Use) -> dict[str, object]:
    said = use.statement
    return {
        "index": use.index,
        "consent": use.consent_id,
        "use": use.number + 1,
        "outcome": use.outcome.value,
        "bank": None if said is None else said.bank,
        "purpose": None if said is None else said.purpose.value,
        "model": None if said is None else said.model_version,
        "valid_until": None if said is None else readable_time(said.expires_at),
    }


def _about(kept: KeptConsent) -> dict[str, object]:
    given = kept.consent
    return {
        "consent": given.consent_id,
        "state": kept.state(_now()).value,
        "bank": given.recipient,
        "purpose": given.purpose.value,
        "computation": given.computation.value,
        "departments": list(given.providers),
        "from": readable_time(given.valid_from),
        "until": readable_time(given.expires_at),
        "uses": given.maximum_uses,
        "uses_a_month": given.uses_a_month,
        "digest": given.digest().hex(),
    }


def _open(home: Path) -> EnterpriseHome:
    from simulations.enterprise.home import EnterpriseHome

    return EnterpriseHome.open(home)


def _write(path: Path, data: bytes) -> str:
    from models.hosting.storage.files import private_file

    private_file(path, data)
    return str(path)


def _now() -> int:
    return int(SystemClock().now())
