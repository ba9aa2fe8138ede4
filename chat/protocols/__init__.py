"""Frames to commands and results to frames, without any input or output of their own."""
