"""Several nodes on one PostgreSQL: killed backends, rivals, failover, stale nodes."""
