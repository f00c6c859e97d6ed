"""The one error that a user's input can cause, and the first line of any other."""


class InputError(ValueError):
    """Bad input, described in one line: what is wrong, the value seen, what to type.

    The command line prints the line and exits with 2; a part raises it from its constructor, before
    the car moves.
    """


def first_line(error: Exception) -> str:
    """Return the first line of what a library's error says."""
    return (str(error).strip() or repr(error)).splitlines()[0]
