"""What we measure, and against whom; the load generator is a process of its own."""
