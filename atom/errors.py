"""The error type whose message is written for the user."""


class AtomError(Exception):
    """An error that the user can fix. The message says what is wrong, where, and what to do, in one line."""
