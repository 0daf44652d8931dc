"""The errors a person sees. Each message names the document or key, the fault and the next step."""

from __future__ import annotations


class CleanCorpusError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code = 1


class RunError(CleanCorpusError):
    """The run could not be done: storage, permissions, a second run on the same CLEAN. Leaves with 1."""


class UsageError(CleanCorpusError):
    """Wrong usage or configuration, found before anything was read. Leaves with 2."""

    exit_code = 2


class GateError(RunError):
    """A gate (`--max-duplicate-share` and its kin) stopped the run before publishing. Leaves with 1."""


class DocumentError(CleanCorpusError):
    """One document could not be used; the others go on. Becomes that document's manifest row."""

    status = "failed"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DocumentRejected(DocumentError):
    """The document was read and is not one to keep (binary, empty, a link out of RAW, nothing left)."""

    status = "rejected"


class DocumentFailed(DocumentError):
    """The document may be worth keeping but could not be processed (broken, too slow, too large).

    `passing`: the fault may be the machine's and not the document's own (storage gave an error, the system killed the
    worker, the clock ran out): the next run tries it again.
    """

    status = "failed"

    def __init__(self, reason: str, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing
