CREATE TABLE seen (name text PRIMARY KEY, said text);
