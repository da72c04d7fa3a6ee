CREATE TABLE ruled (id integer);
CREATE RULE two AS ON DELETE TO ruled DO ALSO (
  INSERT INTO copied VALUES (OLD.id);
  DELETE FROM copied WHERE a = OLD.id;
);
