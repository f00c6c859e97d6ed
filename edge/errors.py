"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Bad input, told in one line: what is wrong, the value seen, what to type.

    The command line prints the line and exits with 2; a part raises it from its constructor, before
    the car moves.
    """
