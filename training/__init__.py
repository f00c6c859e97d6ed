"""From tubs to a trained autoencoder. Import the modules by name: torch loads with them."""
