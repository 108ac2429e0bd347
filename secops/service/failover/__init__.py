"""People's side of a failover: what the agents say is followed, and what people ask for is put before the leader."""
