CREATE TABLE periods (id int, end date, begin date);
INSERT INTO periods (id, end, begin) VALUES (1, NULL, NULL);
SELECT p.end, CASE WHEN p.begin IS NULL THEN 1 END FROM periods p;
