-- slipway: phase=contract
ALTER TABLE orders VALIDATE CONSTRAINT orders_units_filled;
ALTER TABLE orders VALIDATE CONSTRAINT orders_units_check;
