"""The one error type that a user is meant to read."""


class AtomError(Exception):
    """Something a user can mend: the message says what is wrong, where, and what to do about it, in one line."""
