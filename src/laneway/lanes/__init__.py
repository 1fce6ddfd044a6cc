"""Numbers for names: which mark, table and uplink number each lane has, for life."""
