"""Everything that keeps state outside the process."""
