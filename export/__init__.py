"""From a checkpoint to a bundle. Import the modules by name: torch loads with them."""
