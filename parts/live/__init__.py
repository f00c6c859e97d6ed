"""The live page /lens on Donkeycar's own web server."""
