"""Generated drives, the demo and their figures."""
