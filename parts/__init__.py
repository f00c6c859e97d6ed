"""The Donkeycar parts; they import no donkeycar."""
