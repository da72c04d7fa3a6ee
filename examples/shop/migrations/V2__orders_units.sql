-- orders.quantity becomes orders.units. Both are there for as long as a version that knows only one of them may write: the
-- trigger makes each what the other one is.
ALTER TABLE orders ADD COLUMN units integer;
CREATE FUNCTION orders_units() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' AND NEW.units IS NULL OR TG_OP = 'UPDATE' AND NEW.quantity IS DISTINCT FROM OLD.quantity THEN
    NEW.units := NEW.quantity;
  ELSE
    NEW.quantity := NEW.units;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER orders_units BEFORE INSERT OR UPDATE OF quantity, units ON orders FOR EACH ROW EXECUTE FUNCTION orders_units();
