"""The terminal client: one conversation, followed live and without gaps, over any loss of either side."""
