-- The tables of every version before 1.3.0, which make them by themselves at their first start. Where one of them has, the
-- history begins behind this file: migration_runner with state=baselined and target=1.
CREATE TABLE products (
    id integer PRIMARY KEY, slug text NOT NULL UNIQUE, name text NOT NULL, about text NOT NULL,
    price_cents integer NOT NULL, sold bigint NOT NULL DEFAULT 0);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id integer NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0), idempotency_key text UNIQUE,
    taken_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint NOT NULL UNIQUE REFERENCES orders,
    done_at timestamptz);
CREATE INDEX jobs_open ON jobs (id) WHERE done_at IS NULL;
CREATE TABLE done (
    job_id bigint NOT NULL UNIQUE REFERENCES jobs, done_by text NOT NULL, worker text NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now());
INSERT INTO products (id, slug, name, about, price_cents) VALUES
    (1, 'lantern', 'Storm lantern', 'Burns eleven hours in any weather.', 4900),
    (2, 'compass', 'Brass compass', 'Points north. Has done since 1904.', 8900),
    (3, 'mug', 'Enamel mug', 'Survives the galley floor.', 1400),
    (4, 'rope', 'Mooring line, 12 m', 'Three strands, spliced by hand.', 3600),
    (5, 'bell', 'Ship''s bell', 'Heard across the harbour, in fog too.', 12900),
    (6, 'jacket', 'Oilskin jacket', 'Dry on the inside.', 18900),
    (7, 'flags', 'Signal flags', 'Say it without the radio.', 5400),
    (8, 'knife', 'Rigging knife', 'Folds, locks, opens a bottle.', 3200);
