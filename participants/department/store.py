"""What a department holds of the enterprises: its records, on its own disk, behind its data contract."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from crypto.identifiers import EnterpriseId
from participants.records.contract import KEY_COLUMN, Item, ItemType
from participants.records.records import Records
from participants.records.table_store import rows_of

AS_OF: Final = Item(name="as_of", title="Day that the row's data are of", type=ItemType.DATE)


class DepartmentStore(Records):
    """The department's store.

    `import_file` knows of no models: a home imports by `participants.department.importer`, which exchanges the partials
    with the records.
    """

    OPTIONAL = (AS_OF,)

    def as_of(self, enterprise_ids: Sequence[EnterpriseId]) -> list[date | None]:
        """Return the day that each enterprise's data are of; None where that is not known or nothing is held."""
        table = self._store.table()
        if AS_OF.name not in table.columns:
            return [None] * len(enterprise_ids)
        dates: pl.Series = rows_of(table.select(KEY_COLUMN, AS_OF.name), enterprise_ids)[AS_OF.name]
        return dates.to_list()
