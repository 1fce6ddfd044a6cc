"""One transaction over everything: read, plan, run, read again, and on any failure plan back."""
