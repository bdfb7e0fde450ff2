"""Text that the page prints as it is."""


class Verbatim(str):
    """Markup of our own making: a chart that was taken apart and checked, or the style sheet.

    Everything else is escaped: templates ask a value for `__html__` before they do.
    """

    __slots__ = ()

    def __html__(self) -> str:
        """The markup."""
        return str(self)
