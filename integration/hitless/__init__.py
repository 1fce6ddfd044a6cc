"""Changes under load: who is not meant loses nothing, and nobody goes astray."""
