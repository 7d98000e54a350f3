"""The store's one error type."""


class StoreError(Exception):
    """A store that can't do what was asked: one line that says what is wrong, where, and what to do about it."""
