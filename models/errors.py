"""What can go wrong with a model, all of it an error of this project.

    YurongError
    └── ModelError
        ├── InvalidModelInput      an array or a setting that no model can be made of
        ├── BlockFileInvalid       a file that is no saved block, or not in its one form
        ├── BundleRefused          a Flower app bundle that is not this release's
        └── MinimisationFailed     the objective cannot be lowered although its gradient says so

A message names features and shapes, never a value of a record.
"""

from crypto.errors import YurongError


class ModelError(YurongError):
    """The root of the errors of `models`."""


class InvalidModelInput(ModelError):
    """Arrays or settings that do not fit: a wrong shape, a value that is no number, a bin that does not exist."""


class BlockFileInvalid(ModelError):
    """Bytes that are no saved block, or one that was changed by hand."""


class BundleRefused(ModelError):
    """What should name the apps of this release holds something else, or cannot be read."""


class MinimisationFailed(ModelError):
    """No step along a direction of descent lowers the objective: some party's statistics are not what they claim."""
