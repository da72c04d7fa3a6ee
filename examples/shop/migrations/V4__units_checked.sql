-- slipway: phase=contract
ALTER TABLE orders ADD CONSTRAINT orders_units_filled CHECK (units IS NOT NULL) NOT VALID;
ALTER TABLE orders ADD CONSTRAINT orders_units_check CHECK (units > 0) NOT VALID;
