CREATE TABLE [odd;name] (id integer PRIMARY KEY, `a;b` text, "c;""d" text);
CREATE TABLE notes (id integer PRIMARY KEY, said text);
INSERT INTO notes (said) VALUES ('it''s; -- x');
