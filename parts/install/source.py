"""Parses Python that belongs to others."""

import ast
import warnings


def parse(source: str | bytes) -> ast.Module:
    """Parse a file without running it or printing its warnings. Raises SyntaxError for whatever cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in its strings, for example
            return ast.parse(source)
    except (ValueError, RecursionError, MemoryError, SystemError) as error:
        # Python 3.11 raises SystemError now and then for an expression that is too deep (CPython issue 106905).
        raise SyntaxError(str(error) or type(error).__name__) from None
