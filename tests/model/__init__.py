"""The store against a plain model: random histories with crashes, lost tails and restores, and clients in them."""
