-- slipway: phase=contract
ALTER TABLE goods DROP COLUMN name;
