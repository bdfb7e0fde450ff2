"""What operators type to found nodes, trust one another and rotate keys."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from coordinator.command import app as bureau_app
from crypto.errors import YurongError
from crypto.identity import ParticipantDocument, parse_fingerprint
from participants.department.command import app as department_app
from simulations.small_federation import SmallFederation


def contract_file(directory: Path) -> Path:
    path = directory / "contract.toml"
    path.write_text(SmallFederation().make().departments[0].contract.to_toml(), encoding="utf-8")
    return path


class Desk:
    """One operator's terminal."""

    def __init__(self, app: Any, home: Path) -> None:
        self.app, self.home = app, home

    def run(self, *arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(self.app, [*arguments, "--home", str(self.home)], input=typed)

    def ask(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)


@pytest.fixture
def bureau(tmp_path: Path) -> Desk:
    desk = Desk(bureau_app, tmp_path / "bureau")
    desk.ask("init", "--title", "Bureau", "--address", "https://127.0.0.1:8443")
    return desk


@pytest.fixture
def tax(tmp_path: Path) -> Desk:
    desk = Desk(department_app, tmp_path / "tax")
    contract = str(contract_file(tmp_path))
    desk.ask("init", "tax", "--title", "Tax 税务", "--address", "https://127.0.0.1:8444", "--contract", contract)
    return desk


def handed_over(desk: Desk, directory: Path) -> tuple[str, str]:
    """The document's file, and the fingerprint as it is read out."""
    told = desk.ask("document", "--out", str(directory / f"{desk.home.name}.document"))
    return told["document"], told["fingerprint"]


def test_a_new_home_is_private_and_explains_its_settings(tax: Desk) -> None:
    for path in [tax.home, *tax.home.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert "# " in (tax.home / "config.toml").read_text()
    assert "# " in (tax.home / "approval.toml").read_text()


def test_a_home_is_not_made_twice_and_its_keys_stay(tax: Desk, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (tax.home / "keys").rglob("*") if path.is_file()}
    again = tax.run(
        *("init", "tax", "--title", "T", "--address", "https://127.0.0.1:1", "--contract"),
        str(tmp_path / "contract.toml"),
    )
    assert isinstance(again.exception, YurongError)
    assert {path: path.read_bytes() for path in (tax.home / "keys").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("more", [[], ["--set", "listen_port=9000"], ["--set", "listen_port=0"]])
def test_the_settings_of_a_home_that_is_there_stay_as_they_are(bureau: Desk, more: list[str]) -> None:
    before = (bureau.home / "config.toml").read_bytes() + b"# by hand\n"
    (bureau.home / "config.toml").write_bytes(before)
    again = bureau.run("init", "--title", "B", "--address", "https://127.0.0.1:1", *more)
    assert isinstance(again.exception, YurongError)
    assert (bureau.home / "config.toml").read_bytes() == before


def test_a_setting_that_is_refused_leaves_what_an_operator_laid_there(tmp_path: Path) -> None:
    desk = Desk(bureau_app, tmp_path / "bureau")
    desk.home.mkdir(mode=0o700)
    (desk.home / "config.toml").write_text("listen_port = 9000\n")
    done = desk.run("init", "--title", "B", "--address", "https://127.0.0.1:1", "--set", "listen_port=0")
    assert isinstance(done.exception, YurongError)
    assert (desk.home / "config.toml").read_text() == "listen_port = 9000\n"


def test_what_an_init_left_that_was_killed_before_its_keys_were_there_is_made_again(tax: Desk, tmp_path: Path) -> None:
    (tax.home / "keys").rename(tax.home / ".draft-keys")
    assert isinstance(tax.run("status").exception, YurongError)
    contract = str(tmp_path / "contract.toml")
    tax.ask("init", "tax", "--title", "Tax", "--address", "https://127.0.0.1:8444", "--contract", contract)
    assert tax.run("status").exception is None


def test_a_directory_of_others_is_neither_shut_nor_filled(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "index.html").write_text("for all to read")
    arguments = ("init", "--title", "B", "--address", "https://127.0.0.1:1")
    assert isinstance(Desk(bureau_app, shared).run(*arguments).exception, YurongError)
    assert (stat.S_IMODE(shared.stat().st_mode), [one.name for one in shared.iterdir()]) == (0o755, ["index.html"])
    (shared / "index.html").unlink()
    assert Desk(bureau_app, shared).run(*arguments).exception is None
    assert stat.S_IMODE(shared.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "wrong",
    [
        ["--set", "listen_prot=1"],
        ["--set", "listen_port=0"],
        ["--set", "listen_port"],
    ],
)
def test_a_setting_that_is_not_understood_makes_no_home(wrong: list[str], tmp_path: Path) -> None:
    desk = Desk(bureau_app, tmp_path / "bureau")
    done = desk.run("init", "--title", "B", "--address", "https://127.0.0.1:8443", *wrong)
    assert isinstance(done.exception, YurongError)
    assert not (desk.home / "keys").exists()
    assert desk.run("init", "--title", "B", "--address", "https://127.0.0.1:8443").exception is None


def test_nobody_is_pinned_unless_the_fingerprint_was_read_out(bureau: Desk, tax: Desk, tmp_path: Path) -> None:
    document, fingerprint = handed_over(tax, tmp_path)
    asked = bureau.run("admit", document, typed="n\n")
    assert fingerprint in asked.stdout
    assert isinstance(asked.exception, YurongError)
    assert bureau.ask("pins") == []
    assert bureau.run("admit", document, typed="y\n").exception is None
    assert [one["fingerprint"] for one in bureau.ask("pins")] == [fingerprint]


def test_a_document_is_refused_if_the_telephone_said_another_fingerprint(
    bureau: Desk, tax: Desk, tmp_path: Path
) -> None:
    document, fingerprint = handed_over(tax, tmp_path)
    other = "0000" + fingerprint[4:]
    (tmp_path / "heard").write_text(f"tax {other}\n")
    done = bureau.run("admit", document, "--fingerprints", str(tmp_path / "heard"))
    assert isinstance(done.exception, YurongError)
    (tmp_path / "heard").write_text(f"water {fingerprint}\n")
    done = bureau.run("admit", document, "--fingerprints", str(tmp_path / "heard"))
    assert isinstance(done.exception, YurongError)
    assert bureau.ask("pins") == []


def test_a_node_does_not_pin_itself(tax: Desk, tmp_path: Path) -> None:
    document, fingerprint = handed_over(tax, tmp_path)
    (tmp_path / "heard").write_text(f"tax {fingerprint}\n")
    done = tax.run("pin", document, "--fingerprints", str(tmp_path / "heard"))
    assert isinstance(done.exception, YurongError)
    assert tax.ask("pins") == []


def test_a_narrow_terminal_folds_what_is_shown_and_leaves_nothing_out(
    bureau: Desk, tax: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, _ = handed_over(tax, tmp_path)
    bureau.run("admit", document, typed="y\n")
    monkeypatch.setenv("COLUMNS", "60")
    assert "…" not in bureau.run("pins").stdout


def test_several_are_pinned_together_or_none(bureau: Desk, tax: Desk, tmp_path: Path) -> None:
    document, fingerprint = handed_over(tax, tmp_path)
    (tmp_path / "junk").write_bytes(b"{}\n")
    (tmp_path / "heard").write_text(f"tax {fingerprint}\n")
    done = bureau.run("admit", document, str(tmp_path / "junk"), "--fingerprints", str(tmp_path / "heard"))
    assert isinstance(done.exception, YurongError)
    assert bureau.ask("pins") == []


def test_a_rotation_is_prepared_pinned_without_telephone_and_finished(bureau: Desk, tax: Desk, tmp_path: Path) -> None:
    document, fingerprint = handed_over(tax, tmp_path)
    (tmp_path / "heard").write_text(f"tax {fingerprint}\n")
    bureau.ask("admit", document, "--fingerprints", str(tmp_path / "heard"))
    prepared = tax.ask("rotate", "identity", "tls")
    assert tax.ask("status")["keys"] == "a rotation is prepared"
    assert bureau.run("admit", prepared["hand_over"]).exception is None
    assert tax.ask("rotate", "--finish")["serial"] == 2
    assert [one["serial"] for one in bureau.ask("pins")] == [2]
    assert handed_over(tax, tmp_path)[1] != fingerprint


def test_a_home_of_another_role_is_named_as_such(bureau: Desk) -> None:
    done = Desk(department_app, bureau.home).run("status")
    assert isinstance(done.exception, YurongError)
    assert "bureau" in done.exception.message


def test_a_participant_gets_a_new_node_key_and_says_so_in_its_document(bureau: Desk, tax: Desk, tmp_path: Path) -> None:
    document, fingerprint = handed_over(tax, tmp_path)
    (tmp_path / "heard").write_text(f"tax {fingerprint}\n")
    bureau.ask("admit", document, "--fingerprints", str(tmp_path / "heard"))
    before = Path(document).read_bytes()
    assert bureau.run("admit", tax.ask("rotate", "node")["hand_over"]).exception is None
    tax.ask("rotate", "--finish")
    after = Path(handed_over(tax, tmp_path)[0]).read_bytes()
    assert (
        ParticipantDocument.verify(after, parse_fingerprint(fingerprint)).node_key
        != ParticipantDocument.verify(before, parse_fingerprint(fingerprint)).node_key
    )
