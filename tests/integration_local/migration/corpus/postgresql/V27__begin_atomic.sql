CREATE FUNCTION sign_of(n integer) RETURNS text LANGUAGE sql
BEGIN ATOMIC
  SELECT 'minus' WHERE n < 0;
  SELECT coalesce(nullif(n, 0)::text, 'zero');
END;
INSERT INTO seen VALUES ('atomic', sign_of(0));
