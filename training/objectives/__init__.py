"""What the autoencoder, or another network, is trained for: one file for each published method, with its equation."""
