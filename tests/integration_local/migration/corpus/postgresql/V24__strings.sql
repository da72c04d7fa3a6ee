INSERT INTO seen VALUES ('strings', 'it''s; \'), ('two', 'a'
  'b;');
SELECT 'a;' || "name;" FROM (SELECT name AS "name;" FROM seen) AS "s""; t";
