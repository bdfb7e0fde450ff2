"""What the documents name exists: files, tests, steps, purposes and parameters."""

import re
from pathlib import Path

import pytest

from crypto.lattice.ciphertext import Kind, frame
from crypto.lattice.circuit import vector_chunk_bytes
from crypto.lattice.inner_product import answer_bytes
from crypto.lattice.noise import FLOOD_BITS
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT, LatticeParameters
from crypto.masks import MaskContext
from models.histogram_metrics import HISTOGRAM_WORDS
from models.wire.plan import MINIMUM_DEPARTMENTS, ROWS_PER_ROUND_AND_PARAMETER
from models.wire.score_statement import MAXIMUM_LIFETIME_SECONDS
from models.wire.steps import Purpose, Step
from models.wire.training import GRADIENT_FRACTION_BITS, IMAGE_FRACTION_BITS, WEIGHT_BITS

ROOT = Path(__file__).parents[2]
PROTOCOLS = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]

_LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)")
_TEST = re.compile(r"`(tests/[\w/.-]+\.py)?(?:::(test_\w+))?`")
_SECTION = re.compile(r"`docs/protocols\.md`,(?: \"([^\"]+)\")?")
_MODULE = re.compile(r"`((?:crypto|models|participants|coordinator|simulations|tests)/[\w/.-]+\.py)`")


def _ring(parameters: LatticeParameters) -> str:
    *most, last = parameters.coeff_modulus_bits
    primes = f"{', '.join(map(str, most))} and {last}"
    return f"N = {parameters.poly_modulus_degree}, primes of {primes} bits, t = 2^{parameters.plain_modulus_bits}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = [link for link in _LINK.findall(text) if not (document.parent / link).exists()]
    missing += [name for name in _MODULE.findall(text) if not (ROOT / name).exists()]
    assert not missing


def test_what_modules_name_of_the_documents_and_of_each_other_exists() -> None:
    headings = re.findall(r"^## \d+\. (.+)$", PROTOCOLS, re.MULTILINE)
    found = 0
    for package in ("coordinator", "crypto", "models", "participants", "simulations"):
        for module in (ROOT / package).rglob("*.py"):
            text = module.read_text(encoding="utf-8")
            sections = _SECTION.findall(text)
            found += len(sections)
            assert set(sections) <= set(headings), module
            assert all((ROOT / name).exists() for name in _MODULE.findall(text)), module
    assert found > 5


def test_every_test_that_the_threat_model_names_exists() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    current, named = "", 0
    for path, name in _TEST.findall(text):
        current = path or current
        if name:
            named += 1
            assert f"def {name}(" in (ROOT / current).read_text(encoding="utf-8"), f"{current}::{name}"
    assert named > 20


def test_every_decision_is_in_the_index_and_has_a_number_of_its_own() -> None:
    records = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    for name in records:
        title = (ROOT / "docs" / "adr" / name).read_text(encoding="utf-8").splitlines()[0]
        number, _, decision = title.removeprefix("# ").partition(". ")
        assert f"[{number}]({name}) | {decision} |" in index


@pytest.mark.parametrize("name", [*Step, *Purpose])
def test_every_step_and_every_masked_sum_is_described(name: str) -> None:
    assert f"`{name}`" in PROTOCOLS


@pytest.mark.parametrize(
    "statement",
    [
        _ring(INNER_PRODUCT),
        _ring(ADDITION),
        f"a flood, uniform in [-2^{FLOOD_BITS}, 2^{FLOOD_BITS})",
        f"{len(frame(Kind.VECTOR, bytes(32), b'')) + vector_chunk_bytes(INNER_PRODUCT):,} bytes",
        f"an answer {len(frame(Kind.ANSWER, bytes(32), b'')) + answer_bytes(INNER_PRODUCT, 0):,} and 8 a column",
        f"| the bank | {IMAGE_FRACTION_BITS} |",
        f"| `bank-gradient` | banks | `banks/0` | {GRADIENT_FRACTION_BITS} |",
        f"training rows >= {ROWS_PER_ROUND_AND_PARAMETER} * maximum_rounds * parameters of the largest block",
        f"Fewer than {MINIMUM_DEPARTMENTS} departments",
        f"valid for more than {MAXIMUM_LIFETIME_SECONDS} s",
        f"held-out scores by label, {HISTOGRAM_WORDS:,} counts",
        f"bits(entries) - {WEIGHT_BITS})",
    ],
)
def test_parameters_are_those_of_the_code(statement: str) -> None:
    assert statement in " ".join(PROTOCOLS.split())


def test_a_mask_context_holds_what_the_document_says() -> None:
    assert list(MaskContext.__dataclass_fields__) == [
        "run_id",
        "plan_digest",
        "round",
        "attempt",
        "purpose",
        "direction",
        "members",
    ]
    assert "context = run, digest of the plan, round, attempt, purpose, direction, members of S" in PROTOCOLS
