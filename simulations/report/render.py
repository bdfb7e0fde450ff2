"""The page as one file: no script, no request, nothing from elsewhere.

Its content security policy allows the one style sheet inside it, by its hash, and nothing else.
"""

import base64
import hashlib
import tempfile
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from models.points import PointsScale
from simulations.report import wording
from simulations.report.data import ReportData
from simulations.report.errors import ReportRefused
from simulations.report.inspection import Form
from simulations.report.page import Page, difference
from simulations.report.verbatim import Verbatim

_FILTERS: Final = {
    "figure": wording.figure,
    "in_a_hundred": wording.in_a_hundred,
    "percent": wording.percent,
    "share_of_bytes": wording.share_of_bytes,
    "count": wording.count,
    "signed": wording.signed,
    "size": wording.size,
    "duration": wording.duration,
    "several": wording.several,
}
_FORMS: Final = {
    Form.ENCRYPTED: "Encrypted under a bank’s key",
    Form.SEALED: "Sealed to one recipient",
    Form.MASKED: "Masked: adds up only with everybody’s parts",
    Form.BLINDED: "Blinded enterprise ids",
    Form.PUBLIC: "Public keys, signatures and fingerprints",
    Form.READABLE: "Readable: names, counts, public figures",
}


def report_html(data: ReportData) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("simulations.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    style = environment.get_template("style.css.html.j2").render().strip()
    policy = f"default-src 'none'; style-src 'sha256-{_digest(style)}'; base-uri 'none'; form-action 'none'"
    return environment.get_template("page.html.j2").render(
        page=Page.of(data),
        style=Verbatim(style),
        policy=policy,
        difference=difference,
        forms=_FORMS,
        scale=PointsScale(),
    )


def write_report(data: ReportData, path: Path) -> None:
    """Write the page to `path`, whole or not at all; a file that is there is replaced.

    Raises `ReportRefused` if it cannot be written there.
    """
    page = report_html(data).encode("utf-8")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".report-") as directory:
            new = Path(directory) / "page.html"
            new.write_bytes(page)
            new.replace(path)
    except OSError as error:
        raise ReportRefused(
            f"the report cannot be written to {path}: {error.strerror}",
            advice="Name a file in a directory that exists and may be written to.",
        ) from error


def _digest(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _printable(value: Any) -> Any:
    """Clean every text that is printed; the drawn charts are clean already."""
    return wording.printable(value) if isinstance(value, str) and not isinstance(value, Verbatim) else value
