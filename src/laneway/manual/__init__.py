"""Manual pages, made of what `--help` and `laneway schema` say."""
