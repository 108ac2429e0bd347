"""Hard fences, one file each; see backup.failover.fence."""
