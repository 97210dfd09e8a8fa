-- The read tables, distributed by Citus (https://docs.citusdata.com). Not run with Citus yet: see docs/operations.md#partitions-and-citus.
-- Run as the owner of the tables, after `connector-state migrate`, with the extension made by its superuser.

BEGIN;

-- Every unique key of a distributed table has the distribution column in it. `connector-state shard --partitions 2` or
-- more makes the same key; a table that is in partitions already needs no change here.
ALTER TABLE connector_state_cache
  DROP CONSTRAINT connector_state_cache_pkey,
  ADD CONSTRAINT connector_state_cache_pkey PRIMARY KEY (id, cache_key);

SELECT create_distributed_table('connector_state_cache', 'cache_key');

-- On every node, for each is joined with, or moved in the same transaction as, the states.
SELECT create_reference_table('exchange_clock');
SELECT create_reference_table('projection_checkpoint');
SELECT create_reference_table('projection_dead_letter');
SELECT create_reference_table('connector_replica_link');

-- The log, the outbox and the tables by the hour stay on the coordinator; a log of its own is EVENT_STORE_URL.
SELECT citus_add_local_table_to_metadata('drift_hourly');
SELECT citus_add_local_table_to_metadata('cache_usage');
SELECT citus_add_local_table_to_metadata('shadow_outcome');

COMMIT;
