ALTER TABLE product ADD COLUMN stock integer;
