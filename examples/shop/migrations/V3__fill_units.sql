-- slipway: transaction=off
-- The orders that were there already, in batches: nobody waits for more than one of them.
DO $$ BEGIN LOOP
  UPDATE orders SET units = quantity WHERE id IN (SELECT id FROM orders WHERE units IS NULL LIMIT 5000);
  EXIT WHEN NOT FOUND;
  COMMIT;
END LOOP; END $$;
