"""Policy files: TOML text in, a frozen `PolicySet` out, every error shown at its place."""
