CREATE TABLE triggers ("end" text, begin_at text);
SELECT CASE WHEN begin_at IS NULL THEN 1 END FROM triggers;
