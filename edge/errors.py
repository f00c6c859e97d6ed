"""The one error that a user's input can cause, and telling others in one line."""


class InputError(ValueError):
    """Bad input, told in one line: what is wrong, the value seen, what to type.

    The command line prints the line and exits with 2; a part raises it from its constructor, before
    the car moves.
    """


def first_line(error: Exception) -> str:
    """What a library's error says, in one line."""
    return (str(error).strip() or repr(error)).splitlines()[0]
