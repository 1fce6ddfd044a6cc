"""The benchmark: what a packet pays on its way, and what an operator waits for, each beside what it is judged by."""
