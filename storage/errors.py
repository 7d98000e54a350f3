"""The store's errors."""


class StoreError(Exception):
    """The store can't do something. The message is one line: what is wrong, where, and what to do about it."""


class ArtifactError(StoreError):
    """An artifact is missing or damaged; the stage that computes it has to run again."""


class StoreUnreachable(StoreError):
    """The storage did not answer or refused access, so its content is unknown."""
