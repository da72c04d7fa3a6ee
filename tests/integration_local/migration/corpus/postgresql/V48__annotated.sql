-- slipway: phase=contract
-- slipway: allow=drop-column reason=nobody has read it since 1.3.0
ALTER TABLE product DROP COLUMN stock;
