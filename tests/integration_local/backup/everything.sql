-- One of everything that a dump has to carry.
CREATE ROLE "reader of ""all""" NOLOGIN;
CREATE EXTENSION pg_trgm;
CREATE SCHEMA "Größe 1";
CREATE TYPE mood AS ENUM ('sad', 'ok', 'häppy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE "Größe 1"."it's a ""table""" (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "näme, with; everything" text NOT NULL,
  tags text[], doc jsonb, raw bytea, amount numeric(20, 5), ratio double precision, at timestamptz, feeling mood,
  doubled numeric GENERATED ALWAYS AS (amount * 2) STORED
);
INSERT INTO "Größe 1"."it's a ""table""" ("näme, with; everything", tags, doc, raw, amount, ratio, at, feeling)
SELECT E'row\t' || n || E'\n\\.', ARRAY['a', NULL, 'ü"'], jsonb_build_object('n', n, 'x', ARRAY[1, n]),
  decode(md5(n::text), 'hex'), n / 7.0, (ARRAY['NaN', 'Infinity', '-Infinity', '0.1'])[n % 4 + 1]::float8,
  timestamptz '2026-03-29 01:59:59+01' + n * interval '1 minute', (ARRAY['sad', 'ok', 'häppy'])[n % 3 + 1]::mood
FROM generate_series(1, 5000) AS n;
CREATE TABLE words (word text PRIMARY KEY, n positive);
INSERT INTO words SELECT chr(65 + n % 60) || n, n FROM generate_series(1, 3000) AS n;
CREATE INDEX ON words USING gin (word gin_trgm_ops);
CREATE TABLE without_key (a int, b text);
INSERT INTO without_key SELECT n, repeat('x', n % 50) FROM generate_series(1, 60000) AS n;
CREATE TABLE empty (nothing int);
CREATE TABLE no_columns ();
CREATE TABLE measured (at date NOT NULL, value real) PARTITION BY RANGE (at);
CREATE TABLE measured_2025 PARTITION OF measured FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE measured_rest PARTITION OF measured DEFAULT;
INSERT INTO measured SELECT date '2025-06-01' + n, n FROM generate_series(1, 400) AS n;
CREATE TABLE parent (p int); CREATE TABLE child (c int) INHERITS (parent);
INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (3, 4);
CREATE UNLOGGED TABLE unlogged (u int); INSERT INTO unlogged VALUES (1);
CREATE SEQUENCE untouched START 7;
CREATE SEQUENCE counting; SELECT setval('counting', 41);
CREATE VIEW many AS SELECT * FROM words WHERE n > 10;
CREATE MATERIALIZED VIEW summed AS SELECT count(*) AS words FROM words;
CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER noting ON ddl_command_end EXECUTE FUNCTION note();
ALTER TABLE words ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON words FOR SELECT USING (n > 5);
GRANT SELECT ON words TO "reader of ""all""";
ALTER TABLE empty OWNER TO "reader of ""all""";
SELECT lo_from_bytea(0, decode(repeat('c0ffee', 1000), 'hex')) FROM generate_series(1, 3);
COMMENT ON TABLE words IS 'ein "Kommentar"';
