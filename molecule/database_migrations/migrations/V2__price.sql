ALTER TABLE goods ADD COLUMN price integer;
