-- slipway: phase=contract
-- Nobody reads or writes quantity since 1.4.0.
ALTER TABLE orders ALTER COLUMN units SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT orders_units_filled;
DROP TRIGGER orders_units ON orders;
DROP FUNCTION orders_units;
ALTER TABLE orders DROP COLUMN quantity;
