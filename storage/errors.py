"""The store's errors."""


class StoreError(Exception):
    """A store that can't do what was asked: one line that says what is wrong, where, and what to do about it."""


class ArtifactError(StoreError):
    """An artifact that is absent or can't be trusted; the stage that makes it has to run again."""


class StoreUnreachable(StoreError):
    """The storage did not answer or refused, so nothing is known of what it holds."""
