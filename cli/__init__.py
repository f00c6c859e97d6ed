"""The command line: each command parses its options, calls one function of another folder and prints the result."""
